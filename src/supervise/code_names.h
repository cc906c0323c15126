// What in an app's root is its code and templates, by the names of files and folders alone.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

namespace cutwater::supervise {

inline constexpr std::array kDeployNames = {"restart.txt", ".deploy", "pyproject.toml"};

// Of what tools and the app itself write into; never source.
bool is_foreign_folder(std::string_view name);
// In a folder of what is no environment itself, these make it one: whatever the folder's name is.
bool is_environment_mark(std::string_view file);
bool is_environment_folder_mark(std::string_view folder);
bool is_environment(const std::string& folder);

// Whether `folder` is `root` or lies below it without passing through a foreign folder.
bool belongs(const std::filesystem::path& root, const std::filesystem::path& folder);
// Whether one of the folders from `root` down to `folder` is called "templates".
bool is_among_templates(std::string_view root, std::string_view folder);

bool is_source(std::string_view name);
// Templates for some engines, and what any app may write: .html.
bool is_page(std::string_view name);
// Any text: templates of mails, feeds, scripts. Anywhere but among templates such files are data.
bool is_text(std::string_view name);
bool is_deploy_file(std::string_view name);

}  // namespace cutwater::supervise

#include "supervise/code_names.h"

#include <algorithm>
#include <array>

namespace cutwater::supervise {
namespace {

namespace fs = std::filesystem;

constexpr std::array kSourceEndings = {".py", ".pyx", ".jinja", ".jinja2", ".j2", ".mako", ".tmpl", ".tpl"};
constexpr std::array kPageEndings = {".html", ".htm", ".pt", ".zpt"};
constexpr std::array kTextEndings = {
    ".txt",    ".text", ".xml",      ".xhtml", ".rss",    ".atom",     ".svg",    ".js",   ".mjs", ".css",  ".scss",
    ".less",   ".md",   ".rst",      ".json",  ".yaml",   ".yml",      ".toml",   ".ini",  ".csv", ".tsv",  ".sql",
    ".tex",    ".ics",  ".vcf",      ".eml",   ".mjml",   ".metal",    ".mak",    ".kid",  ".pug", ".haml", ".hbs",
    ".liquid", ".ftl",  ".mustache", ".jade",  ".djhtml", ".template", ".genshi", ".stpl", ".vue", ".ts",   ".email"};
constexpr std::array kForeignFolders = {"node_modules", "__pycache__", "site-packages",
                                        "static",       "staticfiles", "media"};
constexpr const char* kEnvironmentMark = "pyvenv.cfg";
constexpr const char* kCondaMark = "conda-meta";
constexpr std::string_view kTemplates = "templates";

bool ends_with_any(std::string_view name, const auto& endings) {
  return std::any_of(endings.begin(), endings.end(), [name](std::string_view end) { return name.ends_with(end); });
}

bool is_one_of(std::string_view name, const auto& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

bool is_foreign_folder(std::string_view name) {
  return name.starts_with('.') || is_one_of(name, kForeignFolders);
}

bool is_environment_mark(std::string_view file) {
  return file == kEnvironmentMark;
}

bool is_environment_folder_mark(std::string_view folder) {
  return folder == kCondaMark;
}

bool is_environment(const std::string& folder) {
  std::error_code error;
  return fs::exists(folder + "/" + kEnvironmentMark, error) || fs::exists(folder + "/" + kCondaMark, error);
}

bool belongs(const fs::path& root, const fs::path& folder) {
  const fs::path inside = folder.lexically_normal().lexically_relative(root);
  if (inside.empty()) return false;
  return inside == "." || std::none_of(inside.begin(), inside.end(),
                                       [](const fs::path& part) { return is_foreign_folder(part.native()); });
}

bool is_among_templates(std::string_view root, std::string_view folder) {
  if (!folder.starts_with(root)) return false;
  const std::string inside = std::string(folder.substr(root.size())) + "/";
  return inside.find("/" + std::string(kTemplates) + "/") != std::string::npos;
}

bool is_source(std::string_view name) {
  return !name.starts_with('.') && ends_with_any(name, kSourceEndings);
}

bool is_page(std::string_view name) {
  return !name.starts_with('.') && ends_with_any(name, kPageEndings);
}

bool is_text(std::string_view name) {
  return !name.starts_with('.') && ends_with_any(name, kTextEndings);
}

bool is_deploy_file(std::string_view name) {
  return is_one_of(name, kDeployNames);
}

}  // namespace cutwater::supervise

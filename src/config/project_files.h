// Reading a project's folder: small files whole, existence, the way up to the version-control root.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace cutwater::config {

// The whole file; without a UTF-8 byte order mark. An error names the path. Larger than `limit` is an error, and so is
// anything but a regular file.
base::Result<std::string> read_text_file(const std::string& path, size_t limit = 1 << 20);

bool is_file(const std::string& path);
bool is_folder(const std::string& path);
bool exists(const std::string& path);  // as whatever, a link that leads nowhere too

// Absolute and without "." and ".."; `path` counts from `folder` when relative. Links are not followed.
std::string absolute_path(const std::string& folder, const std::string& path);
std::string current_folder();

// `path` as a person would write it from the current folder: relative when below it.
std::string shown_path(const std::string& path);

// `folder` and its parents up to the one with .git, .hg or .svn; only `folder` when there is none above.
std::vector<std::string> folders_to_repository_root(const std::string& folder);

// Names of the direct subfolders, sorted; hidden ones, environments and caches left out.
std::vector<std::string> subfolders(const std::string& folder);

}  // namespace cutwater::config

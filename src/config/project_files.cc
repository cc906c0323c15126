#include "config/project_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/file_descriptor.h"

namespace cutwater::config {
namespace {

namespace fs = std::filesystem;

bool is_uninteresting(const std::string& name) {
  static constexpr std::array<std::string_view, 16> kNames = {
      "venv",  "env",         "node_modules", "site-packages", "__pycache__", "tests", "test",    "static",
      "media", "staticfiles", "migrations",   "templates",     "build",       "docs",  "htmlcov", "virtualenv"};
  return name.starts_with('.') || std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

base::Result<std::string> read_text_file(const std::string& path, size_t limit) {
  base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return base::system_error(path);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return base::system_error(path);
  if (!S_ISREG(status.st_mode)) return base::Error{path + ": not a file"};
  std::string text;
  std::array<char, 16384> buffer;
  while (true) {
    ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::system_error(path);
    if (got == 0) break;
    text.append(buffer.data(), static_cast<size_t>(got));
    if (text.size() > limit) return base::Error{path + ": larger than " + std::to_string(limit >> 10) + " KB"};
  }
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  return text;
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

std::string absolute_path(const std::string& folder, const std::string& path) {
  fs::path whole = (fs::path(folder) / path).lexically_normal();
  if (!whole.has_filename() && whole.has_relative_path()) whole = whole.parent_path();
  return whole;
}

std::string current_folder() {
  std::error_code error;
  fs::path folder = fs::current_path(error);
  return error ? "/" : folder.string();
}

std::string shown_path(const std::string& path) {
  std::string here = current_folder();
  if (path == here) return ".";
  if (here != "/" && path.starts_with(here + "/")) return path.substr(here.size() + 1);
  return path;
}

std::vector<std::string> folders_to_repository_root(const std::string& folder) {
  std::vector<std::string> folders;
  std::error_code ignored;
  for (fs::path at = folder;; at = at.parent_path()) {
    folders.push_back(at.string());
    for (const char* mark : {".git", ".hg", ".svn"}) {
      if (fs::exists(at / mark, ignored)) return folders;
    }
    if (at == at.root_path()) break;
  }
  return {folder};
}

std::vector<std::string> subfolders(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename();
    std::error_code ignored;
    if (is_uninteresting(name) || !it->is_directory(ignored)) continue;
    if (fs::exists(it->path() / "pyvenv.cfg", ignored)) continue;
    names.push_back(std::move(name));
    if (names.size() > 1000) break;
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace cutwater::config

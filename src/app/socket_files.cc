#include "app/socket_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace cutwater::app {

void SocketFiles::add(const std::string& path) {
  const std::filesystem::path place(path);
  const std::string folder = place.has_parent_path() ? place.parent_path().native() : ".";
  File file;
  file.name = place.filename().native();
  file.folder.reset(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!file.folder.valid()) return;
  file.socket.reset(openat(file.folder.get(), file.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (file.socket.valid()) files_.push_back(std::move(file));
}

void SocketFiles::remove() {
  for (const File& file : files_) {
    struct stat bound, now;
    const bool ours = fstat(file.socket.get(), &bound) == 0 &&
                      fstatat(file.folder.get(), file.name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
                      bound.st_dev == now.st_dev && bound.st_ino == now.st_ino;
    if (ours) unlinkat(file.folder.get(), file.name.c_str(), 0);
  }
  files_.clear();
}

std::vector<int> SocketFiles::descriptors() const {
  std::vector<int> numbers;
  for (const File& file : files_) {
    numbers.push_back(file.folder.get());
    numbers.push_back(file.socket.get());
  }
  return numbers;
}

}  // namespace cutwater::app

#include "handler/file_rights.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

namespace cutwater::handler {
namespace {

// " (root:www-data, mode 660)"; "" when it cannot be seen.
std::string rights_of(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return "";
  const group* entry = getgrgid(status.st_gid);
  return fmt::format(" ({}:{}, mode {:o})", user_name(status.st_uid),
                     entry == nullptr ? std::to_string(status.st_gid) : entry->gr_name, status.st_mode & 07777);
}

}  // namespace

std::string user_name(uid_t user) {
  const passwd* entry = getpwuid(user);
  return entry == nullptr ? std::to_string(user) : entry->pw_name;
}

std::string how_to_open(const std::string& path, std::string_view user) {
  return fmt::format(
      "let the user {}, whom the front runs as, open {}{}: mode 660 and a group of that user, and x for the folders "
      "above",
      user, path, rights_of(path));
}

}  // namespace cutwater::handler

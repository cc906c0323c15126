#include "supervise/script_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "io/beneath.h"

namespace cutwater::supervise {

namespace {

bool is_hidden(std::string_view segment) {
  return segment.starts_with('.') || segment.ends_with('~');
}

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

class Walk {
 public:
  Walk(const ScriptSearch& search, ScriptPlace& place, std::string& why) : search_(search), place_(place), why_(why) {}

  ScriptFinding run() {
    const size_t slash = search_.path.rfind('/');
    place_.name = slash == std::string::npos ? search_.path : search_.path.substr(slash + 1);
    base::FileDescriptor folder(fcntl(search_.root, F_DUPFD_CLOEXEC, 3));
    if (auto finding = enter(std::move(folder), "its folder of scripts"); finding != ScriptFinding::kFound) {
      return finding;
    }
    for (size_t end = search_.path.find('/'); end != std::string::npos; end = search_.path.find('/', end + 1)) {
      const std::string path = search_.path.substr(0, end);
      if (auto finding = enter(open_step(path), path); finding != ScriptFinding::kFound) return finding;
    }
    place_.file = open_step(search_.path);
    struct stat there, by_name;
    if (!place_.file.valid()) return missing();
    if (fstat(place_.file.get(), &there) != 0 || !S_ISREG(there.st_mode)) return ScriptFinding::kNotThere;
    const int follow = search_.owner_decides ? AT_SYMLINK_NOFOLLOW : 0;
    const bool is_named = fstatat(place_.folder.get(), place_.name.c_str(), &by_name, follow) == 0;
    if (!is_named || !same_file(there, by_name)) return ScriptFinding::kNotThere;
    folders_.push_back({there.st_uid, "it"});
    return is_safe(there, "it") && belong_to_owner() ? ScriptFinding::kFound : ScriptFinding::kUnsafe;
  }

 private:
  struct Owned {
    uid_t user;
    std::string what;
  };

  ScriptFinding enter(base::FileDescriptor folder, const std::string& what) {
    struct stat status;
    if (!folder.valid()) return missing();
    if (fstat(folder.get(), &status) != 0 || !S_ISDIR(status.st_mode)) return ScriptFinding::kNotThere;
    if (!is_safe(status, what)) return ScriptFinding::kUnsafe;
    place_.folder = std::move(folder);
    place_.owner = status.st_uid;
    folders_.push_back({status.st_uid, what});
    return ScriptFinding::kFound;
  }

  // `path`: from the root on. Where links count, they may lead anywhere below it.
  base::FileDescriptor open_step(const std::string& path) {
    if (!search_.owner_decides) return std::move(io::find_beneath(search_.root, path).file);
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name.empty() || is_hidden(name)) return {};
    base::FileDescriptor step(openat(place_.folder.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status;
    is_link_ = step.valid() && fstat(step.get(), &status) == 0 && S_ISLNK(status.st_mode);
    return is_link_ ? base::FileDescriptor() : std::move(step);
  }

  ScriptFinding missing() {
    if (!is_link_) return ScriptFinding::kNotThere;
    why_ = "a link leads to it, and whoever made that would choose whose code runs as the owner of its folder";
    return ScriptFinding::kUnsafe;
  }

  bool is_safe(const struct stat& status, const std::string& what) {
    const bool by_all = (status.st_mode & S_IWOTH) != 0;
    const bool by_group =
        (status.st_mode & S_IWGRP) != 0 && status.st_gid != 0 && !search_.is_own_group(status.st_uid, status.st_gid);
    if (by_all || by_group) {
      why_ = fmt::format("{} can be written by {}", what, by_all ? "everybody" : "a group of other users");
    }
    return why_.empty();
  }

  bool belong_to_owner() {
    if (!search_.owner_decides) return true;
    for (const Owned& each : folders_) {
      if (each.user == 0 || each.user == place_.owner) continue;
      why_ = fmt::format("{} belongs to user {}, but its folder to user {}", each.what, each.user, place_.owner);
      return false;
    }
    return true;
  }

  const ScriptSearch& search_;
  ScriptPlace& place_;
  std::string& why_;
  std::vector<Owned> folders_;
  bool is_link_ = false;
};

}  // namespace

ScriptFinding find_script(const ScriptSearch& search, ScriptPlace& place, std::string& why) {
  return Walk(search, place, why).run();
}

bool is_script_path(const std::string& path, const std::vector<std::string>& endings) {
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t slash = rest.find('/');
    if (is_hidden(rest.substr(0, slash))) return false;
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  }
  return endings.empty() ||
         std::any_of(endings.begin(), endings.end(), [&](const std::string& ending) { return path.ends_with(ending); });
}

}  // namespace cutwater::supervise

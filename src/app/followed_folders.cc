#include "app/followed_folders.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "handler/file_folder.h"
#include "io/beneath.h"
#include "supervise/identity.h"

namespace cutwater::app {

namespace {

constexpr size_t kMostScriptFolders = 1024;  // those of deployments gone by among them

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// Also where a part of it is not there yet.
std::string real_path(const std::string& path) {
  std::error_code error;
  return std::filesystem::weakly_canonical(path, error).lexically_normal().string();
}

std::vector<std::string> real_paths_of_scripts(const std::vector<RouteFolder>& folders) {
  std::vector<std::string> paths;
  for (const RouteFolder& folder : folders) {
    if (folder.holds_scripts_alone) paths.push_back(real_path(folder.path));
  }
  return paths;
}

}  // namespace

// What a thread finds out: it may wait for a server of files.
struct FollowedFolders::Look {
  struct Other {
    base::FileDescriptor folder;  // what lies there now, if it can be entered
    int error = 0;
  };
  std::map<size_t, Other> others;
  std::set<size_t> reached;                                // by their paths
  std::vector<std::string> scripts_before, scripts_after;  // real paths, before others were opened and after that

  void run(const std::vector<RouteFolder>& folders, const Roots& roots) {
    scripts_before = real_paths_of_scripts(folders);
    for (size_t number = 0; number < folders.size() && number < roots.size(); ++number) {
      if (roots[number]) look_at(number, folders[number], *roots[number]);
    }
    scripts_after = real_paths_of_scripts(folders);
  }
  // Nothing while there is none, as in the middle of a build.
  void look_at(size_t number, const RouteFolder& folder, const handler::RootFolder& root) {
    struct stat held, there;
    if (fstat(root.descriptor(), &held) != 0) return;
    const io::OpenOutcome found = io::find_folder(folder.path);
    if (found.error == EACCES) others.emplace(number, Other{{}, EACCES});
    if (found.file.valid() || found.error == ENOTDIR) reached.insert(number);
    if (!found.file.valid() || fstat(found.file.get(), &there) != 0 || is_same(held, there)) return;
    // To open its "." one must be able to enter it.
    io::OpenOutcome entered = io::find_folder(folder.path + "/.");
    Other other{std::move(entered.file), entered.error};
    others.emplace(number, std::move(other));
  }
};

void FollowedFolders::watch(std::vector<RouteFolder> folders, Roots roots, bool tells) {
  roots_ = std::move(roots);
  tells_ = tells;
  for (size_t number = 0; number < folders.size() && number < roots_.size(); ++number) {
    if (!roots_[number] || !folders[number].holds_scripts_alone) continue;
    note_scripts({handler::path_of(roots_[number]->descriptor()), real_path(folders[number].path)});
  }
  folders_ = std::make_shared<const std::vector<RouteFolder>>(std::move(folders));
  if (std::any_of(roots_.begin(), roots_.end(), [](const auto& root) { return root != nullptr; })) {
    next_.set(base::monotonic_now() + kEvery);
  }
}

// The first are never forgotten: they are held open.
void FollowedFolders::note_scripts(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (path.empty() || std::find(scripts_alone_->begin(), scripts_alone_->end(), path) != scripts_alone_->end())
      continue;
    if (scripts_alone_->size() < kMostScriptFolders) scripts_alone_->push_back(path);
  }
}

base::Task<void> FollowedFolders::look() {
  auto found = std::make_shared<Look>();
  auto looking = offload_.run([found, folders = folders_, roots = roots_] { found->run(*folders, roots); });
  co_await looking;
  take(*found);
  next_.set(base::monotonic_now() + kEvery);
}

// Nothing of a folder is sent before it is known which of its files are scripts: so these are noted first, and where
// links were switched meanwhile all is looked at once more.
void FollowedFolders::take(Look& look) {
  note_scripts(look.scripts_after);
  for (size_t number = 0; number < folders_->size() && number < roots_.size(); ++number) {
    const bool is_of_scripts = roots_[number] && (*folders_)[number].holds_scripts_alone;
    if (is_of_scripts) note_scripts({handler::path_of(roots_[number]->descriptor())});
  }
  reached_.insert(look.reached.begin(), look.reached.end());
  has_looked_ = true;
  for (auto& [number, folder] : std::exchange(offered_, {})) offer(number, std::move(folder));
  // Where this front never came by itself it cannot follow.
  for (const auto& [number, other] : look.others) {
    if (!reached_.contains(number)) tell_of_unreached(number);
  }
  std::erase_if(look.others, [this](const auto& other) { return !reached_.contains(other.first); });
  if (look.others.empty()) return told_.clear();
  if (scripts_alone_->size() >= kMostScriptFolders) return tell_of_the_most();
  if (look.scripts_before != look.scripts_after) return;
  for (const auto& [number, other] : look.others) take_folder(number, look);
}

void FollowedFolders::tell_of_unreached(size_t number) {
  const RouteFolder& folder = (*folders_)[number];
  if (!tells_ || folder.is_run_by_us || !unreached_told_.insert(number).second) return;
  // With root's rights the master opens none anew (Sockets::reopen_roots).
  struct stat held;
  const bool is_roots = fstat(roots_[number]->descriptor(), &held) != 0 || held.st_uid == 0;
  log_.info(
      fmt::format("{}: user {} may not go all the way to {}, so that another folder there is noticed {}; "
                  "chmod o+x on the folders above it would change that",
                  folder.what, supervise::current_identity().name, folder.path,
                  is_roots ? "at a restart alone" : "at SIGHUP alone, if its owner may go there"));
}

// Of one that it can reach its own rights decide what may lie there (see take_folder()).
void FollowedFolders::offer(size_t number, base::FileDescriptor folder) {
  if (number >= roots_.size() || !roots_[number] || reached_.contains(number)) return;
  if (!has_looked_) {
    offered_[number] = std::move(folder);
    return;
  }
  struct stat held, offered;
  const bool is_known = fstat(roots_[number]->descriptor(), &held) == 0 && fstat(folder.get(), &offered) == 0;
  if (!is_known || is_same(held, offered) || (*folders_)[number].is_run_by_us) return;
  if (roots_[number]->become(folder) && tells_) {
    log_.info((*folders_)[number].what + ": " + (*folders_)[number].path + " is another folder now");
  }
}

void FollowedFolders::tell_of_the_most() {
  if (!tells_ || std::exchange(told_of_the_most_, true)) return;
  log_.warning("CW0410", fmt::format("folders in which all files are scripts were put in the place of others {} times, "
                                     "as often as is kept in mind: no folder of a route is followed any more\n"
                                     "fix: restart",
                                     kMostScriptFolders));
}

void FollowedFolders::take_folder(size_t number, const Look& look) {
  const RouteFolder& folder = (*folders_)[number];
  const Look::Other& other = look.others.at(number);
  if (!folder.is_run_by_us && other.folder.valid() && roots_[number]->become(other.folder)) {
    told_.erase(number);
    if (tells_) log_.info(folder.what + ": " + folder.path + " is another folder now");
    return;
  }
  std::string why = "what runs as whom is decided at the start\nfix: restart, for its scripts to be run";
  if (!folder.is_run_by_us) {
    why = fmt::format("user {} may not enter it: {}\nfix: chmod o+x that folder", supervise::current_identity().name,
                      std::strerror(other.error));
  }
  if (!tells_ || std::exchange(told_[number], why) == why) return;
  log_.warning("CW0410", fmt::format("{}: {} is another folder now, the one before is still served: {}", folder.what,
                                     folder.path, why));
}

}  // namespace cutwater::app

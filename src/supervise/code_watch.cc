#include "supervise/code_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "supervise/code_names.h"
#include "supervise/path_steps.h"

namespace cutwater::supervise {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kNameEvents = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
constexpr uint32_t kCodeEvents = kNameEvents | IN_CLOSE_WRITE;
// Who says that there is something to deploy may do it by the time of a file alone, as os.utime() does; code
// that nobody has written to is as it was.
constexpr uint32_t kDeployEvents = kCodeEvents | IN_ATTRIB;
// A folder may be watched for both.
constexpr uint32_t kAddFolder = IN_ONLYDIR | IN_MASK_ADD;
// inotify takes as many as fs.inotify.max_user_watches says.
constexpr size_t kMostFolders = 16384;

std::string without_end_slash(fs::path path) {
  std::string text = path.lexically_normal().native();
  if (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace

CodeWatch::CodeWatch(io::Loop& loop, base::LogSink& log, Changed changed, IsNews is_news)
    : loop_(loop), log_(log), changed_(std::move(changed)), is_news_(std::move(is_news)), quiet_(loop.timers(), [this] {
        on_quiet();
      }) {}

CodeWatch::~CodeWatch() = default;

CodeWatch::Mode CodeWatch::to_mode(std::string_view setting) {
  if (setting == "code") return Mode::kCode;
  return setting == "deploy" ? Mode::kDeploy : Mode::kOff;
}

void CodeWatch::watch(Mode mode, const std::string& root, const std::vector<std::string>& folders,
                      const std::vector<std::string>& templates, const std::vector<std::string>& pages) {
  mode_ = mode;
  templates_ = templates;
  pages_ = {pages.begin(), pages.end()};
  root_ = without_end_slash(root);
  if (mode == Mode::kOff) {
    watcher_.reset();
    inotify_.reset();
    watched_.clear();
    quiet_.cancel();
    return;
  }
  if (!inotify_.valid() && !open_inotify()) return;
  const WatchedFolders before = std::exchange(watched_, {});
  watch_way();
  for (const std::string& folder : choose(folders)) add(folder);
  forget_all_but_watched(before);
}

void CodeWatch::tell_left_out(const std::string& folder) {
  if (mode_ != Mode::kCode || std::exchange(left_out_told_, true)) return;
  log_.warning("CW0530", "not every change of code is seen: " + root_ +
                             " has too many folders or pages, one folder that is left out is " + folder +
                             "\nfix: reload with SIGHUP after a change there; keep data out of the app's root, " +
                             "or in folders called media or static, which are not looked at");
}

void CodeWatch::tell_stale(const std::string& path) {
  if (mode_ == Mode::kCode) note_change(path);
}

std::vector<std::string> CodeWatch::folders() const {
  std::vector<std::string> found;
  for (const auto& [descriptor, watched] : watched_) {
    if (watched.code) found.push_back(watched.folder);
  }
  return found;
}

bool CodeWatch::open_inotify() {
  inotify_.reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_.valid()) {
    log_.warning("CW0530", base::system_error("changes of code are not seen: inotify").message +
                               "\nfix: raise fs.inotify.max_user_instances, or reload with SIGHUP");
    return false;
  }
  watcher_ = std::make_unique<io::CallbackWatcher>(loop_, inotify_.get(), EPOLLIN, [this](uint32_t) { read_events(); });
  return true;
}

std::set<std::string> CodeWatch::choose(const std::vector<std::string>& folders) {
  if (mode_ == Mode::kDeploy) return {real_root_, real_root_ + "/tmp"};
  std::set<std::string> chosen = {real_root_};
  for (const std::string& folder : folders) {
    if (!belongs(real_root_, folder)) continue;
    if (chosen.size() >= kMostFolders) {
      tell_left_out(folder);
      break;
    }
    chosen.insert(folder);
  }
  return chosen;
}

// First the watches, then where it leads: a change in between is told. And what was switched before there was a watch
// is looked at again.
void CodeWatch::watch_way() {
  constexpr int kMostLooks = 4;
  std::vector<PathStep> steps = steps_of(root_);
  for (int looks = 0; looks < kMostLooks; ++looks) {
    for (const PathStep& step : steps) {
      const int descriptor = inotify_add_watch(inotify_.get(), step.folder.c_str(), kNameEvents | kAddFolder);
      if (descriptor < 0) continue;  // one that we may not read, or that is missing
      watched_[descriptor].folder = step.folder;
      watched_[descriptor].steps.insert(step.name);
    }
    std::vector<PathStep> now = steps_of(root_);
    if (now == steps) break;
    steps = std::move(now);
  }
  std::error_code error;
  const fs::path real = fs::canonical(root_, error);
  real_root_ = error ? root_ : real.native();
}

void CodeWatch::add(const std::string& folder) {
  const uint32_t events = mode_ == Mode::kDeploy ? kDeployEvents : kCodeEvents;
  const int descriptor = inotify_add_watch(inotify_.get(), folder.c_str(), events | kAddFolder);
  if (descriptor >= 0) {
    watched_[descriptor].folder = folder;
    watched_[descriptor].code = true;
    if (mode_ != Mode::kDeploy) return;
    for (const char* name : kDeployNames) {  // what is known stays: its event may be still to come
      const std::string path = folder + "/" + name;
      if (!deploy_times_.contains(path)) note_time(path);
    }
  } else if (errno == ENOSPC && !std::exchange(limit_told_, true)) {
    log_.warning("CW0530", "changes in " + folder + " are not seen: no inotify watch is left\n" +
                               "fix: raise fs.inotify.max_user_watches, or reload with SIGHUP");
  }
}

// By descriptor: what has the path of a folder now may be another folder.
void CodeWatch::forget_all_but_watched(const WatchedFolders& before) {
  for (const auto& [descriptor, watched] : before) {
    if (!watched_.contains(descriptor)) inotify_rm_watch(inotify_.get(), descriptor);
  }
}

void CodeWatch::forget_below(const std::string& folder) {
  const WatchedFolders before = watched_;
  std::erase_if(watched_, [&](const auto& entry) {
    return entry.second.steps.empty() && (entry.second.folder + "/").starts_with(folder + "/");
  });
  forget_all_but_watched(before);
}

void CodeWatch::read_events() {
  alignas(inotify_event) std::array<char, 16 * 1024> buffer;
  while (true) {
    const ssize_t size = read(inotify_.get(), buffer.data(), buffer.size());
    if (size <= 0) return;
    for (size_t at = 0; at < static_cast<size_t>(size);) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const std::string name = event.len > 0 ? std::string(buffer.data() + at + sizeof event) : std::string();
      at += sizeof event + event.len;
      if (event.mask & IN_Q_OVERFLOW) {  // too much changed to be told in detail
        on_way_changed(root_);
        note_change(root_);
      }
      const auto found = watched_.find(event.wd);
      if (found == watched_.end()) continue;
      const Watched watched = found->second;
      if (event.mask & IN_IGNORED) {
        watched_.erase(found);
        continue;
      }
      if (watched.code) on_event(watched.folder, event.mask, name);
      if ((event.mask & kNameEvents) && watched.steps.contains(name)) on_way_changed(watched.folder + "/" + name);
    }
  }
}

// The root is another folder now, or gone. One that is new and empty is no news yet.
void CodeWatch::on_way_changed(const std::string& path) {
  const WatchedFolders before = std::exchange(watched_, {});
  const std::string last_change = std::exchange(last_change_, {});
  watch_way();
  on_new_folder(real_root_);
  if (mode_ == Mode::kDeploy) on_new_folder(real_root_ + "/tmp");
  forget_all_but_watched(before);
  last_change_ = last_change_.empty() ? last_change : path;
  last_at_ = base::monotonic_now();
  quiet_.set(base::monotonic_now() + kQuiet);
}

void CodeWatch::on_event(const std::string& folder, uint32_t mask, const std::string& name) {
  if (mask & IN_ISDIR) {
    const bool appeared = mask & (IN_CREATE | IN_MOVED_TO);
    const bool makes_environment = mode_ == Mode::kCode && appeared && is_environment_folder_mark(name);
    if (makes_environment && folder != real_root_) return forget_below(folder);
    const bool wanted = mode_ == Mode::kCode ? !is_foreign_folder(name) && !is_environment(folder + "/" + name)
                                             : name == "tmp" && folder == real_root_;
    if (appeared && wanted) on_new_folder(folder + "/" + name);
    return;
  }
  if (mode_ == Mode::kDeploy && is_deploy_file(name) && !asks_for_deploy(folder + "/" + name, mask)) return;
  if (mode_ == Mode::kCode && is_environment_mark(name) && folder != real_root_) forget_below(folder);
  // A created file is empty yet; what fills it closes it.
  if (mask & IN_CREATE) return;
  if ((mask & IN_ATTRIB) && mode_ != Mode::kDeploy) return;  // of a watch that was made for deploys
  if (matters(folder, name)) note_change(folder + "/" + name);
}

// Whoever says that there is something to deploy writes a file or sets its time; not who removes one, or changes whose
// it is.
bool CodeWatch::asks_for_deploy(const std::string& path, uint32_t mask) {
  if (mask & (IN_DELETE | IN_MOVED_FROM)) return false;
  const bool is_as_it_was = !note_time(path);
  return !(mask & IN_ATTRIB) || !is_as_it_was;
}

// Whether it is another one than before.
bool CodeWatch::note_time(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return false;
  const std::pair time(status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  return std::exchange(deploy_times_[path], time) != time;
}

// A folder that comes with its files: they may have been written before it was watched.
void CodeWatch::on_new_folder(const std::string& folder) {
  if (watched_.size() >= kMostFolders) return tell_left_out(folder);
  add(folder);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().native();
    if (entry.is_directory(error) && !entry.is_symlink(error)) {
      const bool wanted = mode_ == Mode::kCode && !is_foreign_folder(name) && !is_environment(entry.path().native());
      if (wanted) on_new_folder(entry.path().native());
    } else if (matters(folder, name)) {
      note_change(entry.path().native());
    }
  }
}

bool CodeWatch::matters(const std::string& folder, std::string_view name) const {
  if (mode_ == Mode::kDeploy) return is_deploy_file(name);
  if (is_source(name)) return true;
  if ((is_page(name) || is_text(name)) && holds_templates(folder)) return true;
  return is_page(name) && (pages_.contains(folder + "/") || pages_.contains(folder + "/" + std::string(name)));
}

bool CodeWatch::holds_templates(const std::string& folder) const {
  return is_among_templates(real_root_, folder) ||
         std::any_of(templates_.begin(), templates_.end(),
                     [&](const std::string& other) { return (folder + "/").starts_with(other + "/"); });
}

void CodeWatch::note_change(const std::string& path) {
  std::string shown = path.starts_with(real_root_ + "/") ? path.substr(real_root_.size() + 1) : path;
  if (is_news_ && !is_news_(shown)) return;
  last_change_ = std::move(shown);
  last_at_ = base::monotonic_now();
  quiet_.set(base::monotonic_now() + kQuiet);
}

void CodeWatch::on_quiet() {
  std::error_code error;
  if (fs::is_directory(root_, error)) {
    gone_told_ = false;
    if (!last_change_.empty()) changed_(std::exchange(last_change_, {}), last_at_);
  } else if (!std::exchange(gone_told_, true)) {
    log_.warning("CW0530", root_ + " is gone: changes of code are not seen until it is there again\n" +
                               "fix: put the code there, or correct the app's root and reload with SIGHUP");
  }
}

}  // namespace cutwater::supervise

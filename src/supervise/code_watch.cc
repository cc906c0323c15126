#include "supervise/code_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

namespace cutwater::supervise {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;
constexpr size_t kMostFolders = 4096;

constexpr std::array kSourceEndings = {".py",     ".pyx", ".html", ".htm",  ".jinja",
                                       ".jinja2", ".j2",  ".mako", ".tmpl", ".tpl"};
// Templates of mails and feeds; anywhere else such files are data.
constexpr std::array kTemplateEndings = {".txt", ".xml"};
constexpr std::array kDeployNames = {"restart.txt", ".deploy", "pyproject.toml"};
// What tools and the app itself write into; never source.
constexpr std::array kForeignFolders = {"node_modules", "__pycache__", "site-packages", "static",
                                        "staticfiles",  "media",       "venv",          "env"};

bool is_foreign(std::string_view name) {
  if (name.starts_with('.')) return true;
  return std::find(kForeignFolders.begin(), kForeignFolders.end(), name) != kForeignFolders.end();
}

bool ends_with_any(std::string_view name, const auto& endings) {
  return std::any_of(endings.begin(), endings.end(), [name](std::string_view end) { return name.ends_with(end); });
}

// Whether `folder` is `root` or lies below it without passing through a foreign folder.
bool belongs(const fs::path& root, const fs::path& folder) {
  const fs::path inside = folder.lexically_normal().lexically_relative(root);
  if (inside.empty()) return false;
  return inside == "." ||
         std::none_of(inside.begin(), inside.end(), [](const fs::path& part) { return is_foreign(part.native()); });
}

}  // namespace

CodeWatch::CodeWatch(io::Loop& loop, base::LogSink& log, std::function<void(const std::string&)> changed)
    : loop_(loop), log_(log), changed_(std::move(changed)), quiet_(loop.timers(), [this] { changed_(last_change_); }) {}

CodeWatch::~CodeWatch() = default;

CodeWatch::Mode CodeWatch::to_mode(std::string_view setting) {
  if (setting == "code") return Mode::kCode;
  return setting == "deploy" ? Mode::kDeploy : Mode::kOff;
}

void CodeWatch::watch(Mode mode, const std::string& root, const std::vector<std::string>& folders) {
  mode_ = mode;
  root_ = fs::path(root).lexically_normal().native();
  if (root_.size() > 1 && root_.ends_with('/')) root_.pop_back();
  if (mode == Mode::kOff) {
    watcher_.reset();
    inotify_.reset();
    folders_.clear();
    quiet_.cancel();
    return;
  }
  if (!inotify_.valid() && !open_inotify()) return;
  const std::set<std::string> chosen = choose(folders);
  for (const auto& [descriptor, folder] : folders_) {
    if (!chosen.contains(folder)) inotify_rm_watch(inotify_.get(), descriptor);
  }
  std::erase_if(folders_, [&](const auto& entry) { return !chosen.contains(entry.second); });
  for (const std::string& folder : chosen) add(folder);
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

std::set<std::string> CodeWatch::choose(const std::vector<std::string>& folders) const {
  if (mode_ == Mode::kDeploy) return {root_, root_ + "/tmp"};
  std::set<std::string> chosen;
  for (const std::string& folder : folders) {
    if (chosen.size() < kMostFolders && belongs(root_, folder)) chosen.insert(folder);
  }
  return chosen;
}

void CodeWatch::add(const std::string& folder) {
  const int descriptor = inotify_add_watch(inotify_.get(), folder.c_str(), kEvents);
  if (descriptor >= 0) {
    folders_[descriptor] = folder;
  } else if (errno == ENOSPC && !std::exchange(limit_told_, true)) {
    log_.warning("CW0530", "changes in " + folder + " are not seen: no inotify watch is left\n" +
                               "fix: raise fs.inotify.max_user_watches, or reload with SIGHUP");
  }
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
      if (event.mask & IN_Q_OVERFLOW) note_change(root_);  // too much changed to be told in detail
      auto folder = folders_.find(event.wd);
      if (folder == folders_.end()) continue;
      if (event.mask & IN_IGNORED) {
        folders_.erase(folder);
      } else {
        on_event(std::string(folder->second), event.mask, name);
      }
    }
  }
}

void CodeWatch::on_event(const std::string& folder, uint32_t mask, const std::string& name) {
  if (mask & IN_ISDIR) {
    const bool appeared = mask & (IN_CREATE | IN_MOVED_TO);
    if (mode_ == Mode::kCode && appeared && !is_foreign(name)) on_new_folder(folder + "/" + name);
    if (mode_ == Mode::kDeploy && appeared && name == "tmp" && folder == root_) add(root_ + "/tmp");
    return;
  }
  // A created file is empty yet; what fills it closes it.
  if (mask & IN_CREATE) return;
  if (matters(folder, name)) note_change(folder + "/" + name);
}

// A folder that comes with its files: they may have been written before it was watched.
void CodeWatch::on_new_folder(const std::string& folder) {
  if (folders_.size() >= kMostFolders) return;
  add(folder);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().native();
    if (entry.is_directory(error) && !entry.is_symlink(error) && !is_foreign(name)) {
      on_new_folder(entry.path().native());
    } else if (matters(folder, name)) {
      note_change(entry.path().native());
    }
  }
}

bool CodeWatch::matters(std::string_view folder, std::string_view name) const {
  if (mode_ == Mode::kDeploy) return std::find(kDeployNames.begin(), kDeployNames.end(), name) != kDeployNames.end();
  if (name.starts_with('.')) return false;
  const bool among_templates = folder.find("/templates") != std::string_view::npos;
  return ends_with_any(name, kSourceEndings) || (among_templates && ends_with_any(name, kTemplateEndings));
}

void CodeWatch::note_change(const std::string& path) {
  last_change_ = path.starts_with(root_ + "/") ? path.substr(root_.size() + 1) : path;
  quiet_.set(base::monotonic_now() + kQuiet);
}

}  // namespace cutwater::supervise

// CodeWatch: tells when an app's code was changed on disk, after one second of quiet. Watches folders by
// inotify and looks at names only: source and templates, or in deploy mode the few files whose touch means
// "restart". The way to the root is watched as well: a symbolic link on it may be switched to another release, the
// root be moved away and made anew.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "io/loop.h"
#include "io/watch.h"

namespace cutwater::supervise {

class CodeWatch {
 public:
  enum class Mode { kCode, kDeploy, kOff };
  static constexpr base::Duration kQuiet = std::chrono::seconds(1);

  // Gets the path of the last change, relative to the root, or the whole path of what is another root now; and when it
  // was seen.
  using Changed = std::function<void(const std::string& path, base::Instant at)>;
  // Asked at once when such a path changed: whether that is a change.
  using IsNews = std::function<bool(const std::string& path)>;
  // `loop` and `log` must outlive this.
  CodeWatch(io::Loop& loop, base::LogSink& log, Changed changed, IsNews is_news = {});
  ~CodeWatch();

  // From now on `root`, these folders (real paths; those outside of `root` and in hidden or foreign folders are left
  // out) and no others. What is watched already stays so without a gap. Below `templates` any text matters, elsewhere
  // of .html and the like `pages` alone: files, and folders with a slash at the end for all that are in them.
  void watch(Mode mode, const std::string& root, const std::vector<std::string>& folders,
             const std::vector<std::string>& templates = {}, const std::vector<std::string>& pages = {});
  // This one is not watched, as there are too many: said once.
  void tell_left_out(const std::string& folder);
  // A file that was changed before it was watched.
  void tell_stale(const std::string& path);
  std::vector<std::string> folders() const;  // watched for code

  static Mode to_mode(std::string_view setting);  // "code" | "deploy" | "off"

 private:
  struct Watched {
    std::string folder;
    bool code = false;            // for what matters() in it
    std::set<std::string> steps;  // names in it by which the way to the root goes on
  };
  using WatchedFolders = std::map<int, Watched>;  // by watch descriptor

  bool open_inotify();
  std::set<std::string> choose(const std::vector<std::string>& folders);
  void watch_way();
  void add(const std::string& folder);
  void forget_all_but_watched(const WatchedFolders& before);
  void forget_below(const std::string& folder);
  void read_events();
  void on_way_changed(const std::string& path);
  void on_event(const std::string& folder, uint32_t mask, const std::string& name);
  void on_new_folder(const std::string& folder);
  bool asks_for_deploy(const std::string& path, uint32_t mask);
  bool note_time(const std::string& path);
  bool matters(const std::string& folder, std::string_view name) const;
  bool holds_templates(const std::string& folder) const;
  void note_change(const std::string& path);
  void on_quiet();

  io::Loop& loop_;
  base::LogSink& log_;
  Changed changed_;
  IsNews is_news_;
  Mode mode_ = Mode::kOff;
  std::string root_;       // as it was given
  std::string real_root_;  // where that led when it was looked at last
  std::vector<std::string> templates_;
  std::unordered_set<std::string> pages_;
  base::FileDescriptor inotify_;
  std::unique_ptr<io::CallbackWatcher> watcher_;
  WatchedFolders watched_;
  std::map<std::string, std::pair<time_t, long>> deploy_times_;  // when files were written last
  std::string last_change_;                                      // empty: none that was not told
  base::Instant last_at_{};
  io::Timer quiet_;
  bool limit_told_ = false;
  bool left_out_told_ = false;
  bool gone_told_ = false;  // that there is no root
};

}  // namespace cutwater::supervise

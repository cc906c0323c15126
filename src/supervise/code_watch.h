// CodeWatch: tells when an app's code was changed on disk, after one second of quiet. Watches folders by
// inotify and looks at names only: source and templates, or in deploy mode the few files whose touch means
// "restart".
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "io/loop.h"
#include "io/watch.h"

namespace cutwater::supervise {

class CodeWatch {
 public:
  enum class Mode { kCode, kDeploy, kOff };
  static constexpr base::Duration kQuiet = std::chrono::seconds(1);

  // `loop` and `log` must outlive this. `changed` gets the path of the last change, relative to the root.
  CodeWatch(io::Loop& loop, base::LogSink& log, std::function<void(const std::string& path)> changed);
  ~CodeWatch();

  // From now on these folders (those outside of `root` and in hidden or foreign folders are left out) and no
  // others. What is watched already stays so without a gap.
  void watch(Mode mode, const std::string& root, const std::vector<std::string>& folders);
  size_t watched() const { return folders_.size(); }

  static Mode to_mode(std::string_view setting);  // "code" | "deploy" | "off"

 private:
  bool open_inotify();
  std::set<std::string> choose(const std::vector<std::string>& folders) const;
  void add(const std::string& folder);
  void read_events();
  void on_event(const std::string& folder, uint32_t mask, const std::string& name);
  void on_new_folder(const std::string& folder);
  bool matters(std::string_view folder, std::string_view name) const;
  void note_change(const std::string& path);

  io::Loop& loop_;
  base::LogSink& log_;
  std::function<void(const std::string&)> changed_;
  Mode mode_ = Mode::kOff;
  std::string root_;
  base::FileDescriptor inotify_;
  std::unique_ptr<io::CallbackWatcher> watcher_;
  std::map<int, std::string> folders_;  // by watch descriptor
  std::string last_change_;
  io::Timer quiet_;
  bool limit_told_ = false;
};

}  // namespace cutwater::supervise

// WarmPython: one interpreter that was started before a script needs it, and forks for each (python/cutwater/warm_cgi).
// It runs as the scripts' user, who may have taken it over: what it says is checked, and can end nothing but it.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control/channel.h"
#include "control/warm_messages.h"
#include "io/loop.h"
#include "io/timer.h"
#include "io/watch.h"
#include "supervise/program_groups.h"
#include "supervise/program_start.h"
#include "supervise/warm_answers.h"

namespace cutwater::supervise {

// How it is started: with what the configuration says, and nothing of a request.
struct WarmCommand {
  std::vector<std::string> words;        // the interpreter's path and its switches
  std::vector<std::string> environment;  // "NAME=value"
  const Identity* identity = nullptr;    // nullptr: who we are
  std::optional<rlim_t> most_processes;
  std::string library;  // the folder with the package `cutwater`
};

class WarmPythonOwner {
 public:
  virtual ~WarmPythonOwner() = default;
  // The script runs, as program `pid` of the groups, which will tell its end.
  virtual void on_run_begun(uint64_t run, pid_t pid) = 0;
  // Nothing of it has run, and nothing will. `why` is for the log, or "".
  virtual void on_run_refused(uint64_t run, const std::string& why) = 0;
  // It was over before anybody could see it.
  virtual void on_run_over(uint64_t run, const ExitStatus& status) = 0;
};

class WarmPython {
 public:
  static constexpr base::Duration kPatience = std::chrono::seconds(10);  // for its start, each script's, and its end

  // What is named here outlives this.
  WarmPython(io::Loop& loop, ProgramGroups& groups, WarmPythonOwner& owner, base::Duration patience = kPatience);
  ~WarmPython();
  WarmPython(const WarmPython&) = delete;
  WarmPython& operator=(const WarmPython&) = delete;

  // "" or why not.
  std::string start(const WarmCommand& command);
  // False: it takes no more, or not this one. `most_processes` may have changed since the start.
  bool run(uint64_t run, control::RunScript message, const std::array<int, 5>& descriptors,
           std::optional<rlim_t> most_processes);
  // A run that has not begun ends as soon as it has.
  void end_run(uint64_t run);
  // No more runs; it ends when those that were asked for have begun. They run on. One that does not end is killed.
  void retire();

  // Whether that was it, or one of its scripts that nobody else waits for.
  bool on_program_end(pid_t pid, const ExitStatus& status);

  bool accepts() const { return channel_ && !retired_ && why_unfit_.empty(); }
  bool is_ready() const { return !version_.empty(); }
  bool has_waiting() const { return !waiting_.empty(); }
  bool is_over() const { return pid_ == 0 && !answers_ && waiting_.empty() && begun_.empty(); }
  const std::string& version() const { return version_; }
  // What it said of itself, or was heard to say before it ended; "" while all is well.
  const std::string& why_unfit() const { return why_unfit_; }

 private:
  struct Waiting {
    base::Instant until;
    bool to_end = false;
  };
  // Takes so many messages at most: whoever sends without end holds up nobody.
  void on_events(size_t most = 64);
  bool on_message(const nlohmann::json& message);
  bool on_running(const control::WarmRunning& running);
  bool on_ended(const control::WarmEnded& ended);
  void limit_processes(std::optional<rlim_t> most);
  void lose();
  void watch_writing();
  void look_after_begun();
  void on_patience();
  std::string last_words() const;

  io::Loop& loop_;
  ProgramGroups& groups_;
  WarmPythonOwner& owner_;
  const base::Duration wait_;                // for each answer
  uid_t user_ = 0;                           // whom it runs as
  pid_t pid_ = 0;                            // 0: it has ended
  std::optional<control::Channel> channel_;  // for what is said to it alone
  std::unique_ptr<io::CallbackWatcher> writable_;
  std::optional<WarmAnswers> answers_;
  std::unique_ptr<io::CallbackWatcher> watcher_;
  base::FileDescriptor errors_;
  std::map<uint64_t, Waiting> waiting_;  // runs that have not begun
  std::map<uint64_t, pid_t> begun_;      // 0: it was over before it was looked at, or it lies
  std::string version_;
  std::string why_unfit_;
  std::optional<rlim_t> most_processes_;
  bool retired_ = false;
  io::Timer patience_;
};

}  // namespace cutwater::supervise

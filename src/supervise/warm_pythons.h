// WarmPythons: the warm interpreters of the spawner, one for each user, Python and environment: started when a script
// first needs one, ended when none has for a while, replaced when Python has changed on disk.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "supervise/restart_policy.h"
#include "supervise/warm_python.h"

namespace cutwater::supervise {

class WarmRunWatcher {
 public:
  virtual ~WarmRunWatcher() = default;
  // One of these, once. `pid` is a program of the groups.
  virtual void on_warm_begin(uint64_t run, pid_t pid) = 0;
  virtual void on_warm_refusal(uint64_t run) = 0;  // it is to be started by itself: nothing of it has run
  virtual void on_warm_end(uint64_t run, const ExitStatus& status) = 0;
};

class WarmPythons final : private WarmPythonOwner {
 public:
  struct Options {
    size_t most = 8;  // interpreters at once; the one unused for longest makes room, if that is long enough
    base::Duration keep = std::chrono::seconds(15);  // for which none makes room
    base::Duration idle = std::chrono::minutes(5);
    base::Duration patience = WarmPython::kPatience;
    std::string library;  // the folder with the package `cutwater`; "": there are no warm Pythons
  };
  // `notice`: something for the log, once. What is named here outlives this.
  WarmPythons(io::Loop& loop, ProgramGroups& groups, Options options, std::function<void(const std::string&)> notice);
  ~WarmPythons() override;

  // The number of the run; nullopt: no interpreter takes it, it is to be started by itself. `watcher` outlives it, or
  // calls forget(). `file`: for the log.
  std::optional<uint64_t> run(WarmCommand command, control::RunScript message, const std::array<int, 5>& descriptors,
                              const std::string& file, WarmRunWatcher& watcher);
  void end(uint64_t run);
  // Ends it, and tells nobody.
  void forget(uint64_t run);
  // Whether that was one of the interpreters.
  bool on_program_end(pid_t pid, const ExitStatus& status);
  // New interpreters from now on; those that run become no older than what runs in them.
  void renew();

 private:
  // What a Python is on disk.
  struct Fingerprint {
    std::array<int64_t, 8> values{};
    bool operator==(const Fingerprint&) const = default;
  };
  struct Place {
    std::unique_ptr<WarmPython> python;
    Fingerprint fingerprint;
    std::string who;  // "/usr/bin/python3 as alice"
    RestartPolicy policy;
    base::Instant started_at{0};
    base::Instant used_at{0};
    base::Instant not_before{0};  // after a failure
    unsigned hung = 0;            // starts in a row that never came to be ready
    bool was_told = false;        // of a failure
  };
  struct Run {
    WarmPython* python;
    WarmRunWatcher* watcher;
    std::string file;
  };
  static Fingerprint fingerprint_of(const std::string& executable);

  Place* place_for(const std::string& key, const WarmCommand& command);
  static bool is_usable(Place& place);
  bool make_room();
  void say_no_room(const std::string& key, const WarmCommand& command);
  void settle(Place& place);
  void retire(Place& place);
  void note_failure(Place& place, const std::string& why);
  void sweep();
  void on_run_begun(uint64_t run, pid_t pid) override;
  void on_run_refused(uint64_t run, const std::string& why) override;
  void on_run_over(uint64_t run, const ExitStatus& status) override;

  io::Loop& loop_;
  ProgramGroups& groups_;
  const Options options_;
  std::function<void(const std::string&)> notice_;
  std::map<std::string, Place> places_;
  std::vector<std::unique_ptr<WarmPython>> retired_;
  std::map<uint64_t, Run> runs_;
  std::set<std::string> told_;  // files and Pythons of which was said why it is started anew
  uint64_t last_run_ = 0;
  io::Timer sweep_;
};

}  // namespace cutwater::supervise

// ScriptStarter: starts CGI scripts of configured folders, whoever asks for it: what is asked for must lie below the
// folder, who it runs as and what it finds in its environment is decided here (faults.md 61, 115).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "supervise/identity.h"
#include "supervise/program_start.h"
#include "supervise/script_place.h"
#include "supervise/script_refusal.h"
#include "supervise/task_limit.h"
#include "supervise/warm_plan.h"

namespace cutwater::supervise {

// One configured folder of scripts.
struct ScriptEntry {
  std::string root;                                 // absolute, without a slash at its end
  base::FileDescriptor folder;                      // O_PATH, the same
  std::string user;                                 // "": the owner of the script's folder
  size_t most = SIZE_MAX;                           // scripts at once, whoever asks
  std::vector<std::string> suffixes;                // of scripts; empty: every name is one, but for hidden ones
  std::map<std::string, std::string> interpreters;  // ".py" -> "python3": the longest ending that fits a name counts
  std::map<std::string, std::string> environment;
  std::vector<std::string> variables;  // that come with a request, beside those of every request: an authorizer's
  bool warm = false;                   // scripts for Python are run by a warm one
};

struct ScriptRequest {
  std::string path;                    // below the folder: "sub/hello.cgi"
  int file = -1;                       // O_PATH: what the asker found there
  std::vector<std::string> variables;  // "NAME=value"; names that no web server gives a script are dropped
  std::array<int, 3> standard{};       // 3 or more each
};

struct ScriptStarted {
  pid_t pid = 0;            // 0: refused
  std::string reason = {};  // as control::ScriptRefused has it
  std::string text = {};    // for the log, with what to do about it
  bool is_warm = false;     // a warm Python has it: no pid yet, and no refusal
};

class ScriptStarter {
 public:
  // `forbidden`: the user of the front, who must run nothing here. Both checks of users count for root alone: anybody
  // else runs scripts as he is.
  ScriptStarter(std::vector<ScriptEntry> entries, std::optional<uid_t> forbidden);

  // Whether a warm Python takes it.
  using AskWarm = std::function<bool(WarmPlan&)>;

  size_t entries() const { return entries_.size(); }
  // Of its pipes the script's user becomes the owner, so that it can open /dev/stderr.
  // `ask_warm`: null, or asked first where that is possible.
  ScriptStarted start(size_t entry, const ScriptRequest& request, const AskWarm& ask_warm = nullptr);
  // To be called when a program that was started here has ended; others are ignored. Where its start took long, it may
  // show only now that it was never executed: then why, as start() would have said.
  std::optional<ScriptStarted> note_end(pid_t pid);
  // Of one that a warm Python took: it runs, or will not and counts no more.
  void note_begin(size_t entry, pid_t pid);
  void note_refusal(size_t entry);

 private:
  // As find_script() has it; kNotThere also when it is not what the asker found.
  ScriptFinding find(const ScriptEntry& entry, const ScriptRequest& request, ScriptPlace& place, std::string& why);
  // nullptr: nobody to become, or `refusal` says why not.
  const Identity* identity_for(const ScriptEntry& entry, uid_t owner, std::string& refusal);
  const Identity& owner_of_number(uid_t user);
  ProgramStarted start_within_limit(ProgramStart& program, uid_t user, bool counted_now);
  static ScriptStarted refused(const ScriptAttempt& attempt, const ProgramStarted& outcome);

  struct Slow {
    ScriptAttempt attempt;
    ProgramStarted started;
  };
  const std::vector<ScriptEntry> entries_;
  const std::optional<uid_t> forbidden_;
  const bool is_root_;
  std::map<std::string, Identity> by_name_;
  std::map<uid_t, Identity> by_number_;
  std::map<pid_t, size_t> running_;  // the entry of each
  std::map<pid_t, Slow> slow_;       // of these: whose start was not waited for to its end
  std::vector<size_t> counts_;       // by entry
  TaskLimit task_limit_;
};

// The absolute path of the program `name` in `path` ("/usr/bin:/bin"), or "". A name with a slash is one already.
std::string find_program(const std::string& name, std::string_view path);

}  // namespace cutwater::supervise

#include "supervise/script_start.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/text.h"
#include "control/script_variables.h"

namespace cutwater::supervise {

namespace {

constexpr std::string_view kPath = "/usr/local/bin:/usr/bin:/bin";

std::string_view path_of(const ScriptEntry& entry) {
  const auto found = entry.environment.find("PATH");
  return found == entry.environment.end() ? kPath : std::string_view(found->second);
}

// "" without one.
std::string interpreter_of(const ScriptEntry& entry, std::string_view file) {
  const std::string* best = nullptr;
  size_t longest = 0;
  for (const auto& [ending, interpreter] : entry.interpreters) {
    if (!file.ends_with(ending) || ending.size() < longest) continue;
    longest = ending.size();
    best = &interpreter;
  }
  return best ? *best : "";
}

// An authorizer's may be listed.
bool may_come_with_requests(const ScriptEntry& entry, std::string_view name) {
  if (control::is_request_variable(name)) return true;
  const bool is_listed = std::find(entry.variables.begin(), entry.variables.end(), name) != entry.variables.end();
  return is_listed && !control::is_obeyed_variable(name);
}

bool has_parent_segment(std::string_view path) {
  return path.find("/../") != std::string_view::npos || path.ends_with("/..");
}

// Where the script is, it hears from us: interpreters such as php-cgi run what SCRIPT_FILENAME and PATH_TRANSLATED
// name.
std::vector<std::string> environment_of(const ScriptEntry& entry, const ScriptRequest& request) {
  std::vector<std::string> environment = {"GATEWAY_INTERFACE=CGI/1.1", "DOCUMENT_ROOT=" + entry.root,
                                          fmt::format("SCRIPT_FILENAME={}/{}", entry.root, request.path)};
  std::set<std::string_view> given = {"GATEWAY_INTERFACE", "DOCUMENT_ROOT", "SCRIPT_FILENAME", "PATH"};
  for (const auto& [name, value] : entry.environment) given.insert(name);
  std::erase_if(environment, [&](const std::string& variable) {
    return entry.environment.contains(variable.substr(0, variable.find('=')));
  });
  environment.reserve(environment.size() + request.variables.size() + entry.environment.size() + 1);
  for (const std::string& variable : request.variables) {
    const size_t equals = variable.find('=');
    const std::string_view name = std::string_view(variable).substr(0, equals);
    if (equals == std::string::npos || !may_come_with_requests(entry, name) || given.contains(name)) continue;
    const std::string_view value = std::string_view(variable).substr(equals + 1);
    if (name == "PATH_TRANSLATED" && (!value.starts_with(entry.root + "/") || has_parent_segment(value))) continue;
    given.insert(name);
    environment.push_back(variable);
  }
  for (const auto& [name, value] : entry.environment) environment.push_back(name + "=" + value);
  if (!entry.environment.contains("PATH")) environment.push_back("PATH=" + std::string(kPath));
  return environment;
}

// Only pipes that have no name: an asker that was taken over could hand in any file that it can open.
void give_pipes(const std::array<int, 3>& standard, const Identity& identity) {
  for (int descriptor : {standard[1], standard[2]}) {
    struct statfs system;
    const bool is_pipe = fstatfs(descriptor, &system) == 0 && system.f_type == PIPEFS_MAGIC;
    if (is_pipe && fchown(descriptor, identity.user, identity.group) != 0) continue;  // it can still write to it
  }
}

}  // namespace

std::string find_program(const std::string& name, std::string_view path) {
  if (name.find('/') != std::string::npos) return name;
  while (!name.empty() && !path.empty()) {
    const size_t colon = path.find(':');
    const std::string file = std::string(path.substr(0, colon)) + "/" + name;
    struct stat status;
    const bool is_file = file.starts_with('/') && stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode);
    if (is_file && (status.st_mode & 0111) != 0) return file;
    path.remove_prefix(colon == std::string_view::npos ? path.size() : colon + 1);
  }
  return "";
}

ScriptStarter::ScriptStarter(std::vector<ScriptEntry> entries, std::optional<uid_t> forbidden)
    : entries_(std::move(entries)), forbidden_(forbidden), is_root_(running_as_root()), counts_(entries_.size()) {}

void ScriptStarter::note_begin(size_t entry, pid_t pid) {
  running_.emplace(pid, entry);
}

void ScriptStarter::note_refusal(size_t entry) {
  --counts_.at(entry);
}

std::optional<ScriptStarted> ScriptStarter::note_end(pid_t pid) {
  const auto found = running_.find(pid);
  if (found == running_.end()) return std::nullopt;
  --counts_[found->second];
  running_.erase(found);
  auto slow = slow_.extract(pid);
  if (slow.empty() || !read_late_failure(slow.mapped().started)) return std::nullopt;
  return refused(slow.mapped().attempt, slow.mapped().started);
}

// What was counted just now was too little: that user has tasks that cannot be seen here. (What was counted some
// seconds ago says nothing: then his scripts may fork without end.)
ProgramStarted ScriptStarter::start_within_limit(ProgramStart& program, uid_t user, bool counted_now) {
  constexpr unsigned kMostTries = 8;
  for (unsigned tries = 0;; ++tries) {
    ProgramStarted outcome = start_apart(program);
    const bool is_over_limit = outcome.pid == 0 && outcome.failed == StartStep::kExec && outcome.error == EAGAIN;
    if (!is_over_limit || !counted_now || tries == kMostTries) return outcome;
    task_limit_.note_shortage(user, true);
    program.most_processes = task_limit_.of(user);
  }
}

ScriptStarted ScriptStarter::refused(const ScriptAttempt& attempt, const ProgramStarted& outcome) {
  ScriptRefusal refusal = explain_refusal(attempt, outcome.failed, outcome.error);
  return {0, std::move(refusal.reason), refusal.text + "\nfix: " + refusal.fix};
}

// The asker may have been taken over by somebody: it is looked at here whether the file is a script of that folder.
ScriptFinding ScriptStarter::find(const ScriptEntry& entry, const ScriptRequest& request, ScriptPlace& place,
                                  std::string& why) {
  if (!is_script_path(request.path, entry.suffixes)) return ScriptFinding::kNotThere;
  const ScriptSearch search{entry.folder.get(), request.path, is_root_ && entry.user.empty(),
                            [this](uid_t user, gid_t group) { return owner_of_number(user).group == group; }};
  const ScriptFinding finding = find_script(search, place, why);
  if (finding != ScriptFinding::kFound) return finding;
  struct stat asked, there;
  const bool is_same = fstat(request.file, &asked) == 0 && fstat(place.file.get(), &there) == 0 &&
                       asked.st_dev == there.st_dev && asked.st_ino == there.st_ino;
  return is_same ? finding : ScriptFinding::kNotThere;
}

// A number without a name has the group of that number, whatever group a folder of it is in.
const Identity& ScriptStarter::owner_of_number(uid_t user) {
  auto known = by_number_.find(user);
  if (known == by_number_.end()) known = by_number_.emplace(user, identity_of(user, user)).first;
  return known->second;
}

const Identity* ScriptStarter::identity_for(const ScriptEntry& entry, uid_t owner, std::string& refusal) {
  if (!is_root_) return nullptr;
  const Identity* identity = nullptr;
  if (entry.user.empty()) {
    identity = &owner_of_number(owner);
  } else {
    auto known = by_name_.find(entry.user);
    if (known == by_name_.end()) {
      auto found = find_identity(entry.user);
      if (!found) {
        refusal = found.error().message;
        return nullptr;
      }
      known = by_name_.emplace(entry.user, std::move(*found)).first;
    }
    identity = &known->second;
  }
  const std::string why = entry.user.empty() ? "the owner of its folder" : "`user`";
  if (identity->user == 0) {
    refusal = why + " is root, and no script runs as root";
  } else if (identity->user == forbidden_) {
    refusal = why + " is " + identity->name + ", as whom the front runs, which holds the connections of all clients";
  }
  return refusal.empty() ? identity : nullptr;
}

// It is executed by its name in the folder that was looked at, not by its path: on that way others may have a say.
ScriptStarted ScriptStarter::start(size_t number, const ScriptRequest& request, const AskWarm& ask_warm) {
  const ScriptEntry& entry = entries_.at(number);
  const std::string file = entry.root + "/" + request.path;
  if (counts_.at(number) >= entry.most) {
    return {0, "no_room",
            fmt::format("{}: {} of its route {} already", file, base::counted(entry.most, "script"),
                        entry.most == 1 ? "runs" : "run")};
  }
  ScriptPlace place;
  std::string refusal;
  switch (find(entry, request, place, refusal)) {
    case ScriptFinding::kFound:
      break;
    case ScriptFinding::kNotThere:
      return {0, "not_there", file + ": is not the script that was asked for"};
    case ScriptFinding::kUnsafe:
      return {0, "unsafe",
              fmt::format("{}: {}\nfix: let nobody but root and the user it runs as change it (chmod go-w, chown){}",
                          file, refusal, entry.user.empty() ? ", or write `user` of that route" : "")};
  }
  const Identity* identity = identity_for(entry, place.owner, refusal);
  if (!refusal.empty()) {
    return {0, "identity",
            fmt::format("{}: {}\nfix: write `user` of that route, or give the folder to the user it belongs to (chown)",
                        file, refusal)};
  }
  ProgramStart program;
  program.executable = "./" + place.name;
  program.arguments = {file};
  const std::string name = interpreter_of(entry, file);
  if (!name.empty()) {
    program.arguments = {find_program(name, path_of(entry)), program.executable};
    program.executable = program.arguments[0];
    if (program.executable.empty()) {
      return {0, "no_interpreter",
              fmt::format("{}: there is no {} in {}\nfix: install it, or correct `interpreters`", file, name,
                          path_of(entry))};
    }
  }
  program.environment = environment_of(entry, request);
  program.folder = place.folder.get();
  program.standard = request.standard;
  program.identity = identity;
  const uid_t user = identity ? identity->user : geteuid();
  const bool counted_now = !task_limit_.knows(user);
  program.most_processes = task_limit_.of(user);
  if (identity) give_pipes(request.standard, *identity);
  if (ask_warm && entry.warm) {
    auto plan = plan_warm({program, !name.empty(), place.file.get(), file, entry.environment, path_of(entry)});
    if (plan && ask_warm(*plan)) {
      ++counts_[number];
      return {0, "", "", true};
    }
  }
  ProgramStarted outcome = start_within_limit(program, user, counted_now);
  ScriptAttempt attempt{file, std::move(place.file), name.empty() ? "" : program.executable,
                        identity ? identity->name : current_identity().name, program.most_processes};
  if (outcome.pid == 0) return refused(attempt, outcome);
  running_.emplace(outcome.pid, number);
  ++counts_[number];
  const pid_t pid = outcome.pid;
  if (outcome.report.valid()) slow_.insert_or_assign(pid, Slow{std::move(attempt), std::move(outcome)});
  return {pid, "", ""};
}

}  // namespace cutwater::supervise

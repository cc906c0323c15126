#include "supervise/script_start.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/beneath.h"

namespace cutwater::supervise {

namespace {

constexpr std::string_view kPath = "/usr/local/bin:/usr/bin:/bin";

constexpr std::array<std::string_view, 14> kVariablePrefixes = {
    "HTTP_",   "SSL_",     "AUTH_",     "CONTENT_", "CONTEXT_", "DOCUMENT_", "GEOIP_",
    "REMOTE_", "REQUEST_", "REDIRECT_", "SCRIPT_",  "SERVER_",  "TLS_",      "GATEWAY_"};
constexpr std::array<std::string_view, 5> kVariableNames = {"HTTPS", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING",
                                                            "UNIQUE_ID"};

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

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

std::vector<std::string> environment_of(const ScriptEntry& entry, const ScriptRequest& request) {
  std::vector<std::string> environment;
  environment.reserve(request.variables.size() + entry.environment.size() + 1);
  for (const std::string& variable : request.variables) {
    const std::string_view name = std::string_view(variable).substr(0, variable.find('='));
    if (name.size() == variable.size() || !is_request_variable(name)) continue;
    if (!entry.environment.contains(std::string(name))) environment.push_back(variable);
  }
  for (const auto& [name, value] : entry.environment) environment.push_back(name + "=" + value);
  if (!entry.environment.contains("PATH")) environment.push_back("PATH=" + std::string(kPath));
  return environment;
}

std::string first_line_of(const std::string& file) {
  const base::FileDescriptor opened(open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  char buffer[256];
  const ssize_t size = opened.valid() ? read(opened.get(), buffer, sizeof buffer) : 0;
  const std::string_view bytes(buffer, size < 0 ? 0 : static_cast<size_t>(size));
  return std::string(bytes.substr(0, bytes.find('\n')));
}

// The kernel says "not found" of an interpreter as it does of the script.
ScriptStarted missing_interpreter(const std::string& file) {
  std::string line = first_line_of(file);
  ScriptStarted refused;
  refused.reason = "no_interpreter";
  if (line.starts_with("#!") && line.ends_with('\r')) {
    refused.text = file +
                   ": its first line ends as on Windows, so the system looks for an interpreter whose name ends so" +
                   "\nfix: save it with Unix line ends: sed -i 's/\\r$//' " + file;
  } else if (line.starts_with("#!")) {
    refused.text = fmt::format(
        "{}: its first line names an interpreter that is not there: {}\nfix: install it, or correct "
        "the line",
        file, line);
  } else {
    refused.text = file + ": what it needs to run (its loader) is not there\nfix: build it for this system";
  }
  return refused;
}

ScriptStarted explain(const std::string& file, const std::string& interpreter, const Identity& who,
                      const ProgramStarted& outcome) {
  const std::string why = std::strerror(outcome.error);
  const std::string& program = interpreter.empty() ? file : interpreter;
  switch (outcome.failed) {
    case StartStep::kProcess:
      return {0, "no_room",
              fmt::format("{}: no process for it: {}\nfix: raise the limits of processes and memory", file, why)};
    case StartStep::kIdentity:
      return {0, "identity", fmt::format("{}: cannot become user {}: {}", file, who.name, why)};
    case StartStep::kFolder:
      return {
          0, "not_executable",
          fmt::format("{}: user {} may not enter its folder: {}\nfix: let that user enter it", file, who.name, why)};
    case StartStep::kDescriptors:
    case StartStep::kLimits:
      return {0, "failed", fmt::format("{}: cannot be started: {}", file, why)};
    case StartStep::kExec:
      break;
  }
  if (outcome.error == ENOENT && interpreter.empty()) return missing_interpreter(file);
  if (outcome.error == ENOEXEC) {
    return {0, "no_interpreter",
            file +
                ": is no program, and has no first line such as #!/bin/sh that names one\nfix: write that line, or "
                "`interpreters`"};
  }
  if (outcome.error == EACCES) {
    return {0, "not_executable",
            fmt::format("{}: user {} may not execute {}\nfix: chmod +x, and no file system mounted noexec", file,
                        who.name, interpreter.empty() ? "it" : interpreter)};
  }
  if (outcome.error == EAGAIN || outcome.error == ENOMEM) {
    return {0, "no_room", fmt::format("{}: no process for user {}: {}", file, who.name, why)};
  }
  return {0, "failed", fmt::format("{}: {} cannot be executed: {}", file, program, why)};
}

}  // namespace

bool is_request_variable(std::string_view name) {
  if (std::find(kVariableNames.begin(), kVariableNames.end(), name) != kVariableNames.end()) return true;
  return std::any_of(kVariablePrefixes.begin(), kVariablePrefixes.end(),
                     [name](std::string_view prefix) { return name.starts_with(prefix); });
}

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
    : entries_(std::move(entries)), forbidden_(forbidden), is_root_(running_as_root()) {}

// The asker may have been taken over by somebody: it is looked at here whether the file is one of that folder.
std::optional<ScriptStarter::Place> ScriptStarter::find(const ScriptEntry& entry, const ScriptRequest& request) const {
  const io::OpenOutcome found = io::find_beneath(entry.folder.get(), request.path);
  struct stat asked, there, folder;
  const bool is_same = found.file.valid() && fstat(request.file, &asked) == 0 && fstat(found.file.get(), &there) == 0 &&
                       same_file(asked, there) && S_ISREG(there.st_mode);
  if (!is_same) return std::nullopt;
  const size_t slash = request.path.rfind('/');
  io::OpenOutcome opened =
      io::find_beneath(entry.folder.get(), slash == std::string::npos ? "." : request.path.substr(0, slash));
  if (!opened.file.valid() || fstat(opened.file.get(), &folder) != 0 || !S_ISDIR(folder.st_mode)) return std::nullopt;
  Place place;
  place.file = entry.root + "/" + request.path;
  place.folder = std::move(opened.file);
  place.owner = folder.st_uid;
  place.group = folder.st_gid;
  return place;
}

const Identity* ScriptStarter::identity_for(const ScriptEntry& entry, const Place& place, std::string& refusal) {
  if (!is_root_) return nullptr;
  const Identity* identity = nullptr;
  if (entry.user.empty()) {
    auto known = by_number_.find(place.owner);
    if (known == by_number_.end()) known = by_number_.emplace(place.owner, identity_of(place.owner, place.group)).first;
    identity = &known->second;
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

ScriptStarted ScriptStarter::start(size_t number, const ScriptRequest& request) {
  const ScriptEntry& entry = entries_.at(number);
  const auto place = find(entry, request);
  if (!place)
    return {0, "not_there", fmt::format("{}/{}: is not the script that was asked for", entry.root, request.path)};
  std::string refusal;
  const Identity* identity = identity_for(entry, *place, refusal);
  if (!refusal.empty()) {
    return {0, "identity",
            fmt::format("{}: {}\nfix: write `user` of that route, or give the folder to the user it belongs to (chown)",
                        place->file, refusal)};
  }
  ProgramStart program;
  program.executable = place->file;
  program.arguments = {place->file};
  const std::string name = interpreter_of(entry, place->file);
  if (!name.empty()) {
    program.executable = find_program(name, path_of(entry));
    if (program.executable.empty()) {
      return {0, "no_interpreter",
              fmt::format("{}: there is no {} in {}\nfix: install it, or correct `interpreters`", place->file, name,
                          path_of(entry))};
    }
    program.arguments = {program.executable, place->file};
  }
  program.environment = environment_of(entry, request);
  program.folder = place->folder.get();
  program.standard = request.standard;
  program.identity = identity;
  const ProgramStarted outcome = start_apart(program);
  if (outcome.pid != 0) return {outcome.pid, "", ""};
  return explain(place->file, name.empty() ? "" : program.executable, identity ? *identity : current_identity(),
                 outcome);
}

}  // namespace cutwater::supervise

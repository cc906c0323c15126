#include "supervise/script_refusal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace cutwater::supervise {

namespace {

// Of the file that was looked at, whatever has its name by now.
std::string first_line_of(int script) {
  const std::string file = fmt::format("/proc/self/fd/{}", script);
  const base::FileDescriptor opened(open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  char buffer[256];
  const ssize_t size = opened.valid() ? read(opened.get(), buffer, sizeof buffer) : 0;
  const std::string_view bytes(buffer, size < 0 ? 0 : static_cast<size_t>(size));
  return std::string(bytes.substr(0, bytes.find('\n')));
}

// The kernel says "not found" of an interpreter as it does of the script.
ScriptRefusal missing_interpreter(const std::string& file, int script) {
  const std::string line = first_line_of(script);
  ScriptRefusal refused;
  refused.reason = "no_interpreter";
  if (line.starts_with("#!") && line.ends_with('\r')) {
    refused.text =
        file + ": its first line ends as on Windows, so the system looks for an interpreter whose name ends so";
    refused.fix = "save it with Unix line ends: sed -i 's/\\r$//' " + file;
  } else if (line.starts_with("#!")) {
    refused.text = fmt::format("{}: its first line names an interpreter that is not there: {}", file, line);
    refused.fix = "install it, or correct the line";
  } else {
    refused.text = file + ": what it needs to run (its loader) is not there";
    refused.fix = "build it for this system";
  }
  return refused;
}

// The kernel counts by the number of the user alone. The service's own limit is the upper bound of what is asked for.
ScriptRefusal no_process(const ScriptAttempt& attempt, const std::string& why) {
  rlimit own{};
  const bool is_own =
      getrlimit(RLIMIT_NPROC, &own) == 0 && attempt.most_processes && own.rlim_max <= *attempt.most_processes;
  const std::string limit = is_own                   ? fmt::format("{}, the limit of this server itself", own.rlim_max)
                            : attempt.most_processes ? std::to_string(*attempt.most_processes)
                                                     : "its limit";
  return {
      "no_room",
      fmt::format("{}: no process for user {}: {}: all that this user runs is more than {} processes and threads; the "
                  "system counts those of other services and containers with the same number, too",
                  attempt.file, attempt.user, why, limit),
      fmt::format("look at what {0} runs (ps -L -u {0}), or write `user` of that route, somebody who runs nothing "
                  "else{1}; scripts of other users are not concerned",
                  attempt.user, is_own ? ", or raise the limit (ulimit -u, LimitNPROC=)" : "")};
}

}  // namespace

ScriptRefusal explain_refusal(const ScriptAttempt& attempt, StartStep step, int error) {
  const std::string& file = attempt.file;
  const std::string& who = attempt.user;
  const std::string& interpreter = attempt.interpreter;
  const std::string why = std::strerror(error);
  switch (step) {
    case StartStep::kProcess:
      return {"no_room", fmt::format("{}: no process for it: {}", file, why),
              "raise the limits of processes and memory"};
    case StartStep::kIdentity:
      return {"identity", fmt::format("{}: cannot become user {}: {}", file, who, why),
              "start cutwater with the right to become that user (CAP_SETUID, CAP_SETGID)"};
    case StartStep::kFolder:
      return {"not_executable", fmt::format("{}: user {} may not enter its folder: {}", file, who, why),
              "let that user enter it"};
    case StartStep::kDescriptors:
    case StartStep::kLimits:
      return {"failed", fmt::format("{}: cannot be started: {}", file, why), "look at the limits of this system"};
    case StartStep::kExec:
      break;
  }
  if (error == ENOENT && interpreter.empty()) return missing_interpreter(file, attempt.script.get());
  if (error == ENOEXEC) {
    return {"no_interpreter", file + ": is no program, and has no first line such as #!/bin/sh that names one",
            "write that line, or `interpreters`"};
  }
  if (error == EACCES) {
    return {"not_executable",
            fmt::format("{}: user {} may not execute {}", file, who, interpreter.empty() ? "it" : interpreter),
            "chmod a+rx, and no file system mounted noexec"};
  }
  if (error == EAGAIN) return no_process(attempt, why);
  if (error == ENOMEM) {
    return {"no_room", fmt::format("{}: no memory to start it", file), "give this machine or service more memory"};
  }
  if (error == ETIMEDOUT) {
    return {"failed",
            fmt::format("{}: it, or what runs it, could not be opened within a second, or user {} stopped it: given up",
                        file, who),
            "look at the file systems that it and its interpreter lie on"};
  }
  return {"failed", fmt::format("{}: {} cannot be executed: {}", file, interpreter.empty() ? "it" : interpreter, why),
          "run it by hand to see what is wrong"};
}

}  // namespace cutwater::supervise

#include "supervise/pool_start.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <numeric>

#include "supervise/script_start.h"

namespace cutwater::supervise {

namespace {

constexpr const char* kPath = "/usr/local/bin:/usr/bin:/bin";

std::string path_of(const PoolEntry& entry) {
  const auto found = entry.environment.find("PATH");
  return found == entry.environment.end() ? kPath : found->second;
}

std::vector<std::string> environment_of(const PoolEntry& entry, const Identity& identity) {
  std::map<std::string, std::string> variables = {{kPoolVariable, entry.name},
                                                  {"PATH", kPath},
                                                  {"HOME", identity.home},
                                                  {"USER", identity.name},
                                                  {"LOGNAME", identity.name}};
  for (const auto& [name, value] : entry.environment) variables[name] = value;
  std::vector<std::string> environment;
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  return environment;
}

std::string explain(const PoolEntry& entry, const std::string& program, const Identity& who,
                    const ProgramStarted& outcome) {
  const std::string why = std::strerror(outcome.error);
  switch (outcome.failed) {
    case StartStep::kProcess:
      return fmt::format("no process for it: {}\nfix: raise the limits of processes and memory", why);
    case StartStep::kIdentity:
      return fmt::format("cannot become user {}: {}\nfix: raise that user's limit of processes", who.name, why);
    case StartStep::kFolder:
      return fmt::format("user {} may not enter {}: {}\nfix: let that user enter it, or correct root", who.name,
                         entry.root, why);
    case StartStep::kDescriptors:
    case StartStep::kLimits:
      return fmt::format("cannot be started: {}\nfix: look at the limits of this system", why);
    case StartStep::kExec:
      break;
  }
  if (outcome.error == EAGAIN || outcome.error == ENOMEM) {
    return fmt::format("no process for user {}: {}\nfix: raise the limits of processes and memory", who.name, why);
  }
  if (outcome.error == EACCES) {
    return fmt::format("user {} may not execute {}\nfix: chmod +x, and no file system mounted noexec", who.name,
                       program);
  }
  return fmt::format("{} cannot be executed: {}\nfix: correct command, or run it by hand to see what is wrong", program,
                     why);
}

}  // namespace

base::Result<std::string> program_of_pool(const PoolEntry& entry) {
  const std::string& name = entry.command.front();
  std::string program = find_program(name, path_of(entry));
  if (program.empty()) {
    return base::Error{fmt::format("there is no {} in {}\nfix: install it, or correct command", name, path_of(entry))};
  }
  struct stat status;
  if (stat(program.c_str(), &status) != 0) {
    return base::Error{fmt::format("{}: {}\nfix: install it, or correct command", program, std::strerror(errno))};
  }
  if (!S_ISREG(status.st_mode) || (status.st_mode & 0111) == 0) {
    return base::Error{program + " is not executable\nfix: chmod +x, or correct command"};
  }
  return program;
}

base::Result<Identity> identity_for_pool(const PoolEntry& entry, std::optional<uid_t> forbidden) {
  if (!running_as_root()) {
    const Identity self = current_identity();
    if (entry.user.empty() || entry.user == self.name || entry.user == std::to_string(self.user)) return self;
    return base::Error{"only root can start programs as another user\nfix: remove user, or start cutwater as root"};
  }
  auto identity = entry.user.empty() ? identity_of_owner(entry.root) : find_identity(entry.user);
  if (!identity) return base::Error{identity.error().message + "\nfix: correct user, or root"};
  const std::string who = entry.user.empty() ? "the owner of its root, " + entry.root + "," : "its user";
  if (identity->user == 0) {
    return base::Error{who + " is root, and no process of a pool runs as root\nfix: user = \"www-data\""};
  }
  if (identity->user == forbidden) {
    return base::Error{
        fmt::format("{} is {}, as whom the front runs, which holds the connections of all clients\n"
                    "fix: write another user, or front_user = \"...\"",
                    who, identity->name)};
  }
  return identity;
}

PoolStarter::PoolStarter(std::vector<PoolEntry> entries, std::optional<uid_t> forbidden)
    : entries_(std::move(entries)),
      forbidden_(forbidden),
      in_all_(std::accumulate(entries_.begin(), entries_.end(), size_t{0},
                              [](size_t sum, const PoolEntry& entry) { return sum + entry.in_all; })) {}

// A page that forks without end leaves room to others, as a CGI script does. But a process of a pool lives on while
// others of its user are started: they must not keep it from running a mailer.
ProgramStarted PoolStarter::start_within_limit(ProgramStart& program, uid_t user) {
  constexpr unsigned kMostTries = 8;
  for (unsigned tries = 0;; ++tries) {
    program.most_processes = task_limit_.of(user) + in_all_;
    ProgramStarted outcome = start_apart(program);
    const bool is_over_limit = outcome.pid == 0 && outcome.failed == StartStep::kExec && outcome.error == EAGAIN;
    if (!is_over_limit || tries == kMostTries) return outcome;
    task_limit_.note_shortage(user, tries > 0);
  }
}

// The identity is looked up each time: a start is rare, and the owner of a folder may change.
PoolStarted PoolStarter::start(size_t number, int socket, int errors) {
  const PoolEntry& entry = entries_.at(number);
  if (!null_.valid()) null_.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  auto identity = identity_for_pool(entry, forbidden_);
  if (!identity) return {0, identity.error().message};
  auto executable = program_of_pool(entry);
  if (!executable) return {0, executable.error().message};
  const base::FileDescriptor folder(open(entry.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) {
    return {0, fmt::format("its root {}: {}\nfix: correct root", entry.root, std::strerror(errno))};
  }
  if (!null_.valid()) {
    return {0, fmt::format("no descriptors for it: {}\nfix: raise the limit of open files (ulimit -n)",
                           std::strerror(errno))};
  }
  ProgramStart program;
  program.executable = *executable;
  program.arguments = entry.command;
  program.arguments.front() = *executable;
  program.environment = environment_of(entry, *identity);
  program.folder = folder.get();
  program.standard = {socket, null_.get(), errors};
  program.identity = running_as_root() ? &*identity : nullptr;
  const ProgramStarted outcome = start_within_limit(program, identity->user);
  if (outcome.pid != 0) return {outcome.pid, ""};
  return {0, explain(entry, *executable, *identity, outcome)};
}

}  // namespace cutwater::supervise

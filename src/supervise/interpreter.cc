#include "supervise/interpreter.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "control/messages.h"

namespace cutwater::supervise {
namespace {

constexpr const char* kBootstrap =
    "import os, sys; sys.path.insert(0, os.environ['CUTWATER_LIBRARY']); from cutwater import main; "
    "main.run()";
constexpr int kChannelDescriptor = 3;

// Ours less what belongs to this process alone, the app's own on top, and who it is.
std::vector<std::string> make_environment(const AppSpec& spec) {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  for (const char* own : {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC"}) {
    variables.erase(own);
  }
  if (spec.identity && spec.identity->user != geteuid()) {
    variables["HOME"] = spec.identity->home;
    variables["USER"] = variables["LOGNAME"] = spec.identity->name;
  }
  for (const auto& [name, value] : spec.environment) variables[name] = value;
  variables["CUTWATER_CONTROL_FD"] = std::to_string(kChannelDescriptor);
  variables["CUTWATER_LIBRARY"] = spec.library;
  std::vector<std::string> environment;
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  return environment;
}

control::StartApp make_start(const AppSpec& spec, const std::string& mode) {
  control::StartApp start;
  start.mode = mode;
  start.app = spec.name;
  start.root = spec.root;
  start.target = spec.target;
  start.protocol = spec.protocol;
  start.loop = spec.loop;
  start.concurrency = spec.concurrency;
  start.workers = spec.workers;
  start.lifespan = spec.lifespan;
  start.on_disconnect = spec.on_disconnect;
  start.preload = spec.preload;
  start.prefix = spec.prefix;
  start.hop_by_hop = spec.hop_by_hop;
  start.threads = spec.threads;
  start.environment = spec.environment;
  return start;
}

}  // namespace

base::Result<std::unique_ptr<ManagedProcess>> start_interpreter(io::Loop& loop, Children& children, const AppSpec& spec,
                                                                const std::string& mode,
                                                                ManagedProcess::Events events) {
  auto channels = control::Channel::make_pair();
  if (!channels) return channels.error();
  auto& [ours, theirs] = *channels;
  Program program;
  program.arguments = {spec.python, "-c", kBootstrap};
  program.environment = make_environment(spec);
  program.folder = spec.root;
  program.identity = spec.identity;
  program.needs = {spec.library};
  program.descriptors = {theirs.descriptor()};
  program.error_stream = spec.error_stream;
  auto started = start_program(program);
  if (!started) return started.error();
  auto process =
      std::make_unique<ManagedProcess>(loop, children, std::move(*started), std::move(ours), std::move(events));
  if (!process->send(control::encode(make_start(spec, mode)))) {
    process->end({}, {});
    return base::Error{"the settings of the app do not fit into one message; is `env` very large?"};
  }
  return process;
}

std::string fix_for_start(const base::Error& error, const std::string& app) {
  const int number = error.system_errno;
  if (number == EMFILE || number == ENFILE || number == EAGAIN || number == ENOMEM) {
    return "\nfix: raise the limits of processes, memory and open files (ulimit -u, ulimit -n)";
  }
  return fmt::format("\nfix: set app.{}.python or app.{}.user, or move the files to where that user may read them", app,
                     app);
}

std::string import_by_hand(const AppSpec& spec) {
  std::string module = spec.target.substr(0, spec.target.find(':'));
  if (module.ends_with(".py")) return "fix: run the file by hand in that interpreter: " + spec.python + " " + module;
  return "fix: see whether that is a Python, and imports the app: " + spec.python + " -c \"import " + module + "\"";
}

}  // namespace cutwater::supervise

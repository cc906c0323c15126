#include "app/master_fronts.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "app/console_log.h"
#include "app/front.h"
#include "app/front_routes.h"
#include "config/exit_codes.h"
#include "control/messages.h"
#include "supervise/cpu_count.h"

namespace cutwater::app {
namespace {

constexpr unsigned kCpusPerFront = 4;
constexpr unsigned kMostFronts = 64;  // link::Layout
constexpr base::Duration kStopPatience = std::chrono::seconds(1);
// "Within 1 s" (ARCHITECTURE section 1), however often it dies.
const supervise::RestartPolicy::Options kRestart{.first = std::chrono::milliseconds(100),
                                                 .limit = std::chrono::milliseconds(800)};

std::vector<int> numbers_of(const std::vector<base::FileDescriptor>& descriptors) {
  std::vector<int> numbers;
  for (const base::FileDescriptor& descriptor : descriptors) numbers.push_back(descriptor.get());
  return numbers;
}

// In the child the parent's owners are never destroyed, so the numbers can be owned anew.
std::vector<base::FileDescriptor> own(const std::vector<int>& numbers) {
  std::vector<base::FileDescriptor> owned;
  for (int number : numbers) owned.emplace_back(number);
  return owned;
}

}  // namespace

unsigned front_count(const config::Config& config) {
  if (config.fronts > 0) return config.fronts;
  return std::min((supervise::usable_cpus() + kCpusPerFront - 1) / kCpusPerFront, kMostFronts);
}

unsigned share_of(unsigned all, const config::Config& config) {
  return std::max(1u, all / front_count(config));
}

FrontGroup::FrontGroup(io::Loop& loop, supervise::Children& children, base::LogSink& log, const config::Config& config,
                       const std::optional<supervise::Identity>& identity, const Sockets& sockets, Events events)
    : loop_(loop),
      children_(children),
      log_(log),
      config_(config),
      identity_(identity),
      sockets_(sockets),
      events_(std::move(events)),
      instance_(make_instance_name()),
      fronts_(front_count(config)) {
  for (unsigned index = 0; index < count(); ++index) {
    fronts_[index].policy = supervise::RestartPolicy(kRestart);
    fronts_[index].restart = std::make_unique<io::Timer>(loop.timers(), [this, index] { restart_front(index); });
  }
}

bool FrontGroup::start() {
  for (unsigned index = 0; index < count(); ++index) {
    auto started = start_front(index);
    if (started) continue;
    log_.error("CW0802", "no front can be started: " + started.error().message + kLimitsFix);
    return false;
  }
  return true;
}

base::Result<void> FrontGroup::start_front(unsigned index) {
  auto channels = control::Channel::make_pair();
  if (!channels) return channels.error();
  auto& [ours, theirs] = *channels;
  const std::vector<int> listening = numbers_of(sockets_.listening());
  const std::vector<int> static_roots = numbers_of(sockets_.static_roots());
  std::vector<int> keep = listening;
  keep.insert(keep.end(), static_roots.begin(), static_roots.end());
  keep.push_back(theirs.descriptor());
  auto started = supervise::fork_role(std::move(keep), [&, channel = theirs.descriptor()] {
    return run_front({config_, identity_, index, control::Channel(base::FileDescriptor(channel)), own(listening),
                      own(static_roots), instance_});
  });
  if (!started) return started.error();
  Front& front = fronts_[index];
  front.ready_at = base::kNever;
  front.process = std::make_unique<supervise::ManagedProcess>(
      loop_, children_, std::move(*started), std::move(ours),
      supervise::ManagedProcess::Events{
          [this, index](control::Message& message) { on_message(index, message); },
          [this, index](const supervise::ExitStatus& status) { on_exited(index, status); },
          [this, index](const std::string& why) {
            if (!why.empty()) log_.error("CW0802", "a front sent " + why + "; it is replaced");
            if (fronts_[index].process) fronts_[index].process->terminate_after(kStopPatience, kStopPatience);
          }});
  return {};
}

void FrontGroup::restart_front(unsigned index) {
  if (stopping_) return;
  auto started = start_front(index);
  if (started) {
    events_.started(index);
    return;
  }
  log_.error("CW0802", "no front can be started: " + started.error().message + kLimitsFix);
  fronts_[index].restart->set(base::monotonic_now() + fronts_[index].policy.wait_after({}));
}

void FrontGroup::on_message(unsigned index, control::Message& message) {
  if (message.type() != control::FrontReady::kType) {
    events_.message(index, message);
    return;
  }
  fronts_[index].ready_at = base::monotonic_now();
  fronts_[index].ever_ready = true;
  if (ready() && !std::exchange(ready_told_, true)) events_.all_ready();
}

void FrontGroup::on_exited(unsigned index, const supervise::ExitStatus& status) {
  Front& front = fronts_[index];
  const base::Duration lived =
      front.ready_at == base::kNever ? base::Duration::zero() : base::monotonic_now() - front.ready_at;
  const pid_t pid = front.process->pid();
  front.finished = std::move(front.process);
  events_.gone(index);
  if (stopping_) {
    if (ended()) events_.all_ended();
    return;
  }
  if (!front.ever_ready) {
    const bool misconfigured = status.signal == 0 && status.code == config::kUsage;
    const bool has_said_why = misconfigured || (status.signal == 0 && status.code == config::kRuntimeFailure);
    if (!has_said_why) log_.error("CW0802", fmt::format("the front {} before it served", status.describe()));
    events_.never_ready(misconfigured ? config::kUsage : config::kRuntimeFailure);
    return;
  }
  if (status.clean()) {
    log_.error("CW0802", fmt::format("a front (pid {}) exited with status 0, as a SIGTERM from outside makes it; its "
                                     "connections are closed, another one is started\n"
                                     "fix: send signals to the master, process {}",
                                     pid, getpid()));
  } else {
    log_.error("CW0802", fmt::format("a front (pid {}) {}; its connections are lost, another one is started", pid,
                                     status.describe()));
  }
  const base::Duration wait = front.policy.wait_after(lived);
  front.restart->set(base::monotonic_now() + wait);
}

void FrontGroup::stop(base::Duration grace) {
  stopping_ = true;
  for (Front& front : fronts_) {
    front.restart->cancel();
    if (!front.process) continue;
    front.process->send(control::encode(control::Stop{grace}));
    front.process->terminate_after(grace + kStopPatience, {});
  }
}

bool FrontGroup::ended() const {
  return std::all_of(fronts_.begin(), fronts_.end(), [](const Front& front) { return !front.process; });
}

bool FrontGroup::ready() const {
  return std::all_of(fronts_.begin(), fronts_.end(), [](const Front& front) { return front.ever_ready; });
}

bool FrontGroup::running(unsigned front) const {
  return fronts_.at(front).process != nullptr;
}

void FrontGroup::send(unsigned front, const nlohmann::json& body, std::vector<int> descriptors) {
  if (!running(front) || fronts_[front].process->send(body, std::move(descriptors))) return;
  if (stopping_) return;  // it may have ended its channel already
  log_.error("CW0404", fmt::format("front {} was not told \"{}\": its channel is closed, or what was to be told is too "
                                   "large; it is told all anew when it is started again",
                                   front, body.value("type", "?")));
}

// The files are opened here, since a front may have no right to.
void FrontGroup::send_reopen_logs() {
  std::vector<base::FileDescriptor> files;
  for (const std::string& path : {config_.log.access, config_.log.error}) {
    if (path == "stdout" || path == "stderr" || path == "off") continue;
    auto file = open_log_file(path);
    if (!file) {
      log_.error("CW0809", file.error().message);
      return;
    }
    files.push_back(std::move(*file));
  }
  for (unsigned front = 0; front < count(); ++front) {
    send(front, control::encode(control::ReopenLogs{}), numbers_of(files));
  }
}

void FrontGroup::sweep() {
  for (Front& front : fronts_) front.finished.reset();
}

}  // namespace cutwater::app

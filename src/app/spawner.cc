#include "app/spawner.h"

#include <signal.h>
#include <sys/prctl.h>

#include <map>
#include <memory>

#include "app/spawner_front.h"
#include "control/messages.h"
#include "control/script_messages.h"
#include "io/loop.h"
#include "io/signals.h"
#include "io/timer.h"
#include "io/watch.h"
#include "supervise/program_groups.h"
#include "supervise/program_start.h"
#include "supervise/warm_pythons.h"

namespace cutwater::app {

namespace {

// The master waits for no longer than two seconds.
constexpr base::Duration kGraceAtQuit = std::chrono::milliseconds(1000);
constexpr base::Duration kPatienceAtQuit = std::chrono::milliseconds(1500);

class Spawner {
 public:
  explicit Spawner(SpawnerStart start)
      : master_(std::move(start.master)),
        sockets_(start.sockets),
        starter_(std::move(start.scripts), start.front_user),
        pools_(std::move(start.pools), start.front_user),
        warm_(loop_, groups_, {.library = std::move(start.library)}, [this](const std::string& text) {
          if (!fronts_.empty()) fronts_.begin()->second->tell(text);
        }) {}

  base::Result<void> open();
  int run();

 private:
  void on_master();
  void on_master_message(control::Message message);
  void serve_front(unsigned number, base::FileDescriptor channel);
  void on_program_end(pid_t pid, const supervise::ExitStatus& status);
  void stop(int exit_code);

  io::Loop loop_;
  control::Channel master_;
  SocketFiles& sockets_;
  supervise::ScriptStarter starter_;
  supervise::PoolStarter pools_;
  supervise::ProgramGroups groups_{
      loop_, [this](pid_t pid, const supervise::ExitStatus& status) { on_program_end(pid, status); }};
  supervise::WarmPythons warm_;
  std::unique_ptr<io::SignalWatcher> signals_;
  std::unique_ptr<io::CallbackWatcher> watcher_;
  std::map<unsigned, std::unique_ptr<SpawnerFront>> fronts_;
  io::Timer end_{loop_.timers(), [this] { loop_.stop(); }};
  bool stopping_ = false;
  int exit_code_ = 0;
};

base::Result<void> Spawner::open() {
  auto signals = io::SignalWatcher::create(loop_, {SIGCHLD}, [this](int) {
    groups_.reap();
    if (stopping_ && groups_.empty()) loop_.stop();
  });
  if (!signals) return signals.error();
  signals_ = std::move(*signals);
  watcher_ =
      std::make_unique<io::CallbackWatcher>(loop_, master_.descriptor(), EPOLLIN, [this](uint32_t) { on_master(); });
  return {};
}

int Spawner::run() {
  loop_.run();
  return exit_code_;
}

void Spawner::on_master() {
  while (watcher_) {
    control::Message message;
    switch (master_.receive(message)) {
      case control::Channel::Outcome::kMessage:
        on_master_message(std::move(message));
        break;
      case control::Channel::Outcome::kNothing:
        return;
      case control::Channel::Outcome::kNoRoom:
        return stop(1);
      case control::Channel::Outcome::kClosed:
        if (!master_.error().empty()) return stop(1);
        sockets_.remove();
        return stop(0);
    }
  }
}

void Spawner::on_master_message(control::Message message) {
  if (message.type() == control::Quit::kType) return stop(0);
  if (message.type() == control::RenewWarm::kType) {
    supervise::forget_slow_users();
    return warm_.renew();
  }
  if (message.type() != control::ServeFront::kType || message.descriptors.size() != 1) return;
  const auto front = control::decode<control::ServeFront>(message.body);
  if (front) serve_front(front->front, std::move(message.descriptors.front()));
}

// A front that was replaced has ended, or will: what it started ends with it.
void Spawner::serve_front(unsigned number, base::FileDescriptor channel) {
  fronts_.erase(number);
  fronts_[number] =
      std::make_unique<SpawnerFront>(loop_, control::Channel(std::move(channel)), starter_, pools_, groups_, warm_);
}

void Spawner::on_program_end(pid_t pid, const supervise::ExitStatus& status) {
  const auto never_ran = starter_.note_end(pid);
  if (warm_.on_program_end(pid, status)) return;
  for (auto& [number, front] : fronts_) {
    if (front->on_program_end(pid, status, never_ran)) return;
  }
}

void Spawner::stop(int exit_code) {
  exit_code_ = exit_code;
  stopping_ = true;
  watcher_.reset();
  fronts_.clear();
  groups_.end_all(kGraceAtQuit);
  if (groups_.empty()) return loop_.stop();
  end_.set(base::monotonic_now() + kPatienceAtQuit);
}

}  // namespace

int run_spawner(SpawnerStart start) {
  prctl(PR_SET_NAME, "cutwater-spawn");
  prctl(PR_SET_DUMPABLE, 0);
  io::ignore_signals_of_the_master();
  // SIGTERM too: it comes at the master's death as well (PR_SET_PDEATHSIG), and then there is something left to do.
  for (int ignored : {SIGTERM, SIGPIPE}) signal(ignored, SIG_IGN);
  try {
    Spawner spawner(std::move(start));
    if (auto opened = spawner.open(); !opened) return 1;
    return spawner.run();
  } catch (const std::exception&) {
    return 1;
  }
}

}  // namespace cutwater::app

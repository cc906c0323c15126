// ManagedProcess: a child process and the channel to it. What it said before it ended is heard before its end
// is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "control/channel.h"
#include "io/timer.h"
#include "io/watch.h"
#include "supervise/children.h"

namespace cutwater::supervise {

class ManagedProcess {
 public:
  // Called from the loop. They must not destroy the ManagedProcess: owners do that at the end of the turn.
  struct Events {
    std::function<void(control::Message&)> message;
    std::function<void(const ExitStatus&)> exited;
    // The channel ended though the process has not (yet). Damaged input says why; an end in order has no
    // text.
    std::function<void(const std::string& why)> channel_ended;
  };
  // `loop` and `children` must outlive this. Without `process` its pid is not known yet: see adopt().
  ManagedProcess(io::Loop& loop, Children& children, std::optional<StartedProcess> process, control::Channel channel,
                 Events events);

  void adopt(StartedProcess process);
  // From the next event on; may be called from within one.
  void set_events(Events events) { events_ = std::make_shared<Events>(std::move(events)); }
  bool send(const nlohmann::json& body, std::vector<int> descriptors = {});
  void signal(int number);
  // SIGTERM after `patience`, SIGKILL after `grace` more. Asking again may only shorten it.
  void terminate_after(base::Duration patience, base::Duration grace);
  // The same, and asks with `quit` first.
  void end(base::Duration patience, base::Duration grace);

  bool known() const { return child_.has_value(); }
  bool running() const { return child_ && child_->running(); }
  bool channel_open() const { return watcher_.valid(); }
  pid_t pid() const { return child_ ? child_->pid() : 0; }
  int pidfd() const { return child_ ? child_->pidfd() : -1; }

 private:
  void on_channel(uint32_t events);
  void receive_one();
  void on_exit(const ExitStatus& status);
  void escalate();

  Children& children_;
  control::Channel channel_;
  std::shared_ptr<Events> events_;
  io::CallbackWatcher watcher_;
  std::optional<Child> child_;
  io::Timer escalation_;
  base::Instant terminate_at_ = base::kNever;
  base::Instant kill_at_ = base::kNever;
  bool watching_writes_ = false;
  bool asked_to_quit_ = false;
  bool killed_ = false;  // by us
};

}  // namespace cutwater::supervise

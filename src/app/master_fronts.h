// FrontGroup: the front processes. Each is forked from the master with the listening sockets; one that dies
// is replaced at once (then at most a second later), with the same sockets, and introduced to what serves.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/master_sockets.h"
#include "config/model.h"
#include "supervise/fronts.h"
#include "supervise/identity.h"
#include "supervise/managed_process.h"
#include "supervise/restart_policy.h"

namespace cutwater::app {

// Behind the message that a process of ours cannot be started.
inline constexpr const char* kLimitsFix = "\nfix: raise the limits of processes and open files (ulimit -u, ulimit -n)";

// How many fronts there are.
unsigned front_count(const config::Config& config);
// What each front gets of so many: one at least.
unsigned share_of(unsigned all, const config::Config& config);

class FrontGroup : public supervise::Fronts {
 public:
  struct Events {
    std::function<void(unsigned front, control::Message& message)> message;
    std::function<void()> all_ready;              // the first time that each front serves
    std::function<void(unsigned front)> started;  // anew: wants to be introduced
    std::function<void(unsigned front)> gone;
    // A front ended before it ever served: there is no use in going on. What the master is to end with.
    std::function<void(int exit_code)> never_ready;
    std::function<void()> all_ended;  // after stop()
  };
  // All must outlive this. Every front runs as `identity`, those started later, too: what it was chosen by may have
  // changed by then.
  FrontGroup(io::Loop& loop, supervise::Children& children, base::LogSink& log, const config::Config& config,
             const std::optional<supervise::Identity>& identity, const Sockets& sockets, Events events);

  bool start();
  // Stop accepting, finish what runs, be gone after `grace`. Zero: now. May be called again with less.
  void stop(base::Duration grace);
  bool ended() const;
  bool ready() const;
  void send_reopen_logs();

  unsigned count() const override { return static_cast<unsigned>(fronts_.size()); }
  bool running(unsigned front) const override;
  void send(unsigned front, const nlohmann::json& body, std::vector<int> descriptors) override;

  void sweep();  // at the end of a turn

 private:
  struct Front {
    std::unique_ptr<supervise::ManagedProcess> process;
    std::unique_ptr<supervise::ManagedProcess> finished;  // freed at the end of the turn
    supervise::RestartPolicy policy;
    std::unique_ptr<io::Timer> restart;
    base::Instant ready_at = base::kNever;
    bool ever_ready = false;
  };
  base::Result<void> start_front(unsigned index);
  void restart_front(unsigned index);
  void on_message(unsigned index, control::Message& message);
  void on_exited(unsigned index, const supervise::ExitStatus& status);

  io::Loop& loop_;
  supervise::Children& children_;
  base::LogSink& log_;
  const config::Config& config_;
  const std::optional<supervise::Identity>& identity_;
  const Sockets& sockets_;
  Events events_;
  const std::string instance_;
  std::vector<Front> fronts_;
  bool stopping_ = false;
  bool ready_told_ = false;
};

}  // namespace cutwater::app

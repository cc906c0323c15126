// FrontPool: one pool of a front: supervise/process_pool decides how many processes there are and which one works, this
// has them started, ended and used, and says what became of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/model.h"
#include "handler/gateway_pool.h"
#include "handler/rate_limited_log.h"
#include "handler/stderr_log.h"
#include "supervise/process_pool.h"

namespace cutwater::app {

class FrontPool;

class FrontPoolSpawner {
 public:
  virtual ~FrontPoolSpawner() = default;
  virtual void start(const FrontPool& pool, uint64_t id, std::vector<base::FileDescriptor> descriptors) = 0;
  virtual void end(const FrontPool& pool, uint64_t id, base::Duration grace) = 0;
};

class FrontPool final : public handler::GatewayPool,
                        private supervise::ProcessPool::Owner,
                        private handler::PooledProcessOwner {
 public:
  struct Place {
    io::Loop& loop;
    FrontPoolSpawner& spawner;
    const std::string& directory;
    base::LogSink& log;
  };
  // What `place` names outlives this. `number`: of the pool in the configuration.
  FrontPool(const Place& place, const config::Config& config, unsigned number);
  ~FrontPool() override;

  unsigned number() const { return number_; }

  void open();
  // The spawner is gone, and all that it ran.
  void close();
  void renew();
  void on_started(uint64_t id, pid_t pid);
  void on_refused(uint64_t id, const std::string& why);
  void on_ended(uint64_t id, const supervise::ExitStatus& status);

  std::string retry_after() const override;

 private:
  std::shared_ptr<handler::PooledProcess> take() override;
  void give_back(handler::PooledProcess& process) override;
  bool is_paused() const override;
  void on_waiting() override;

  void start_process(uint64_t id) override;
  void end_process(uint64_t id, supervise::EndReason reason) override;

  void on_use_over(handler::PooledProcess& process, handler::ProcessUse how) override;
  void on_time_over(handler::PooledProcess& process) override;

  void conclude(uint64_t id);
  void tell(const handler::PooledProcess& process, const supervise::ExitStatus& status, supervise::EndKind kind);
  void settle();
  std::string pause_text() const;

  const Place place_;
  const unsigned number_;
  const std::string who_;  // "pool php"
  const base::Duration process_timeout_;
  const base::Duration slow_;
  const bool has_spare_;
  handler::RateLimitedLog problems_;
  handler::StderrPace pace_;
  supervise::ProcessPool processes_;
  std::map<uint64_t, std::shared_ptr<handler::PooledProcess>> known_;
  std::map<uint64_t, supervise::ExitStatus> ended_;  // those whose end is known, and whose use is not over
  std::map<uint64_t, std::string> unstarted_;        // that could not even be asked for, and why
  io::Timer tick_;
  bool settling_ = false;
};

}  // namespace cutwater::app

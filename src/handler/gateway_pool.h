// GatewayPool: processes of our own as a Gateway uses them, and the line of requests that wait for one. Whoever is free
// gets the first of the line: no request waits behind a busy process.
#pragma once

#include <coroutine>
#include <list>
#include <memory>
#include <string>

#include "base/clock.h"
#include "handler/pooled_process.h"
#include "io/loop.h"
#include "io/timer.h"

namespace cutwater::handler {

struct GatewayPoolOptions {
  std::string name = {};     // "php"
  base::Duration timeout{};  // of a request in a process
  size_t queue = 100;        // requests that may wait
  base::Duration queue_timeout = std::chrono::seconds(10);
};

class GatewayPool {
 public:
  GatewayPool(io::Loop& loop, GatewayPoolOptions options) : loop_(loop), options_(std::move(options)) {}
  virtual ~GatewayPool() = default;
  GatewayPool(const GatewayPool&) = delete;
  GatewayPool& operator=(const GatewayPool&) = delete;

  const std::string& name() const { return options_.name; }
  base::Duration timeout() const { return options_.timeout; }
  // Seconds until it is worth asking again.
  virtual std::string retry_after() const = 0;

  enum class Outcome {
    kTaken,     // process() is the caller's
    kFull,      // too many wait already
    kTimedOut,  // none was free within queue_timeout
    kPaused,    // its processes end as soon as they are started: none is, for a while
    kLeft,      // leave() was called
  };

  // co_await a named one. Destroyed while it waits, it waits no more.
  class [[nodiscard]] Wait {
   public:
    // `again`: it waited before, and goes before those that have come since.
    Wait(GatewayPool& pool, bool again);
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    bool await_ready();
    void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
    Outcome await_resume() const { return outcome_; }
    // With kTaken, once: to be given back by done() or finish().
    std::shared_ptr<PooledProcess> take_process() { return std::move(process_); }
    void leave();

   private:
    friend class GatewayPool;
    void end(Outcome outcome);
    void go_on();

    GatewayPool& pool_;
    const bool again_;
    Outcome outcome_ = Outcome::kTimedOut;
    std::shared_ptr<PooledProcess> process_;
    std::coroutine_handle<> waiter_;
    io::Timer timer_;
    std::list<Wait*>::iterator place_;
  };

  size_t waiting() const { return waiting_.size(); }

 protected:
  // A free process, taken; nullptr: there is none.
  virtual std::shared_ptr<PooledProcess> take() = 0;
  // It was taken, and nobody has given it anything.
  virtual void give_back(PooledProcess& process) = 0;
  virtual bool is_paused() const = 0;
  // waiting() is another number now.
  virtual void on_waiting() = 0;
  // Gives free processes to those who wait, in their order.
  void serve_line();
  // To all who wait.
  void refuse_line();

  io::Loop& loop_;

 private:
  const GatewayPoolOptions options_;
  std::list<Wait*> waiting_;
};

}  // namespace cutwater::handler

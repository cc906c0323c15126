// CgiSlots: how many scripts of a route run at once, and who waits for one to end, in order of arrival.
#pragma once

#include <coroutine>
#include <list>

#include "base/clock.h"
#include "io/loop.h"
#include "io/timer.h"

namespace cutwater::handler {

class CgiSlots {
 public:
  // `most` run, `queue` wait, none for longer than `patience`.
  CgiSlots(io::Loop& loop, size_t most, size_t queue, base::Duration patience)
      : loop_(loop), most_(most), queue_(queue), patience_(patience) {}
  CgiSlots(const CgiSlots&) = delete;
  CgiSlots& operator=(const CgiSlots&) = delete;

  enum class Outcome {
    kTaken,  // to be given back with release()
    kFull,
    kTimedOut,
    kLeft,  // leave() was called
  };

  // co_await a named one. Destroyed while it waits, it waits no more.
  class [[nodiscard]] Wait {
   public:
    explicit Wait(CgiSlots& slots);
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    bool await_ready();
    void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
    Outcome await_resume();
    void leave();

   private:
    friend class CgiSlots;
    void end(Outcome outcome);

    CgiSlots& slots_;
    Outcome outcome_ = Outcome::kTimedOut;
    bool holds_ = false;  // a slot that nobody has been told of
    std::coroutine_handle<> waiter_;
    io::Timer timer_;
    std::list<Wait*>::iterator place_;
  };

  void release();
  size_t taken() const { return taken_; }
  size_t waiting() const { return waiting_.size(); }

 private:
  io::Loop& loop_;
  const size_t most_;
  const size_t queue_;
  const base::Duration patience_;
  size_t taken_ = 0;
  std::list<Wait*> waiting_;
};

}  // namespace cutwater::handler

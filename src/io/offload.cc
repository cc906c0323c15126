#include "io/offload.h"

#include <signal.h>

#include <exception>
#include <system_error>
#include <utility>

namespace cutwater::io {

// `waiter` is touched on the loop's thread only; `exception` is handed over by Loop::post's lock.
struct Offload::Awaiter::State {
  std::coroutine_handle<> waiter;
  std::exception_ptr exception;
};

Offload::Awaiter::~Awaiter() {
  if (state_) state_->waiter = nullptr;
}

void Offload::Awaiter::await_suspend(std::coroutine_handle<> waiter) {
  state_ = std::make_shared<State>();
  state_->waiter = waiter;
  auto job = [work = std::move(work_), state = state_, &loop = offload_.loop_] {
    try {
      work();
    } catch (...) {
      state->exception = std::current_exception();
    }
    loop.post([state] {
      if (state->waiter) std::exchange(state->waiter, nullptr).resume();
    });
  };
  offload_.enqueue(std::move(job));
}

void Offload::Awaiter::await_resume() const {
  if (state_->exception) std::rethrow_exception(state_->exception);
}

Offload::Offload(Loop& loop, size_t threads) : loop_(loop), thread_limit_(threads == 0 ? 1 : threads) {}

Offload::~Offload() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Offload::enqueue(std::function<void()> job) {
  bool need_thread;
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
    need_thread = queue_.size() > idle_ && threads_.size() < thread_limit_;
  }
  wake_.notify_one();
  if (!need_thread || start_thread() || !threads_.empty()) return;
  // No thread can be had at all: a held-up loop is better than a request that never ends.
  std::function<void()> only;
  {
    std::lock_guard lock(mutex_);
    only = std::move(queue_.front());
    queue_.pop_front();
  }
  only();
}

// Signals are the loop's business: the new thread inherits a mask that blocks all of them.
bool Offload::start_thread() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  loop_.end_patience();
  bool started = true;
  try {
    threads_.emplace_back([this] { worker(); });
  } catch (const std::system_error&) {
    started = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

void Offload::worker() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    --idle_;
    if (stopping_) return;
    std::function<void()> job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

}  // namespace cutwater::io

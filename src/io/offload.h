// Offload: threads for what may block (cold files, spool I/O, password hashes). `co_await offload.run(work)`
// runs `work` on one of them and resumes on the loop's thread.
#pragma once

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "io/loop.h"

namespace cutwater::io {

class Offload {
 public:
  Offload(Loop& loop, size_t threads);  // threads start at the first use
  ~Offload();                           // waits for what runs; what is queued is dropped

  class [[nodiscard]] Awaiter {
   public:
    Awaiter(Offload& offload, std::function<void()> work) : offload_(offload), work_(std::move(work)) {}
    Awaiter(const Awaiter&) = delete;
    ~Awaiter();  // destroyed while running: the result is discarded, `work` must own what it touches
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const;  // throws what `work` threw

   private:
    friend class Offload;
    struct State;
    Offload& offload_;
    std::function<void()> work_;
    std::shared_ptr<State> state_;
  };
  // `work` may outlive the awaiting coroutine if that is destroyed: it must own everything it touches.
  Awaiter run(std::function<void()> work) { return {*this, std::move(work)}; }

 private:
  void enqueue(std::function<void()> job);
  bool start_thread();
  void worker();

  Loop& loop_;
  size_t thread_limit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace cutwater::io

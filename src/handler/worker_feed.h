// WorkerFeed: what of a request goes to the worker that has claimed it, behind what lies in the slot: pieces of its
// body, or a WebSocket's messages. Within the credit that the worker gives, and the room of its ring.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "link/frame.h"

namespace cutwater::handler {

class AppRequest;

class WorkerFeed {
 public:
  // `request` outlives the feed.
  explicit WorkerFeed(AppRequest& request) : request_(request) {}
  WorkerFeed(const WorkerFeed&) = delete;
  WorkerFeed& operator=(const WorkerFeed&) = delete;

  // The worker has asked for something: before that nothing is sent, and who has claimed the request is not known.
  bool wanted() const { return wanted_; }
  // How many bytes may go in the next frame; 0: wait for change().
  size_t room() const;
  // At most room() bytes. False: the ring is full, wait for change(). Costs as many bytes of credit as the payload has,
  // `least` at least.
  bool send(link::DownKind kind, uint32_t value, std::string_view payload, uint32_t least = 0);

  // co_await: until the worker wants something, gives credit, or made room. One coroutine at a time.
  class [[nodiscard]] Change {
   public:
    explicit Change(WorkerFeed& feed) : feed_(feed) {}
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change() { feed_.waiter_ = nullptr; }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { feed_.waiter_ = waiter; }
    void await_resume() const noexcept {}

   private:
    WorkerFeed& feed_;
  };
  Change change() { return Change(*this); }
  bool awaited() const { return waiter_ != nullptr; }

  // From the worker. Each may go on with whoever waits.
  void on_wanted();
  void on_credit(uint32_t bytes);
  void on_room() { wake(); }

 private:
  void wake() {
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }

  AppRequest& request_;
  std::coroutine_handle<> waiter_;
  uint32_t credit_ = link::kInitialBodyCredit;
  bool wanted_ = false;
};

}  // namespace cutwater::handler

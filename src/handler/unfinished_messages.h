// UnfinishedMessages: how much of messages that have begun and not ended the WebSockets of a front hold together, in it
// and in the workers. Each alone is bounded by limits.websocket_message; a thousand clients that stop before the end
// are by this. Loop thread only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "link/frame.h"

namespace cutwater::handler {

class UnfinishedMessages {
 public:
  // What a socket may send its worker ahead of all credit does not count: messages as short are never refused.
  static constexpr uint64_t kFree = link::kInitialBodyCredit;

  void set_limit(uint64_t bytes) { limit_ = bytes; }
  uint64_t limit() const { return limit_; }
  uint64_t held() const { return held_; }

  // The message of one socket.
  class Message {
   public:
    // `all` outlives it; nullptr: no bound.
    explicit Message(UnfinishedMessages* all) : all_(all) {}
    ~Message() { end(); }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    // False: there is no room for so much, and nothing has changed.
    bool grow(size_t bytes) {
      const uint64_t size = size_ + bytes;
      const uint64_t counted = std::max(size, kFree) - kFree;
      if (all_ != nullptr && !all_->take(counted - counted_)) return false;
      size_ = size;
      counted_ = counted;
      return true;
    }
    void end() {
      if (all_ != nullptr) all_->held_ -= counted_;
      size_ = counted_ = 0;
    }

   private:
    UnfinishedMessages* all_;
    uint64_t size_ = 0;
    uint64_t counted_ = 0;
  };

 private:
  bool take(uint64_t bytes) {
    if (bytes > limit_ - std::min(limit_, held_)) return false;
    held_ += bytes;
    return true;
  }

  uint64_t limit_ = UINT64_MAX;
  uint64_t held_ = 0;
};

}  // namespace cutwater::handler

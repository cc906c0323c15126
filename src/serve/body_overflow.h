// What of a body goes through a spool, in its order: appended in large pieces while it is read from the front.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/task.h"
#include "serve/body_spool.h"

namespace cutwater::serve {

class BodyOverflow {
 public:
  static constexpr size_t kMostUnwritten = 512 * 1024;

  // `spool` outlives it. `on_written` is called when a piece was written, or cannot be.
  BodyOverflow(BodySpool& spool, std::function<void()> on_written)
      : spool_(spool), on_written_(std::move(on_written)) {}

  void add(std::string_view piece);
  uint64_t unread() const { return dropped_ ? 0 : stored_ - read_ + writing_.size() + tail_.size(); }
  // Something is unread, and take() need not wait until it is written.
  bool readable() const { return !dropped_ && (stored_ > read_ || (writing_.empty() && !tail_.empty())); }
  // The next bytes; none: they are lost. Only when it is readable.
  base::Task<std::string> take();
  // The disk is slower than the peer, or has no room, and enough waits in memory.
  bool full() const { return tail_.size() > (refused_ ? kMostRefused : kMostUnwritten); }
  void drop();  // nobody reads any of it

 private:
  static constexpr size_t kMostRefused = 128 * 1024;

  base::Task<void> write();

  BodySpool& spool_;
  std::function<void()> on_written_;
  std::unique_ptr<SpooledBody> file_;
  uint64_t stored_ = 0;  // bytes in the file
  uint64_t read_ = 0;    // of them
  std::string writing_;  // behind the file
  std::string tail_;     // behind that
  bool refused_ = false;
  bool dropped_ = false;
  base::TaskSet writer_;  // last: cancelled before what it uses ends
};

}  // namespace cutwater::serve

// Receiver: the bytes of a peer's answer as they come, and how long it may be silent.
#pragma once

#include <string_view>

#include "base/clock.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/stream.h"
#include "upstream/call.h"
#include "upstream/upload.h"

namespace cutwater::upstream {

class Receiver {
 public:
  // All outlive the receiver. `upload` is the request that is being answered.
  Receiver(io::Loop& loop, io::Stream& stream, const Upload& upload, base::Duration silence)
      : loop_(loop), stream_(stream), upload_(upload), silence_(silence) {}

  enum class Outcome { kBytes, kEnd, kReset, kTimedOut };
  base::Task<Outcome> receive();
  // With kBytes: in the shared buffer, ours to write, until the next co_await of anything.
  std::string_view bytes() const { return bytes_; }
  bool received_any() const { return received_any_; }

  void abandon();
  bool abandoned() const { return abandoned_; }
  message::BodyStatus client_failure() const;
  // When no bytes came: for a cause that has nothing to do with where in the answer that was, else kFine.
  CallStatus cause_of(Outcome outcome) const;

 private:
  base::Task<bool> wait_for_bytes();

  io::Loop& loop_;
  io::Stream& stream_;
  const Upload& upload_;
  base::Duration silence_;
  std::string_view bytes_;
  unsigned reads_this_turn_ = 0;
  bool more_likely_ = false;  // the last read filled the buffer
  bool received_any_ = false;
  bool abandoned_ = false;
};

// Small pieces become one: the later one moves down over the framing between them, in memory that is ours to write and
// used up to there.
std::string_view join_pieces(std::string_view gathered, std::string_view piece);

}  // namespace cutwater::upstream

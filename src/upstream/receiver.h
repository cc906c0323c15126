// Receiver: the bytes of a peer's answer as they come, and how long it may take over them.
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
  // Bytes a second: what brings less of its body, over one `silence` of waiting after the first, is too slow.
  static constexpr uint64_t kLeastRate = 100;

  // All outlive the receiver. `upload` is the request that is being answered.
  Receiver(io::Loop& loop, io::Stream& stream, const Upload& upload, base::Duration silence)
      : loop_(loop), stream_(stream), upload_(upload), silence_(silence) {}

  enum class Outcome { kBytes, kEnd, kReset, kTimedOut, kNothingYet };
  // kNothingYet: `until` is over. `since`: nothing of the answer has come since then, whatever else has.
  base::Task<Outcome> receive(base::Instant until = base::kNever, base::Instant since = base::kNever);
  // With kBytes: in the shared buffer, ours to write, until the next co_await of anything.
  std::string_view bytes() const { return bytes_; }
  bool received_any() const { return received_any_; }
  // The head of the answer is complete: it had one deadline, and from now on each piece has one. Streams of events, and
  // what says that nothing may be held back, may be as slow as they like.
  void begin_body(const message::Response& response);
  bool too_slow() const { return too_slow_; }

  void abandon();
  bool abandoned() const { return abandoned_; }
  message::BodyStatus client_failure() const;
  // When no bytes came: for a cause that has nothing to do with where in the answer that was, else kFine.
  CallStatus cause_of(Outcome outcome) const;

 private:
  base::Instant quiet_since(base::Instant began) const;
  bool keeps_rate(base::Duration waited);

  io::Loop& loop_;
  io::Stream& stream_;
  const Upload& upload_;
  base::Duration silence_;
  std::string_view bytes_;
  unsigned reads_this_turn_ = 0;
  bool more_likely_ = false;  // the last read filled the buffer
  bool received_any_ = false;
  bool abandoned_ = false;
  bool in_body_ = false;
  base::Duration waited_{};  // for what is read next
  bool may_be_slow_ = false;
  bool too_slow_ = false;
  // Of the body, while the peer had what it needs: what came within the span that runs, and how long it was waited for.
  uint64_t span_bytes_ = 0;
  base::Duration span_waited_{0};
  bool first_span_ = true;
};

// Small pieces become one: the later one moves down over the framing between them, in memory that is ours to write and
// used up to there.
std::string_view join_pieces(std::string_view gathered, std::string_view piece);

}  // namespace cutwater::upstream

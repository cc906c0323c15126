// A request's body whose pieces come between those of other requests: whoever reads the connection feeds it, the
// handler pulls. The connection stops reading while more than kFull bytes wait here, or has them spooled.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"
#include "io/loop.h"
#include "io/timer.h"
#include "message/exchange.h"
#include "serve/body_overflow.h"
#include "serve/http_server.h"

namespace cutwater::serve {

// Told when a full body has room again.
class BodyFeeder {
 public:
  virtual ~BodyFeeder() = default;
  virtual void on_body_taken() = 0;
};

class StreamedBody final : public message::BodySource {
 public:
  static constexpr size_t kFull = 128 * 1024;

  // All outlive the body.
  StreamedBody(io::Loop& loop, const ServeOptions& options, BodyFeeder& feeder);
  // The length that was announced; more or fewer bytes are malformed (faults.md 99). Until then it is 0.
  void begin(uint64_t content_length) { left_ = content_length; }
  // As many bytes as come before the end, within limits.body.
  void begin_unannounced() { left_.reset(); }

  base::Task<message::BodyPiece> read() override;
  // For a body that must be empty: whether it was.
  base::Task<message::BodyStatus> read_end();

  // The connection's side. Each may resume the handler.
  void feed(std::string_view piece);
  void end();        // no more comes
  void break_off();  // the peer left, or wants no answer
  void spoil();      // what came is not the body
  // Never while only the end is still to come: nobody can take the last piece before it.
  bool full() const;
  // From now on what would make it full goes there. `spool` outlives the body. False: it does already.
  bool spill_to(BodySpool& spool);
  // Nothing is read from the connection, for another request's sake: the peer is not slow.
  void set_held_up(bool held_up);

 private:
  class Arrival;  // co_await: until there is a piece to hand out, or an end
  bool has_piece() const;
  bool waits_for_peer() const { return !overflow_ || overflow_->unread() == 0; }
  void start_clock();
  void stop_clock();
  base::Instant deadline() const;
  void end_with(message::BodyStatus status);
  void wake();

  io::Loop& loop_;
  const ServeOptions& options_;
  BodyFeeder& feeder_;
  io::Timer slow_;
  std::coroutine_handle<> reader_;
  base::Instant waits_since_{0};
  base::Duration waited_{0};          // for the peer; the handler's own pauses do not count against it
  std::optional<uint64_t> left_ = 0;  // of what was announced
  uint64_t received_ = 0;
  bool held_up_ = false;
  std::string arrived_;                     // and not yet read
  std::unique_ptr<BodyOverflow> overflow_;  // behind that
  std::string handed_out_;                  // what the last read() gave
  std::optional<message::BodyStatus> ended_;
};

}  // namespace cutwater::serve

// Upload: one request on its way to a peer: the head, then the body in its framing as the client sends it, while
// somebody else reads the answer already.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/stream.h"
#include "message/exchange.h"
#include "upstream/piece_framing.h"
#include "upstream/request_body.h"

namespace cutwater::upstream {

// What goes behind the body: a FastCGI filter's data. Exactly `length` bytes of `source` are sent.
struct UploadData {
  message::BodySource& source;
  uint64_t length;
};

class Upload {
 public:
  // All outlive the upload. `silence`: how long the peer may take nothing.
  Upload(io::Loop& loop, io::Stream& stream, RequestBody& body, const PieceFraming& framing, base::Duration silence)
      : loop_(loop), stream_(stream), body_(body), framing_(framing), silence_(silence) {}

  // Before begin(). What is named outlives the upload.
  void follow_with(const UploadData& data, const PieceFraming& framing) {
    data_ = &data;
    data_framing_ = &framing;
  }
  // Sends what can be sent at once and goes on in the background. `whole`: `head` has the body and its end, too.
  void begin(std::string_view head, bool whole = false);

  enum class State {
    kRunning,
    kComplete,
    kPeerFailed,    // it takes no more: its answer may be there all the same
    kPeerTooSlow,   // it took nothing for `silence`; the stream was shut down to wake the reader
    kClientFailed,  // client_failure() says how; the stream was shut down
    kDataFailed,    // what was to follow the body ended too soon; the stream was shut down
  };
  State state() const { return state_; }
  message::BodyStatus client_failure() const { return client_failure_; }
  bool waits_for_client() const { return waits_for_client_; }
  base::Instant last_progress() const { return last_progress_; }
  bool delivered_any() const { return delivered_any_; }  // the kernel took a byte

 private:
  base::Task<void> send_rest(bool body_written);
  base::Task<bool> send_body();
  base::Task<bool> send_data();
  base::Task<bool> flush();
  base::Task<bool> await_room();
  bool write_piece(const PieceFraming& framing, std::string_view piece, bool is_last);
  // False: the peer takes no more. What the kernel has no room for is kept.
  bool write(std::string_view first, std::string_view second = {}, std::string_view third = {});
  void end(State state);

  io::Loop& loop_;
  io::Stream& stream_;
  RequestBody& body_;
  const PieceFraming& framing_;
  const UploadData* data_ = nullptr;
  const PieceFraming* data_framing_ = nullptr;
  base::Duration silence_;
  std::string pending_;
  size_t sent_ = 0;  // of pending_
  State state_ = State::kRunning;
  message::BodyStatus client_failure_ = message::BodyStatus::kEnd;
  bool waits_for_client_ = false;
  bool delivered_any_ = false;
  base::Instant last_progress_{};
  base::TaskSet background_;
};

}  // namespace cutwater::upstream

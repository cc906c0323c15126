// CgiCall: a Call whose answer is a CGI response (RFC 3875 section 6) and ends with the connection: SCGI. FastcgiCall
// takes the same answer out of records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"
#include "codec/cgi_response/response_head.h"
#include "io/loop.h"
#include "io/stream.h"
#include "upstream/call.h"
#include "upstream/receiver.h"
#include "upstream/request_body.h"
#include "upstream/upload.h"

namespace cutwater::upstream {

// No more than templates leave behind.
inline constexpr std::string_view kTemplateSpace = " \t\r\n";

class CgiCall : public Call {
 public:
  // All outlive the call. `method` is the request's.
  CgiCall(io::Loop& loop, io::Stream& stream, std::string_view method, RequestBody& body, const CallOptions& options)
      : CgiCall(loop, stream, method, body, plain_framing(), options) {}

  void begin(std::string head) override { upload_.begin(head); }
  base::Task<CallStatus> read_head() override;
  message::Response& response() override { return parsed_.response; }
  std::string_view local_redirect() const override { return parsed_.local_redirect; }
  CallPiece take_body() override;
  base::Task<CallPiece> read_body() override;

  void abandon() override { receiver_.abandon(); }
  const char* reason() const override { return reason_; }
  message::BodyStatus client_failure() const override { return receiver_.client_failure(); }
  bool request_sent() const override { return upload_.state() == Upload::State::kComplete; }
  bool delivered_nothing() const override { return !upload_.delivered_any(); }
  bool connection_reusable() const override { return false; }
  Excess excess() const override { return excess_; }

 protected:
  CgiCall(io::Loop& loop, io::Stream& stream, std::string_view method, RequestBody& body, const PieceFraming& framing,
          const CallOptions& options);

  // The next of the answer, taken off `bytes`. kNeedMore: all of it was.
  struct Output {
    enum Kind { kNeedMore, kPiece, kEnd, kFailed } kind = kNeedMore;
    std::string_view piece = {};
    CallStatus failure = CallStatus::kBroken;  // with kFailed; reason() is set
  };
  virtual Output take_output(std::string_view& bytes);
  // Whether the answer is complete when the peer closes the connection.
  virtual bool ends_with_connection() const { return true; }

  CallStatus broken(const char* why);
  uint64_t left_of_body() const { return left_; }
  bool answer_complete() const { return body_complete_; }
  bool nothing_left() const { return rest_.empty() && excess_ == Excess::kNone; }
  bool request_complete() const { return request_sent() && !receiver_.abandoned(); }

 private:
  std::optional<CallStatus> scan_head();
  CallStatus finish_head(std::string_view bytes);
  CallStatus no_head(Receiver::Outcome received);
  CallPiece end_body(CallPiece piece);
  void hold_back(CallPiece& piece);
  std::string_view release();
  bool has_no_body() const;
  bool has_all_announced() const { return has_no_body() || (parsed_.response.content_length && left_ == 0); }
  std::string_view within_length(std::string_view piece);

  io::Loop& loop_;
  const std::string_view method_;
  const CallOptions& options_;
  std::string_view rest_;   // received, not used: in the shared buffer, until the next co_await
  std::string head_;        // the bytes of response(); and what came with it, when the head came in pieces
  std::string_view first_;  // of the body, with the head: in the shared buffer or in head_
  std::string joined_;      // first_, and what came with it, when that lay in head_
  std::string held_;        // what completes a body of announced length, while its end may follow
  base::Instant held_until_ = base::kNever;
  bool holding_ = false;
  codec::CgiHeadScanner scanner_;
  codec::CgiResponse parsed_;
  const char* reason_ = "";
  uint64_t left_ = UINT64_MAX;  // of a body whose length was announced
  bool body_complete_ = false;
  Excess excess_ = Excess::kNone;
  Receiver receiver_;

 protected:
  Upload upload_;  // ends first: it uses the stream
};

}  // namespace cutwater::upstream

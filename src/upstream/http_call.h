// HttpCall: a Call whose answer is HTTP/1.1: to a server of that protocol, or of uwsgi.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"
#include "codec/http1/response_parser.h"
#include "io/loop.h"
#include "io/stream.h"
#include "upstream/call.h"
#include "upstream/receiver.h"
#include "upstream/request_body.h"
#include "upstream/upgrade.h"
#include "upstream/upload.h"

namespace cutwater::upstream {

class HttpCall final : public Call {
 public:
  static constexpr unsigned kMostInterim = 32;

  // All outlive the call. `method` is the request's.
  HttpCall(io::Loop& loop, io::Stream& stream, std::string_view method, RequestBody& body, const CallOptions& options,
           const UpgradeOffer& offer = {});

  void begin(std::string head) override { upload_.begin(head); }

  // 101 is a final one if it switches to what was offered, else kBroken.
  base::Task<CallStatus> read_head() override;
  message::Response& response() override { return parsed_.response; }
  std::string_view behind_switch() const override { return rest_; }

  CallPiece take_body() override;
  base::Task<CallPiece> read_body() override;

  void abandon() override { receiver_.abandon(); }

  const char* reason() const override { return reason_; }
  message::BodyStatus client_failure() const override { return receiver_.client_failure(); }
  bool delivered_nothing() const override { return !upload_.delivered_any(); }
  bool connection_reusable() const override;

 private:
  std::optional<CallStatus> scan_head();
  CallStatus broken(const char* why);
  CallStatus check_switch();
  void keep_rest();

  const std::string_view method_;
  const CallOptions& options_;
  const UpgradeOffer offer_;
  std::string kept_;       // what came of the head, when it came in pieces
  std::string head_;       // the bytes of response()
  std::string_view rest_;  // received, not used: in the shared buffer, until the next co_await, or in kept_
  codec::http1::ResponseScanner scanner_;
  codec::http1::ParsedResponse parsed_;
  codec::http1::ResponseBodyDecoder decoder_;
  const char* reason_ = "";
  unsigned interim_ = 0;
  bool body_complete_ = false;
  Receiver receiver_;
  Upload upload_;  // ends first: it uses the stream
};

}  // namespace cutwater::upstream

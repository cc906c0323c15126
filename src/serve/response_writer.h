// The response as a handler writes it: in HTTP/1.1's framing, or for a web server in front, which frames it anew, with
// none but the connection's end. The calls act when they are made; what is
// awaited is only room in the output buffer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codec/http1/response_encoder.h"
#include "message/exchange.h"
#include "serve/body_source.h"
#include "serve/date_cache.h"
#include "serve/http_server.h"
#include "serve/output.h"

namespace cutwater::serve {

// What a response says to its exchange, besides what it does for the handler.
class ServedResponse : public message::ResponseWriter {
 public:
  virtual bool complete() const = 0;  // nothing is missing, whether finish() was called or not
  virtual bool aborted() const = 0;
  virtual bool broken() const = 0;     // the peer takes nothing any more
  virtual void refuse_keep_alive() {}  // before the head
};

class HttpResponseWriter final : public ServedResponse, public ContinueSender {
 public:
  // How much of an unread request body is read and dropped to keep a connection (faults.md 31).
  static constexpr uint64_t kMostDrained = 64 * 1024;

  // Everything outlives the writer. `draining` is read when the head goes out.
  HttpResponseWriter(Output& output, const message::Request& request, DateCache& dates, const ServeOptions& options,
                     const bool& draining);
  void set_body(RequestBody& body) { request_body_ = &body; }  // before the head

  base::Task<message::WriteStatus> informational(const message::Response& response) override;
  base::Task<message::WriteStatus> head(const message::Response& response, std::string_view first_piece,
                                        bool complete) override;
  base::Task<message::WriteStatus> body(std::string_view piece, bool complete) override;
  base::Task<message::WriteStatus> file(int descriptor, uint64_t offset, uint64_t length) override;
  base::Task<message::WriteStatus> finish() override;
  void trailers(const message::Headers& fields) override;
  void abort() override { aborted_ = true; }

  bool head_sent() const override { return status_ != 0; }
  uint16_t status() const override { return status_; }
  uint64_t body_bytes_sent() const override;
  bool client_gone() const override;

  void send_continue() override;

  // The connection's side.
  void peer_hung_up() { hung_up_ = true; }
  void refuse_keep_alive() override { may_keep_alive_ = false; }
  bool aborted() const override { return aborted_; }
  bool complete() const override;
  bool broken() const override { return output_.failed(); }
  bool keeps_alive() const { return keep_alive_; }
  // Only the connection's end delimits it, or the web server may care for nothing else: a cut must be a reset to be
  // seen. (A unix socket knows no reset: there a length that is not reached says it, or nothing does.)
  bool cut_needs_reset() const { return for_gateway() || framing_ == codec::http1::ResponseFraming::kUntilClose; }

 private:
  bool writable() const { return !aborted_ && !output_.failed(); }
  bool takes_body() const { return head_sent() && !finished_ && writable(); }
  bool may_keep_alive() const;
  bool for_gateway() const { return options_.protocol != Protocol::kHttp; }
  codec::http1::EncodedHead append_head(const message::Response& response, std::optional<uint64_t> whole_body);
  base::Task<message::WriteStatus> open_tunnel(const message::Response& response, std::string_view first_piece);
  base::Task<message::WriteStatus> end_tunnel();
  // Returns what of `piece` the framing lets through.
  std::string_view admit(std::string_view piece);
  void send_piece(std::string_view piece, bool last);
  base::Task<message::WriteStatus> settle();
  base::Task<message::WriteStatus> wait_for_room();

  Output& output_;
  const message::Request& request_;
  DateCache& dates_;
  const ServeOptions& options_;
  const bool& draining_;
  RequestBody* request_body_ = nullptr;

  uint16_t status_ = 0;
  codec::http1::ResponseFraming framing_ = codec::http1::ResponseFraming::kNone;
  uint64_t announced_left_ = 0;  // with kLength
  uint64_t body_bytes_ = 0;      // taken from the handler
  std::string last_chunk_;       // with trailers; empty: the plain one
  bool may_keep_alive_;
  bool keep_alive_ = false;
  bool finished_ = false;
  bool tunnel_ = false;
  bool aborted_ = false;
  bool hung_up_ = false;
};

}  // namespace cutwater::serve

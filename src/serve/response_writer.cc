#include "serve/response_writer.h"

#include <algorithm>

namespace cutwater::serve {

using codec::http1::ResponseFraming;
using message::WriteStatus;

HttpResponseWriter::HttpResponseWriter(Output& output, const message::Request& request, DateCache& dates,
                                       const ServeOptions& options, const bool& draining)
    : output_(output),
      request_(request),
      dates_(dates),
      options_(options),
      draining_(draining),
      may_keep_alive_(options.keepalive > base::Duration(0)) {}

base::Task<WriteStatus> HttpResponseWriter::informational(const message::Response& response) {
  const bool interim = response.status > 101 && response.status < 200;  // 101 would end HTTP here
  if (interim && !head_sent() && request_.version_minor > 0 && writable() && !for_gateway()) {
    codec::http1::append_informational(output_.staged(), response);
    output_.send();
  }
  return settle();
}

void HttpResponseWriter::send_continue() {
  if (!head_sent() && writable()) output_.send("HTTP/1.1 100 Continue\r\n\r\n");
}

// A body that is not read to its end stays in the connection; a client that still waits for "100 Continue"
// may send it or not: nobody can tell where the next request begins (faults.md 31, 32).
bool HttpResponseWriter::may_keep_alive() const {
  if (!may_keep_alive_ || draining_ || !request_.wants_keep_alive) return false;
  if (!request_body_ || request_body_->complete()) return true;
  return !request_body_->failed() && !request_body_->client_waits() && request_body_->known_remaining() <= kMostDrained;
}

base::Task<WriteStatus> HttpResponseWriter::head(const message::Response& response, std::string_view first_piece,
                                                 bool complete) {
  if (head_sent() || !writable()) return settle();
  if (response.status == 101) return open_tunnel(response, first_piece);
  std::optional<uint64_t> whole_body;
  const bool length_missing = complete && !response.content_length && message::status_allows_body(response.status) &&
                              (request_.method != "HEAD" || !first_piece.empty());
  if (length_missing) whole_body = first_piece.size();
  const auto encoded = append_head(response, whole_body);
  status_ = response.status;
  framing_ = encoded.framing;
  keep_alive_ = encoded.keep_alive;
  announced_left_ = response.content_length.value_or(whole_body.value_or(0));
  if (request_body_) request_body_->head_was_sent();
  send_piece(admit(first_piece), complete);
  return settle();
}

codec::http1::EncodedHead HttpResponseWriter::append_head(const message::Response& response,
                                                          std::optional<uint64_t> whole_body) {
  const bool head_request = request_.method == "HEAD";
  if (for_gateway()) {
    using codec::http1::StatusForm;
    const bool uwsgi = options_.protocol == Protocol::kUwsgi;
    codec::http1::append_gateway_head(output_.staged(), response,
                                      uwsgi ? StatusForm::kStatusLine : StatusForm::kStatusField, whole_body);
    if (head_request || !message::status_allows_body(response.status)) return {ResponseFraming::kNone, false};
    const bool has_length = response.content_length || whole_body;
    return {has_length ? ResponseFraming::kLength : ResponseFraming::kUntilClose, false};
  }
  codec::http1::EncodeContext context;
  context.head_request = head_request;
  context.version_minor = request_.version_minor;
  context.keep_alive = may_keep_alive();
  context.date = dates_.now();
  context.whole_body = whole_body;
  return codec::http1::append_response_head(output_.staged(), response, context);
}

std::string_view HttpResponseWriter::admit(std::string_view piece) {
  if (framing_ == ResponseFraming::kNone) return {};
  if (framing_ == ResponseFraming::kLength) {
    piece = piece.substr(0, std::min<uint64_t>(piece.size(), announced_left_));
    announced_left_ -= piece.size();
  }
  body_bytes_ += piece.size();
  return piece;
}

// Sends what is staged, then the admitted piece, framed.
void HttpResponseWriter::send_piece(std::string_view piece, bool last) {
  const bool chunked = framing_ == ResponseFraming::kChunked;
  const std::string_view last_chunk = last_chunk_.empty() ? codec::http1::kLastChunk : std::string_view(last_chunk_);
  if (last) {
    finished_ = true;
    if (framing_ == ResponseFraming::kLength && announced_left_ > 0) aborted_ = true;
    if (!keep_alive_ && !aborted_) output_.end_follows();
  }
  if (chunked && !piece.empty()) {
    codec::http1::append_chunk_start(output_.staged(), piece.size());
    output_.send(piece, codec::http1::kChunkEnd, last ? last_chunk : std::string_view());
  } else {
    output_.send(piece, chunked && last ? last_chunk : std::string_view());
  }
}

base::Task<WriteStatus> HttpResponseWriter::body(std::string_view piece, bool complete) {
  if (takes_body()) {
    piece = admit(piece);
    if (!piece.empty() || complete) send_piece(piece, complete);
  }
  return settle();
}

// Not a coroutine up to here: the bytes are sent or copied when this returns.
base::Task<WriteStatus> HttpResponseWriter::open_tunnel(const message::Response& response,
                                                        std::string_view first_piece) {
  if (request_.upgrade.empty() || response.upgrade.empty() || for_gateway() || !request_body_) {
    abort();
    return settle();
  }
  codec::http1::append_switching_head(output_.staged(), response);
  status_ = response.status;
  tunnel_ = true;
  framing_ = ResponseFraming::kUntilClose;
  request_body_->head_was_sent();
  request_body_->switch_protocols();
  send_piece(admit(first_piece), false);
  return settle();
}

base::Task<WriteStatus> HttpResponseWriter::end_tunnel() {
  auto flushing = output_.wait_until_below(0);
  if (!co_await flushing) co_return WriteStatus::kClientGone;
  finished_ = true;
  output_.shutdown();
  co_return WriteStatus::kWritten;
}

base::Task<WriteStatus> HttpResponseWriter::finish() {
  if (tunnel_ && takes_body()) return end_tunnel();
  if (takes_body()) send_piece({}, true);
  return settle();
}

void HttpResponseWriter::trailers(const message::Headers& fields) {
  if (framing_ != ResponseFraming::kChunked || !request_.takes_trailers || finished_) return;
  last_chunk_.clear();
  codec::http1::append_last_chunk(last_chunk_, fields);
}

// The handler may go on as soon as no more than output_buffer is unsent.
base::Task<WriteStatus> HttpResponseWriter::settle() {
  if (!aborted_ && output_.pending() > options_.output_buffer) return wait_for_room();
  return base::Task<WriteStatus>::of(writable() ? WriteStatus::kWritten : WriteStatus::kClientGone);
}

base::Task<WriteStatus> HttpResponseWriter::wait_for_room() {
  auto waiting = output_.wait_until_below(options_.output_buffer);
  if (!co_await waiting) co_return WriteStatus::kClientGone;
  co_return output_.failed() ? WriteStatus::kClientGone : WriteStatus::kWritten;
}

base::Task<WriteStatus> HttpResponseWriter::file(int descriptor, uint64_t offset, uint64_t length) {
  if (!takes_body() || framing_ == ResponseFraming::kNone) co_return co_await settle();
  if (framing_ == ResponseFraming::kLength) {
    length = std::min(length, announced_left_);
    announced_left_ -= length;
  }
  if (length == 0) co_return co_await settle();
  const bool chunked = framing_ == ResponseFraming::kChunked;
  if (chunked) codec::http1::append_chunk_start(output_.staged(), static_cast<size_t>(length));
  auto sending = output_.send_file(descriptor, offset, length);
  const Output::FileResult result = co_await sending;
  body_bytes_ += result.sent;
  if (result.outcome == Output::FileOutcome::kEndedEarly) aborted_ = true;
  if (result.outcome == Output::FileOutcome::kSent && chunked) output_.send(codec::http1::kChunkEnd);
  co_return co_await settle();
}

bool HttpResponseWriter::client_gone() const {
  return hung_up_ || output_.failed() || (request_body_ && request_body_->client_left());
}

bool HttpResponseWriter::complete() const {
  if (!head_sent() || aborted_) return false;
  if (framing_ == ResponseFraming::kNone) return true;
  return finished_ || (framing_ == ResponseFraming::kLength && announced_left_ == 0);
}

uint64_t HttpResponseWriter::body_bytes_sent() const {
  return body_bytes_ - std::min<uint64_t>(body_bytes_, output_.pending());
}

}  // namespace cutwater::serve

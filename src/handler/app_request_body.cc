// AppRequest: the body that is taken in before a worker gets the request.
#include <fmt/format.h>

#include "handler/app.h"
#include "handler/app_request.h"
#include "handler/error_pages.h"
#include "handler/refusals.h"

namespace cutwater::handler {

namespace {

constexpr size_t kBodyInMemory = 64 * 1024;
constexpr size_t kSpoolWrite = 256 * 1024;  // one hand-over to a thread

}  // namespace

bool AppRequest::has_body() const {
  const message::Request& request = exchange_.request;
  return request.framing == message::BodyFraming::kChunked || exchange_.data != nullptr ||
         (request.framing == message::BodyFraming::kLength && request.content_length > 0);
}

bool AppRequest::has_long_body() const {
  const message::Request& request = exchange_.request;
  if (exchange_.data != nullptr) return false;  // a filter's two streams are complete before it runs
  return request.framing == message::BodyFraming::kChunked ||
         (request.framing == message::BodyFraming::kLength && request.content_length > kBodyInMemory);
}

base::Task<bool> AppRequest::collect_body() {
  message::Request& request = exchange_.request;
  const bool length_known = request.framing == message::BodyFraming::kLength;
  if (length_known && request.content_length <= kBodyInMemory) {
    body_.reserve(static_cast<size_t>(request.content_length));
  }
  const uint64_t length = length_known ? request.content_length : UINT64_MAX;
  if (!co_await collect(exchange_.body, length)) co_return false;
  if (exchange_.data != nullptr && request.framing == message::BodyFraming::kChunked) {
    // The worker must know where a filter's data begin.
    request.framing = message::BodyFraming::kLength;
    request.content_length = body_.size() + (spool_ ? spool_->size() : 0);
  }
  if (exchange_.data != nullptr && !co_await collect(*exchange_.data, UINT64_MAX)) co_return false;
  if (spool_ && !body_.empty()) co_return co_await flush_to_spool();
  co_return true;
}

// Until the end, or until there are `length` bytes.
base::Task<bool> AppRequest::collect(message::BodySource& source, uint64_t length) {
  uint64_t received = 0;
  while (received < length) {
    message::BodyPiece piece = co_await source.read();
    if (piece.status == message::BodyStatus::kEnd) break;
    if (piece.status != message::BodyStatus::kPiece) {
      const uint16_t answer = answer_to(piece.status);
      if (answer != 0) co_await answer_error(exchange_, answer);
      co_return false;
    }
    received += piece.bytes.size();
    if (!spool_ && body_.size() + piece.bytes.size() <= kBodyInMemory) {
      body_.append(piece.bytes);
      continue;
    }
    if (!co_await store_piece(piece.bytes)) co_return false;
  }
  co_return true;
}

// `piece` dies at the first wait: it is copied before.
base::Task<bool> AppRequest::store_piece(std::string_view piece) {
  if (!spool_) spool_ = std::make_unique<SpoolFile>(app_.services_.spool, app_.spool_budget_);
  body_.append(piece);
  if (body_.size() < kSpoolWrite) co_return true;
  co_return co_await flush_to_spool();
}

base::Task<bool> AppRequest::flush_to_spool() {
  auto writing = spool_->append(std::exchange(body_, std::string()));
  SpoolStatus status = co_await writing;
  if (status == SpoolStatus::kWritten) co_return true;
  const uint16_t answer = status_of_spool(status);
  const std::string why = spool_->why();
  app_.log_.write(base::Severity::kError, "CW0513",
                  fmt::format("{}: cannot spool a request body: {}; answered {}", app_.name_, why, answer),
                  app_.services_.loop.now(), why);
  co_await answer_error(exchange_, answer, "Retry-After", "10");
  co_return false;
}

// The status to answer with; 0: nobody is left to be answered.
uint16_t AppRequest::answer_to(message::BodyStatus status) {
  switch (status) {
    case message::BodyStatus::kTooLarge:
      app_.log_.write(base::Severity::kWarning, "CW0512",
                      app_.name_ + ": a request body is over limits.body; answered 413\nfix: raise limits.body",
                      app_.services_.loop.now());
      return 413;
    case message::BodyStatus::kTimedOut:
      return 408;
    case message::BodyStatus::kDisconnected:
      return 0;
    default:
      return 400;
  }
}

}  // namespace cutwater::handler

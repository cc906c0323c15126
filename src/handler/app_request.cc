#include "handler/app_request.h"

#include <algorithm>
#include <utility>

#include "handler/app.h"
#include "handler/app_generation.h"
#include "handler/error_pages.h"

namespace cutwater::handler {

namespace {

constexpr size_t kBodyInMemory = 64 * 1024;
constexpr size_t kSpoolWrite = 256 * 1024;  // one hand-over to a thread
constexpr uint32_t kCreditStep = link::kInitialCredit / 2;
// Further pieces of one turn, up to this long, are put together: dearer to send than to copy.
constexpr size_t kSmallPiece = 4096;
constexpr base::Duration kHalfClosedPatience = std::chrono::milliseconds(100);

}  // namespace

AppRequest::AppRequest(AppHandler& app, message::Exchange& exchange) : app_(app), exchange_(exchange) {}

AppRequest::~AppRequest() {
  exchange_.gone_listener = nullptr;
  if (in_line) app_.leave_line(*this);
  if (to_be_resumed) app_.forget_resumption(*this);
  if (generation) generation->let_go(*this);
  app_.heads_.give_back(std::move(current_.head));
}

bool AppRequest::has_body() const {
  const message::Request& request = exchange_.request;
  return request.framing == message::BodyFraming::kChunked || exchange_.data != nullptr ||
         (request.framing == message::BodyFraming::kLength && request.content_length > 0);
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
    if (piece.status != message::BodyStatus::kPiece) co_return co_await refuse_body(piece.status);
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
  app_.log_.write(base::Severity::kError, "CW0513",
                  app_.name_ + ": no room to spool a request body" +
                      (status == SpoolStatus::kOverBudget ? ": the uploads running now fill what they may take"
                                                          : " in " + app_.services_.spool.directory),
                  app_.services_.loop.now());
  uint16_t answer = status == SpoolStatus::kNoSpace ? 507 : status == SpoolStatus::kOverBudget ? 503 : 500;
  co_await answer_error(exchange_, answer, "Retry-After", "10");
  co_return false;
}

base::Task<bool> AppRequest::refuse_body(message::BodyStatus status) {
  uint16_t answer = 400;
  switch (status) {
    case message::BodyStatus::kTooLarge:
      answer = 413;
      app_.log_.write(base::Severity::kWarning, "CW0512",
                      app_.name_ + ": a request body is over limits.body; answered 413\nfix: raise limits.body",
                      app_.services_.loop.now());
      break;
    case message::BodyStatus::kTimedOut:
      answer = 408;
      break;
    case message::BodyStatus::kDisconnected:
      co_return false;
    default:
      break;
  }
  co_await answer_error(exchange_, answer);
  co_return false;
}

void AppRequest::resume() {
  to_be_resumed = false;
  if (waiter_) std::exchange(waiter_, nullptr).resume();
}

// ---- what the worker sends

void AppRequest::on_head(ResponseHeadPool::Pointer head, std::string_view bytes, bool complete) {
  AppEvent event;
  event.kind = AppEvent::Kind::kHead;
  event.bytes = bytes;
  event.complete = complete;
  if (!account_for(bytes.size())) return fail(502);
  answer_begun_ = true;
  // A head alone waits for what the same turn may bring behind it: a file, or the first piece.
  if (bytes.empty() && !complete) return keep(event, std::move(head), {});
  deliver(event, std::move(head), {});
}

void AppRequest::on_early_hints(ResponseHeadPool::Pointer head) {
  AppEvent event;
  event.kind = AppEvent::Kind::kEarlyHints;
  deliver(event, std::move(head), {});
}

void AppRequest::on_body(std::string_view bytes, bool complete) {
  AppEvent event;
  event.kind = bytes.empty() && complete ? AppEvent::Kind::kEnd : AppEvent::Kind::kBody;
  event.bytes = bytes;
  event.complete = complete;
  if (!account_for(bytes.size())) return fail(502);
  if (!inbox_.empty()) {
    Item& last = inbox_.back();
    bool joins = last.event.kind == AppEvent::Kind::kBody || last.event.kind == AppEvent::Kind::kHead;
    if (joins && !last.event.complete && event.kind == AppEvent::Kind::kBody) {
      last.bytes.append(bytes);
      last.event.complete = complete;
      return;
    }
  }
  const bool follows = app_.turn_ == delivered_in_turn_;
  if (follows && event.kind == AppEvent::Kind::kBody && bytes.size() <= kSmallPiece) return keep(event, nullptr, {});
  deliver(event, nullptr, {});
}

void AppRequest::on_file(base::FileDescriptor file, uint64_t offset, uint64_t length) {
  AppEvent event;
  event.kind = AppEvent::Kind::kFile;
  event.file = {file.get(), offset, length};
  deliver(event, nullptr, std::move(file));
}

void AppRequest::on_end() {
  if (!inbox_.empty() && inbox_.back().event.kind == AppEvent::Kind::kBody) {
    inbox_.back().event.complete = true;
    return;
  }
  AppEvent event;
  event.kind = AppEvent::Kind::kEnd;
  event.complete = true;
  deliver(event, nullptr, {});
}

void AppRequest::fail(uint16_t status) {
  AppEvent event;
  event.kind = AppEvent::Kind::kFailed;
  event.status = status;
  keep(event, nullptr, {});
}

bool AppRequest::on_client_gone(bool for_good) {
  left_at_ = std::min(left_at_, app_.services_.loop.now());
  if (for_good) drop();
  return true;
}

bool AppRequest::has_left(base::Instant now) const {
  return left_at_ != base::kNever && now - left_at_ >= kHalfClosedPatience;
}

void AppRequest::drop() {
  if (client_gone_) return;
  client_gone_ = true;
  if (in_line) app_.leave_line(*this);
  // At once, so that no worker begins it: the coroutine itself may only go on after this event's turn.
  if (generation) generation->let_go(*this);
  if (waiter_) app_.resume_at_end_of_turn(*this);
}

// A worker that sends more than it was given credit for is broken.
bool AppRequest::account_for(size_t bytes) {
  if (bytes > link::kInitialCredit - unpaid_) return false;
  unpaid_ += static_cast<uint32_t>(bytes);
  return true;
}

void AppRequest::taken(size_t bytes) {
  owed_ += static_cast<uint32_t>(bytes);
  if (owed_ < kCreditStep || !generation) return;
  unpaid_ -= owed_;
  generation->give_credit(*this, std::exchange(owed_, 0));
}

void AppRequest::deliver(const AppEvent& event, ResponseHeadPool::Pointer head, base::FileDescriptor file) {
  if (!waiter_ || !inbox_.empty() || client_gone_) return keep(event, std::move(head), std::move(file));
  direct_ = event;
  has_direct_ = true;
  delivered_in_turn_ = app_.turn_;
  app_.heads_.give_back(std::exchange(current_.head, std::move(head)));
  current_.file = std::move(file);
  std::exchange(waiter_, nullptr).resume();
}

void AppRequest::keep(const AppEvent& event, ResponseHeadPool::Pointer head, base::FileDescriptor file) {
  Item& item = inbox_.emplace_back();
  item.event = event;
  item.bytes.assign(event.bytes);
  item.head = std::move(head);
  item.file = std::move(file);
  if (waiter_) app_.resume_at_end_of_turn(*this);
}

AppEvent AppRequest::take_event() {
  if (client_gone_) return {};
  if (std::exchange(has_direct_, false)) return direct_;
  app_.heads_.give_back(std::move(current_.head));
  current_ = std::move(inbox_.front());
  inbox_.erase(inbox_.begin());
  current_.event.bytes = current_.bytes;
  return current_.event;
}

FileRange AppRequest::take_file_behind_head() {
  if (inbox_.empty() || inbox_.front().event.kind != AppEvent::Kind::kFile) return {-1, 0, 0};
  Item& item = inbox_.front();
  current_.file = std::move(item.file);
  FileRange range = item.event.file;
  inbox_.erase(inbox_.begin());
  return range;
}

}  // namespace cutwater::handler

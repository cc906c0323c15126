#include "handler/app_request.h"

#include <algorithm>
#include <utility>

#include "handler/app.h"
#include "handler/app_generation.h"

namespace cutwater::handler {

namespace {

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
  if (has_kept()) {
    Item& last = kept_.back();
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

void AppRequest::on_trailers(ResponseHeadPool::Pointer fields) {
  AppEvent event;
  event.kind = AppEvent::Kind::kTrailers;
  deliver(event, std::move(fields), {});
}

// One without bytes costs a byte of credit: else there could be any number of them.
void AppRequest::on_message(std::string_view bytes, bool text, bool last) {
  AppEvent event;
  event.kind = AppEvent::Kind::kMessage;
  event.bytes = bytes;
  event.text = text;
  event.last = last;
  if (!account_for(std::max<size_t>(bytes.size(), 1))) return fail(502);
  if (app_.turn_ == delivered_in_turn_ && bytes.size() <= kSmallPiece) return keep(event, nullptr, {});
  deliver(event, nullptr, {});
}

void AppRequest::on_close(uint16_t code, std::string_view reason) {
  AppEvent event;
  event.kind = AppEvent::Kind::kClose;
  event.status = code;
  event.bytes = reason;
  deliver(event, nullptr, {});
}

void AppRequest::shut_down(uint16_t code) {
  if (!std::exchange(shut_down_, true)) post(AppEvent::Kind::kShutDown, code);
}

void AppRequest::post(AppEvent::Kind kind, uint16_t status) {
  AppEvent event;
  event.kind = kind;
  event.status = status;
  keep(event, nullptr, {});
}

void AppRequest::on_end() {
  if (has_kept() && kept_.back().event.kind == AppEvent::Kind::kBody) {
    kept_.back().event.complete = true;
    return;
  }
  AppEvent event;
  event.kind = AppEvent::Kind::kEnd;
  event.complete = true;
  deliver(event, nullptr, {});
}

void AppRequest::fail(uint16_t status) {
  post(AppEvent::Kind::kFailed, status);
}

void AppRequest::fail_body(message::BodyStatus status) {
  if (status == message::BodyStatus::kDisconnected) return drop();
  fail(answer_to(status));
}

bool AppRequest::on_client_gone(bool for_good) {
  left_at_ = std::min(left_at_, app_.services_.loop.now());
  if (generation) generation->look_at(*this);
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
  if (!waiter_ || has_kept() || client_gone_) return keep(event, std::move(head), std::move(file));
  direct_ = event;
  has_direct_ = true;
  delivered_in_turn_ = app_.turn_;
  app_.heads_.give_back(std::exchange(current_.head, std::move(head)));
  current_.file = std::move(file);
  std::exchange(waiter_, nullptr).resume();
}

void AppRequest::keep(const AppEvent& event, ResponseHeadPool::Pointer head, base::FileDescriptor file) {
  Item& item = kept_.emplace_back();
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
  current_ = std::move(first_kept());
  forget_first_kept();
  current_.event.bytes = current_.bytes;
  return current_.event;
}

FileRange AppRequest::take_file_behind_head() {
  if (!has_kept() || first_kept().event.kind != AppEvent::Kind::kFile) return {-1, 0, 0};
  Item& item = first_kept();
  current_.file = std::move(item.file);
  FileRange range = item.event.file;
  forget_first_kept();
  return range;
}

void AppRequest::forget_first_kept() {
  if (++kept_from_ < kept_.size()) return;
  kept_.clear();
  kept_from_ = 0;
}

}  // namespace cutwater::handler

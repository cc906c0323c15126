#include "handler/app_request.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "handler/app.h"
#include "handler/app_generation.h"

namespace cutwater::handler {

namespace {

constexpr uint32_t kCreditStep = link::kInitialCredit / 2;
// Further pieces of one turn, up to this long, are put together: dearer to send than to copy.
constexpr size_t kSmallPiece = 4096;
constexpr base::Duration kHalfClosedPatience = std::chrono::milliseconds(100);
// What a worker may send ahead of its client although it costs no credit. One of ours sends one file, and few hints.
constexpr uint8_t kMostFiles = 8;
constexpr uint8_t kMostHints = 16;
constexpr size_t kMostHintBytes = 64 * 1024;
constexpr uint8_t kMostTrailers = 16;
constexpr size_t kMostTrailerBytes = 64 * 1024;
// Messages are kept together up to this: alone each would cost hundreds of bytes, and pays for one byte.
constexpr size_t kTogether = 16 * 1024;
constexpr size_t kItemsKeptByIdle = 16;  // as memory

// A record of a kept message: a byte, with the length in it or else in four bytes behind it; then the content.
constexpr uint8_t kRecordText = 0x80;
constexpr uint8_t kRecordLast = 0x40;
constexpr uint8_t kRecordLength = 0x3f;

void add_message(std::string& to, const AppEvent& message) {
  const auto length = static_cast<uint32_t>(message.bytes.size());
  const bool is_short = length < kRecordLength;
  const uint32_t first = (message.text ? kRecordText : 0U) | (message.last ? kRecordLast : 0U) |
                         (is_short ? length : uint32_t{kRecordLength});
  to.push_back(static_cast<char>(first));
  if (!is_short) to.append(reinterpret_cast<const char*>(&length), sizeof length);
  to.append(message.bytes);
}

// `bytes`: one that add_message() has written, and what stands behind it, which is left.
AppEvent read_message(std::string_view& bytes) {
  const auto first = static_cast<uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  uint32_t length = first & kRecordLength;
  if (length == kRecordLength) {
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes.remove_prefix(sizeof length);
  }
  AppEvent message;
  message.kind = AppEvent::Kind::kMessage;
  message.text = (first & kRecordText) != 0;
  message.last = (first & kRecordLast) != 0;
  message.bytes = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return message;
}

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
  if (kept_hints_ == kMostHints || head->storage.size() > kMostHintBytes - kept_hint_bytes_) {
    return app_.heads_.give_back(std::move(head));
  }
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

bool AppRequest::on_file(base::FileDescriptor file, uint64_t offset, uint64_t length) {
  if (kept_files_ == kMostFiles) return false;
  AppEvent event;
  event.kind = AppEvent::Kind::kFile;
  event.file = {file.get(), offset, length};
  deliver(event, nullptr, std::move(file));
  return true;
}

bool AppRequest::on_trailers(ResponseHeadPool::Pointer fields) {
  const size_t size = fields->storage.size();
  if (trailers_ == kMostTrailers || size > kMostTrailerBytes - trailer_bytes_) return false;
  ++trailers_;
  trailer_bytes_ += size;
  AppEvent event;
  event.kind = AppEvent::Kind::kTrailers;
  deliver(event, std::move(fields), {});
  return true;
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
  if (std::exchange(close_seen_, true)) return;
  AppEvent event;
  event.kind = AppEvent::Kind::kClose;
  event.status = code;
  event.bytes = reason;
  deliver(event, nullptr, {});
}

void AppRequest::shut_down(uint16_t code) {
  if (!std::exchange(shut_down_, true)) post(AppEvent::Kind::kShutDown, code);
}

void AppRequest::report_unfinished(uint64_t limit) {
  constexpr uint64_t kKilobyte = 1024;
  const bool even = limit % (kKilobyte * kKilobyte) == 0;
  const std::string size =
      even ? std::to_string(limit / kKilobyte / kKilobyte) + "MB" : std::to_string(limit / kKilobyte) + "KB";
  app_.log_.write(
      base::Severity::kWarning, "CW0517",
      app_.name_ + ": messages that clients of WebSockets have begun and not ended hold all that " +
          "limits.websocket_unfinished allows, " + size + "; the one that would go beyond is closed with 1013\n" +
          "fix: raise limits.websocket_unfinished if so many long messages at once are meant to work; if not, "
          "lower limits.websocket_message, which is what each client may hold",
      app_.services_.loop.now());
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
  if (!std::exchange(failed_, true)) post(AppEvent::Kind::kFailed, status);
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
  if (event.kind == AppEvent::Kind::kMessage) return keep_message(event);
  if (event.kind == AppEvent::Kind::kFile) ++kept_files_;
  if (event.kind == AppEvent::Kind::kEarlyHints) {
    ++kept_hints_;
    kept_hint_bytes_ += head->storage.size();
  }
  Item& item = kept_.emplace_back();
  item.event = event;
  item.bytes.assign(event.bytes);
  item.head = std::move(head);
  item.file = std::move(file);
  if (waiter_) app_.resume_at_end_of_turn(*this);
}

void AppRequest::keep_message(const AppEvent& event) {
  const bool joins = has_kept() && kept_.back().event.kind == AppEvent::Kind::kMessage &&
                     kept_.back().bytes.size() + event.bytes.size() <= kTogether;
  Item& item = joins ? kept_.back() : kept_.emplace_back();
  item.event.kind = AppEvent::Kind::kMessage;
  add_message(item.bytes, event);
  if (waiter_) app_.resume_at_end_of_turn(*this);
}

AppEvent AppRequest::take_event() {
  if (client_gone_) return {};
  if (std::exchange(has_direct_, false)) return direct_;
  app_.heads_.give_back(std::move(current_.head));
  if (first_kept().event.kind == AppEvent::Kind::kMessage) return take_message();
  current_ = std::move(first_kept());
  if (current_.event.kind == AppEvent::Kind::kEarlyHints) {
    --kept_hints_;
    kept_hint_bytes_ -= current_.head->storage.size();
  }
  forget_first_kept();
  current_.event.bytes = current_.bytes;
  return current_.event;
}

AppEvent AppRequest::take_message() {
  Item& item = first_kept();
  std::string_view rest = std::string_view(item.bytes).substr(item.shown);
  AppEvent message = read_message(rest);
  const size_t end = item.bytes.size() - rest.size();
  const size_t begin = end - message.bytes.size();
  if (rest.empty()) {
    current_.bytes = std::move(item.bytes);
    message.bytes = std::string_view(current_.bytes).substr(begin);
    forget_first_kept();
  } else {
    item.shown = end;
    current_.bytes.assign(message.bytes);
    message.bytes = current_.bytes;
  }
  return message;
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
  if (first_kept().event.kind == AppEvent::Kind::kFile) --kept_files_;
  ++kept_from_;
  // Of a client that is always behind it is never empty.
  if (kept_from_ < kept_.size() - kept_from_) return;
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<ptrdiff_t>(kept_from_));
  kept_from_ = 0;
  if (kept_.empty() && kept_.capacity() > kItemsKeptByIdle) kept_ = std::vector<Item>();
}

}  // namespace cutwater::handler

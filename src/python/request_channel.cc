#include "python/request_channel.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "python/py_api.h"

namespace cutwater::python {
namespace {

// The link wakes us when there is room; a look of our own costs nothing beside a full ring.
constexpr int kRoomPollMilliseconds = 100;
constexpr size_t kFilePiece = 64 * 1024;

uint32_t flags(bool complete, bool releases) {
  return (complete ? uint32_t{link::kComplete} : 0u) | (releases ? uint32_t{link::kReleases} : 0u);
}

}  // namespace

ssize_t read_file_piece(int descriptor, uint64_t offset, std::string& into) {
  ssize_t got;
  int error;
  {
    GilRelease released;
    do {
      got = ::pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset));
      error = errno;
    } while (got < 0 && error == EINTR);
  }
  if (got < 0) {
    errno = error;
    PyErr_SetFromErrno(PyExc_OSError);
  }
  return got;
}

void RequestChannel::begin(const link::Claim& claim) {
  claim_ = &claim;
  credit_ = link::kInitialCredit;
  wanted_ = true;
  released_ = false;
}

void RequestChannel::end() {
  if (!released_) link_.release(*claim_);
  released_ = true;
  claim_ = nullptr;
}

bool RequestChannel::still_wanted() {
  while (auto frame = link_.receive()) {
    if (!take_in(*frame)) waiter_.of_another(*frame);
  }
  return wanted_;
}

bool RequestChannel::take_in(const link::DownFrame& frame) {
  if (claim_ == nullptr || frame.front != claim_->front || frame.header.slot != claim_->slot ||
      frame.header.generation != claim_->generation) {
    return false;  // of an earlier request, or kRetire, which the link itself remembers
  }
  switch (static_cast<link::DownKind>(frame.header.kind)) {
    case link::DownKind::kCredit:
      credit_ += frame.header.value;
      break;
    case link::DownKind::kDisconnect:
    case link::DownKind::kCancel:
      wanted_ = false;
      break;
    default:
      break;  // kinds that only ASGI and WebSocket use
  }
  return true;
}

SendOutcome RequestChannel::gone() {
  wanted_ = false;
  return SendOutcome::kGone;
}

void RequestChannel::settle() {
  while (inside_ > 0) {
    wanted_ = false;
    if (waiter_.let_out(*this)) continue;
    GilRelease released;
    timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
}

bool RequestChannel::wait(SendOutcome& outcome, FrameWait::For what) {
  Inside inside(*this);
  link_.wake_fronts();
  switch (waiter_.for_frame(*this, claim_->front, what, kRoomPollMilliseconds)) {
    case FrameWait::Woken::kFrontGone:
      outcome = gone();
      return false;
    case FrameWait::Woken::kError:
      outcome = SendOutcome::kError;
      return false;
    case FrameWait::Woken::kByLink:
    case FrameWait::Woken::kByControl:
      break;
  }
  if (!link_.attached() || !still_wanted()) {
    outcome = gone();
    return false;
  }
  return true;
}

SendOutcome RequestChannel::send_head(const message::Response& response, std::string_view body, bool complete,
                                      bool releases) {
  if (!still_wanted()) return SendOutcome::kGone;
  std::string_view first = body.substr(0, static_cast<size_t>(std::max<int64_t>(credit_, 0)));
  bool whole = first.size() == body.size();
  SendOutcome outcome = SendOutcome::kSent;
  while (true) {
    link::SendResult sent =
        link_.send_response(*claim_, response, first, whole ? flags(complete, complete && releases) : 0);
    if (sent.status == link::SendResult::kTooLarge) {
      PyErr_Format(PyExc_ValueError, "the response headers are longer than %u bytes together",
                   link_.maximum_up_payload());
      return SendOutcome::kError;
    }
    if (sent.status == link::SendResult::kSent) {
      credit_ -= static_cast<int64_t>(sent.body_bytes);
      if (sent.body_bytes == body.size()) {
        released_ = complete && releases;
        return SendOutcome::kSent;
      }
      return send_body(body.substr(sent.body_bytes), complete);
    }
    if (!wait(outcome)) return outcome;
  }
}

SendOutcome RequestChannel::send_body(std::string_view body, bool complete) {
  if (!still_wanted()) return SendOutcome::kGone;
  SendOutcome outcome = SendOutcome::kSent;
  while (!body.empty()) {
    std::string_view piece = body.substr(0, static_cast<size_t>(std::max<int64_t>(credit_, 0)));
    link::SendResult sent;
    if (!piece.empty()) {
      bool last = complete && piece.size() == body.size();
      sent = link_.send_body(*claim_, piece, flags(last, false));
    }
    if (sent.status == link::SendResult::kSent) {
      credit_ -= static_cast<int64_t>(sent.body_bytes);
      body.remove_prefix(sent.body_bytes);
    } else if (!wait(outcome, piece.empty() ? FrameWait::For::kFrame : FrameWait::For::kRoom)) {
      return outcome;
    }
  }
  return SendOutcome::kSent;
}

SendOutcome RequestChannel::send_file(int descriptor, uint64_t offset, uint64_t length) {
  if (!still_wanted()) return SendOutcome::kGone;
  SendOutcome outcome = SendOutcome::kSent;
  while (true) {
    switch (link_.send_file(*claim_, descriptor, offset, length)) {
      case link::SendResult::kSent:
        return SendOutcome::kSent;
      case link::SendResult::kFailed:
        return send_file_bytes(descriptor, offset, length);
      default:
        if (!wait(outcome)) return outcome;
    }
  }
}

SendOutcome RequestChannel::send_file_bytes(int descriptor, uint64_t offset, uint64_t length) {
  std::string piece;
  while (length > 0) {
    piece.resize(static_cast<size_t>(std::min<uint64_t>(length, kFilePiece)));
    ssize_t got = read_file_piece(descriptor, offset, piece);
    if (got <= 0) {
      if (got == 0) PyErr_SetString(PyExc_OSError, "the file became shorter while it was sent");
      return SendOutcome::kError;
    }
    auto bytes = static_cast<size_t>(got);
    SendOutcome outcome = send_body(std::string_view(piece).substr(0, bytes), false);
    if (outcome != SendOutcome::kSent) return outcome;
    offset += bytes;
    length -= bytes;
  }
  return SendOutcome::kSent;
}

SendOutcome RequestChannel::send_control(link::UpKind kind, uint32_t value) {
  if (!still_wanted()) return SendOutcome::kGone;
  SendOutcome outcome = SendOutcome::kSent;
  while (!link_.send_up(*claim_, kind, value, std::string_view())) {
    if (!wait(outcome)) return outcome;
  }
  return SendOutcome::kSent;
}

SendOutcome RequestChannel::send_end() {
  return send_control(link::UpKind::kEnd, 0);
}

SendOutcome RequestChannel::send_abort(bool before_head) {
  return send_control(link::UpKind::kAbort, before_head ? uint32_t{link::kBeforeHead} : 0u);
}

base::FileDescriptor RequestChannel::fetch_body() {
  SendOutcome outcome = send_control(link::UpKind::kBodyWanted, 0);
  while (outcome == SendOutcome::kSent) {
    base::FileDescriptor body = link_.receive_body_descriptor(*claim_);
    if (body.valid()) return body;
    if (!wait(outcome, FrameWait::For::kDescriptor)) break;
  }
  if (outcome == SendOutcome::kGone) {
    PyErr_SetString(PyExc_ConnectionResetError, "the client left before its request body could be read");
  }
  return {};
}

}  // namespace cutwater::python

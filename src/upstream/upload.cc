#include "upstream/upload.h"

#include <algorithm>
#include <array>

namespace cutwater::upstream {

namespace {

constexpr unsigned kPiecesPerTurn = 8;  // of data: a fast peer must not hold the loop

}  // namespace

using message::BodyPiece;
using message::BodyStatus;

// A small body goes out together with the head, where nothing stands between them.
void Upload::begin(std::string_view head, bool whole) {
  last_progress_ = loop_.now();
  const bool is_plain = &framing_ == &plain_framing();
  if (!write(head, is_plain && !whole ? body_.take_kept() : std::string_view())) return;
  whole = whole || (is_plain && body_.complete());
  if (whole && !data_ && pending_.empty()) {
    state_ = State::kComplete;
    return;
  }
  background_.start(send_rest(whole));
}

base::Task<void> Upload::send_rest(bool body_written) {
  if (!body_written) {
    auto sending = send_body();
    if (!co_await sending) co_return;
  }
  if (data_) {
    auto sending = send_data();
    if (!co_await sending) co_return;
  }
  auto flushing = flush();
  if (co_await flushing) state_ = State::kComplete;
}

base::Task<bool> Upload::send_body() {
  bool all_written = false;
  while (!all_written) {
    if (!pending_.empty()) {
      auto flushing = flush();
      if (!co_await flushing) co_return false;
    }
    waits_for_client_ = !body_.has_next();
    auto reading = body_.next();
    const BodyPiece piece = co_await reading;
    waits_for_client_ = false;
    last_progress_ = loop_.now();
    if (piece.status == BodyStatus::kEnd) co_return write(framing_.last());
    if (piece.status != BodyStatus::kPiece) {
      client_failure_ = piece.status;
      end(State::kClientFailed);
      co_return false;
    }
    // The end goes with the last piece: a peer that has all it wants may close without reading what comes later, which
    // resets the connection under its answer.
    all_written = body_.complete();
    if (!write_piece(framing_, piece.bytes, all_written)) co_return false;
  }
  co_return true;
}

base::Task<bool> Upload::send_data() {
  uint64_t left = data_->length;
  if (left == 0) co_return write(data_framing_->last());
  for (unsigned pieces = 1; left > 0; ++pieces) {
    if (!pending_.empty()) {
      auto flushing = flush();
      if (!co_await flushing) co_return false;
    }
    if (pieces % kPiecesPerTurn == 0) {
      auto waiting = await_room();
      if (!co_await waiting) co_return false;
    }
    auto reading = data_->source.read();
    const BodyPiece piece = co_await reading;
    last_progress_ = loop_.now();
    if (piece.status != BodyStatus::kPiece) {
      end(State::kDataFailed);
      co_return false;
    }
    const std::string_view bytes = piece.bytes.substr(0, std::min<uint64_t>(left, piece.bytes.size()));
    left -= bytes.size();
    if (!write_piece(*data_framing_, bytes, left == 0)) co_return false;
  }
  co_return true;
}

bool Upload::write_piece(const PieceFraming& framing, std::string_view piece, bool is_last) {
  while (!piece.empty()) {
    const std::string_view part = piece.substr(0, framing.most());
    piece.remove_prefix(part.size());
    std::string start;
    framing.append_start(start, part.size());
    std::string end(framing.end());
    if (is_last && piece.empty()) end += framing.last();
    if (!write(start, part, end)) return false;
  }
  return true;
}

bool Upload::write(std::string_view first, std::string_view second, std::string_view third) {
  std::array<iovec, 3> pieces;
  size_t count = 0;
  size_t wanted = 0;
  for (std::string_view piece : {first, second, third}) {
    if (piece.empty()) continue;
    pieces[count++] = {const_cast<char*>(piece.data()), piece.size()};
    wanted += piece.size();
  }
  if (wanted == 0) return true;
  if (!pending_.empty()) {
    for (std::string_view piece : {first, second, third}) pending_ += piece;
    return true;
  }
  const io::IoResult result = stream_.write(std::span(pieces.data(), count));
  if (result.status == io::IoStatus::kFailed) {
    end(State::kPeerFailed);
    return false;
  }
  size_t taken = result.status == io::IoStatus::kDone ? result.count : 0;
  delivered_any_ = delivered_any_ || taken > 0;
  for (std::string_view piece : {first, second, third}) {
    const size_t skip = std::min(taken, piece.size());
    taken -= skip;
    pending_.append(piece.substr(skip));
  }
  return true;
}

// False: the peer took nothing for `silence`. Its answer is not read while the client takes nothing, and it may take
// nothing of the request until it is: that is not its fault.
base::Task<bool> Upload::await_room() {
  while (true) {
    const base::Instant deadline = loop_.now() + silence_;
    const io::WaitResult waited = co_await stream_.writable(deadline);
    if (waited == io::WaitResult::kReady) co_return true;
    if (stream_.has_unread()) continue;
    end(State::kPeerTooSlow);
    co_return false;
  }
}

base::Task<bool> Upload::flush() {
  while (sent_ < pending_.size()) {
    auto waiting = await_room();
    if (!co_await waiting) co_return false;
    const iovec rest{pending_.data() + sent_, pending_.size() - sent_};
    const io::IoResult result = stream_.write(std::span(&rest, 1));
    if (result.status == io::IoStatus::kFailed) {
      end(State::kPeerFailed);
      co_return false;
    }
    if (result.status != io::IoStatus::kDone) continue;
    delivered_any_ = true;
    sent_ += result.count;
    last_progress_ = loop_.now();
  }
  pending_.clear();
  sent_ = 0;
  co_return true;
}

// The reader waits for an answer: a shutdown ends that wait. Where the peer failed the kernel does it.
void Upload::end(State state) {
  state_ = state;
  if (state != State::kPeerFailed) stream_.shut_down();
}

}  // namespace cutwater::upstream

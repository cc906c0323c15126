#include "upstream/receiver.h"

#include <cstring>

namespace cutwater::upstream {

namespace {

constexpr unsigned kReadsPerTurn = 8;  // of full buffers: a fast peer must not hold the loop

}  // namespace

base::Task<Receiver::Outcome> Receiver::receive() {
  while (true) {
    if (!more_likely_ || ++reads_this_turn_ == kReadsPerTurn) {
      reads_this_turn_ = 0;
      auto waiting = wait_for_bytes();
      if (!co_await waiting) co_return Outcome::kTimedOut;
    }
    const std::span<char> buffer = io::shared_read_buffer();
    const io::IoResult result = stream_.read(buffer);
    more_likely_ = result.status == io::IoStatus::kDone && result.count == buffer.size();
    if (result.status == io::IoStatus::kWouldBlock) continue;
    if (result.status == io::IoStatus::kDone) {
      received_any_ = true;
      bytes_ = {buffer.data(), result.count};
      co_return Outcome::kBytes;
    }
    co_return result.status == io::IoStatus::kFailed ? Outcome::kReset : Outcome::kEnd;
  }
}

// A peer is silent only while it has what it needs: a client that is slow in sending does not count against it.
base::Task<bool> Receiver::wait_for_bytes() {
  base::Instant quiet_since = loop_.now();
  while (true) {
    const base::Instant deadline = quiet_since + silence_;
    if (co_await stream_.readable(deadline) == io::WaitResult::kReady) co_return true;
    const bool running = upload_.state() == Upload::State::kRunning;
    quiet_since = running && upload_.waits_for_client() ? loop_.now() : upload_.last_progress();
    if (loop_.now() >= quiet_since + silence_) co_return false;
  }
}

void Receiver::abandon() {
  abandoned_ = true;
  stream_.shut_down();
}

message::BodyStatus Receiver::client_failure() const {
  return abandoned_ ? message::BodyStatus::kDisconnected : upload_.client_failure();
}

CallStatus Receiver::cause_of(Outcome outcome) const {
  if (abandoned_ || upload_.state() == Upload::State::kClientFailed) return CallStatus::kClientFailed;
  if (upload_.state() == Upload::State::kDataFailed) return CallStatus::kDataFailed;
  const bool too_slow = outcome == Outcome::kTimedOut || upload_.state() == Upload::State::kPeerTooSlow;
  return too_slow ? CallStatus::kTimedOut : CallStatus::kFine;
}

std::string_view join_pieces(std::string_view gathered, std::string_view piece) {
  if (gathered.empty()) return piece;
  std::memmove(const_cast<char*>(gathered.data()) + gathered.size(), piece.data(), piece.size());
  return {gathered.data(), gathered.size() + piece.size()};
}

}  // namespace cutwater::upstream

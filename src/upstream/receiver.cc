#include "upstream/receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace cutwater::upstream {

namespace {

constexpr unsigned kReadsPerTurn = 8;  // of full buffers: a fast peer must not hold the loop

}  // namespace

base::Task<Receiver::Outcome> Receiver::receive(base::Instant until, base::Instant since) {
  since = std::min(since, loop_.now());
  // What brings nothing of the answer may come without a pause.
  if (in_body_ && loop_.now() >= quiet_since(since) + silence_) co_return Outcome::kTimedOut;
  while (true) {
    if (!more_likely_ || ++reads_this_turn_ == kReadsPerTurn) {
      reads_this_turn_ = 0;
      const base::Instant began = loop_.now();
      while (true) {
        const base::Instant deadline = quiet_since(since) + silence_;
        if (co_await stream_.readable(deadline, until) == io::WaitResult::kReady) break;
        if (loop_.now() >= quiet_since(since) + silence_) co_return Outcome::kTimedOut;
        if (loop_.now() >= until) co_return Outcome::kNothingYet;
      }
      waited_ += loop_.now() - began;
    }
    const std::span<char> buffer = io::shared_read_buffer();
    const io::IoResult result = stream_.read(buffer);
    more_likely_ = result.status == io::IoStatus::kDone && result.count == buffer.size();
    if (result.status == io::IoStatus::kWouldBlock) continue;
    if (result.status == io::IoStatus::kDone) {
      received_any_ = true;
      span_bytes_ += result.count;
      if (!keeps_rate(std::exchange(waited_, base::Duration(0)))) co_return Outcome::kTimedOut;
      bytes_ = {buffer.data(), result.count};
      co_return Outcome::kBytes;
    }
    co_return result.status == io::IoStatus::kFailed ? Outcome::kReset : Outcome::kEnd;
  }
}

// What has no length may be as slow as it likes, within `silence`: pages that show how far something is, feeds that say
// now and then that they live.
void Receiver::begin_body(const message::Response& response) {
  in_body_ = true;
  may_be_slow_ = true;
  if (!response.content_length) return;
  const std::string_view type = response.headers.get("Content-Type").value_or("");
  const std::string_view buffering = response.headers.get("X-Accel-Buffering").value_or("");
  may_be_slow_ =
      base::equals_ignoring_case(base::trim_whitespace(type.substr(0, type.find(';'))), "text/event-stream") ||
      base::equals_ignoring_case(buffering, "no");
}

// A peer is silent only while it has what it needs: a client that is slow in sending does not count against it. The
// bytes of a head are no answer yet: who drips them gets no more time.
base::Instant Receiver::quiet_since(base::Instant began) const {
  if (upload_.state() == Upload::State::kRunning && upload_.waits_for_client()) return loop_.now();
  return in_body_ ? std::max(began, upload_.last_progress()) : upload_.last_progress();
}

// Time in which the client held the answer back is none of these.
bool Receiver::keeps_rate(base::Duration waited) {
  if (!in_body_ || may_be_slow_ || upload_.state() == Upload::State::kRunning) return true;
  span_waited_ += waited;
  if (span_waited_ < silence_) return true;
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(span_waited_).count();
  too_slow_ = !first_span_ && span_bytes_ * 1000 < kLeastRate * static_cast<uint64_t>(milliseconds);
  first_span_ = false;
  span_waited_ = base::Duration(0);
  span_bytes_ = 0;
  return !too_slow_;
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

#include "upstream/fastcgi_rest.h"

#include <algorithm>

#include "upstream/fastcgi_call.h"

namespace cutwater::upstream {

using codec::fastcgi::ResponseReader;

namespace {

// A program that sends nobody an endless body, to HEAD or behind its Content-Length, must not be read for `timeout`.
constexpr uint64_t kMostDropped = 64 * 1024;

}  // namespace

CallRest::Outcome FastcgiRest::broken(const char* reason) {
  reason_ = reason;
  return Outcome::kBroken;
}

base::Task<CallRest::Outcome> FastcgiRest::run(io::Loop& loop, io::Stream& stream, StderrSink& errors,
                                               base::Instant deadline) {
  while (true) {
    const io::WaitResult waited = co_await stream.readable(deadline);
    // Who goes on saying something gets no more time for it.
    if (waited == io::WaitResult::kTimedOut || loop.now() >= deadline) co_return Outcome::kTimedOut;
    const std::span<char> buffer = io::shared_read_buffer();
    const io::IoResult result = stream.read(buffer);
    if (result.status == io::IoStatus::kWouldBlock) continue;
    if (result.status != io::IoStatus::kDone) co_return broken("the connection ended before the answer did");
    const std::string_view bytes(buffer.data(), result.count);
    const std::optional<Outcome> outcome = take(bytes, errors);
    if (outcome) co_return *outcome;
  }
}

std::optional<CallRest::Outcome> FastcgiRest::take(std::string_view bytes, StderrSink& errors) {
  while (true) {
    const ResponseReader::Event event = reader_.next(bytes);
    bytes.remove_prefix(event.consumed);
    if (event.kind == ResponseReader::Event::kNeedMore) return std::nullopt;
    if (event.kind == ResponseReader::Event::kMalformed) return broken(event.reason);
    if (event.request_id != kFastcgiRequestId) return broken("a record for a request that was not made");
    if (event.kind == ResponseReader::Event::kEnd) return take_end(event.end, bytes);
    if (event.kind == ResponseReader::Event::kStderr) errors.on_stderr(event.piece);
    if (event.kind == ResponseReader::Event::kStdout) drop(event.piece);
    if (dropped_ > kMostDropped) return Outcome::kGivenUp;
  }
}

void FastcgiRest::drop(std::string_view piece) {
  dropped_ += piece.size();
  const std::string_view more = piece.substr(std::min<uint64_t>(limits_.body, piece.size()));
  limits_.body -= piece.size() - more.size();
  if (!more.empty()) limits_.may_be_kept = false;
  if (more.find_first_not_of(kTemplateSpace) != std::string_view::npos) went_on_ = true;
}

CallRest::Outcome FastcgiRest::take_end(const codec::fastcgi::EndRequest& end, std::string_view bytes) {
  if (const char* fault = fault_of(end)) return broken(fault);
  const ResponseReader::Event padding = reader_.next(bytes);
  const bool is_last = padding.kind == ResponseReader::Event::kNeedMore && reader_.at_boundary();
  return limits_.may_be_kept && is_last ? Outcome::kReusable : Outcome::kEnded;
}

}  // namespace cutwater::upstream

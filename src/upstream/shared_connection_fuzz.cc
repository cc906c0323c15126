// What a peer says to several requests on one connection: however its bytes are cut, each gets the same answer; all of
// them end, also when one of them leaves; and what goes to the peer is whole records, of ids that may be used.
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <set>
#include <string>

#include "codec/fastcgi/request_encoder.h"
#include "upstream/fastcgi_call.h"
#include "upstream/shared_connection.h"
#include "upstream/shared_request.h"

namespace {

using namespace cutwater;
using namespace cutwater::upstream;
using codec::fastcgi::RecordType;

struct Play {
  std::string_view bytes;
  size_t step;
  size_t calls;
  bool one_leaves;
  bool writes_block;
};

// Gives its bytes in pieces, one a turn, and ends; takes everything, or a little at a time.
class ScriptedStream final : public io::Stream {
 public:
  ScriptedStream(io::Loop& loop, const Play& play, std::string& written)
      : bytes_(play.bytes),
        step_(play.step),
        blocks_(play.writes_block),
        written_(written),
        turn_(loop.timers(), [this] { go_on(); }) {}
  io::IoResult read(std::span<char> into) override {
    const size_t count = bytes_.substr(0, step_).copy(into.data(), into.size());
    bytes_.remove_prefix(count);
    return {count > 0 ? io::IoStatus::kDone : io::IoStatus::kEndOfStream, count, 0};
  }
  io::IoResult write(std::span<const iovec> pieces) override {
    if (blocks_ && (may_write_ = !may_write_)) return {io::IoStatus::kWouldBlock, 0, 0};
    const size_t count = blocks_ ? std::min(step_, pieces[0].iov_len) : pieces[0].iov_len;
    written_.append(static_cast<const char*>(pieces[0].iov_base), count);
    return {io::IoStatus::kDone, count, 0};
  }
  io::IoResult send_file(int, uint64_t, size_t) override { return {io::IoStatus::kFailed, 0, 0}; }
  void shutdown_write() override {}
  void listen_for_hangup(io::HangupListener*) override {}

 private:
  bool start_wait(io::ReadinessAwaiter& wait, bool for_reading, base::Instant) override {
    (for_reading ? reader_ : writer_) = &wait;
    turn_.set(base::Instant{0});
    return true;
  }
  void forget_wait(io::ReadinessAwaiter& wait, bool for_reading) override {
    io::ReadinessAwaiter*& slot = for_reading ? reader_ : writer_;
    if (slot == &wait) slot = nullptr;
  }
  void go_on() {
    if (reader_) resume(reader_, io::WaitResult::kReady);
    if (writer_) resume(writer_, io::WaitResult::kReady);
  }

  std::string_view bytes_;
  const size_t step_;
  const bool blocks_;
  bool may_write_ = false;
  std::string& written_;
  io::ReadinessAwaiter* reader_ = nullptr;
  io::ReadinessAwaiter* writer_ = nullptr;
  io::Timer turn_;
};

class NoBody final : public message::BodySource {
 public:
  base::Task<message::BodyPiece> read() override { co_return message::BodyPiece{message::BodyStatus::kEnd, {}}; }
};

class NotedErrors final : public StderrSink {
 public:
  void on_stderr(std::string_view piece) override { text += piece; }
  std::string text;
};

class Asked {
 public:
  Asked(io::Loop& loop, std::unique_ptr<SharedRequest> request)
      : stream_(std::move(request)), call_(loop, *stream_, "GET", body_, options_, errors_) {
    tasks_.start(ask());
  }
  void leave() { call_.abandon(); }
  bool done = false;
  std::string log;

 private:
  base::Task<void> ask() {
    std::string head;
    codec::fastcgi::append_request(head, kFastcgiRequestId, codec::fastcgi::Role::kResponder, true, {});
    call_.begin(head);
    auto reading_head = call_.read_head();
    const CallStatus status = co_await reading_head;
    std::string body;
    CallPiece piece;
    piece.status = status;
    if (status == CallStatus::kFine) piece = call_.take_body();
    while (piece.status == CallStatus::kFine) {
      body += piece.bytes;
      if (piece.complete) break;
      auto reading = call_.read_body();
      piece = co_await reading;
    }
    log = std::to_string(static_cast<int>(status)) + "," + std::to_string(call_.response().status) + ",";
    log += piece.complete ? body + "." : std::to_string(static_cast<int>(piece.status));
    done = true;
  }

  NoBody source_;
  RequestBody body_{source_, message::BodyFraming::kNone, 0};
  CallOptions options_;
  NotedErrors errors_;
  std::unique_ptr<SharedRequest> stream_;
  FastcgiCall call_;
  base::TaskSet tasks_;
};

// Ends the loop once all are done.
class Watch final : public io::TurnHook {
 public:
  Watch(io::Loop& loop, std::deque<Asked>& asked) : loop_(loop), asked_(asked) { loop.add_hook(*this); }
  ~Watch() override { loop_.remove_hook(*this); }
  bool end_of_turn() override {
    if (++turns_ > 100'000) std::abort();
    for (const Asked& one : asked_) {
      if (!one.done) return false;
    }
    loop_.stop();
    return false;
  }

 private:
  io::Loop& loop_;
  std::deque<Asked>& asked_;
  unsigned turns_ = 0;
};

void check_written(std::string_view written, bool may_end_early) {
  std::set<uint16_t> begun;
  while (const auto header = codec::fastcgi::read_header(written)) {
    const size_t whole = codec::fastcgi::kHeaderBytes + header->content_length + header->padding_length;
    if (whole > written.size()) break;
    written.remove_prefix(whole);
    const auto type = static_cast<RecordType>(header->type);
    if (header->version != 1 || header->request_id == 0 || header->request_id > 16 + SharedConnection::kMostSpent)
      std::abort();
    if (type == RecordType::kBeginRequest && !begun.insert(header->request_id).second) std::abort();
    if (!begun.contains(header->request_id)) std::abort();
    if (type == RecordType::kAbortRequest) begun.erase(header->request_id);
  }
  if (!written.empty() && !may_end_early) std::abort();
}

std::string outcome(const Play& play) {
  io::Loop loop;
  std::string written;
  std::string log;
  {
    std::deque<Asked> asked;
    const auto connection = std::make_shared<SharedConnection>(
        loop, std::make_unique<ScriptedStream>(loop, play, written), SharedConnectionOptions(), nullptr);
    for (size_t i = 0; i < play.calls; ++i) asked.emplace_back(loop, connection->add());
    if (play.one_leaves) asked.front().leave();
    {
      Watch watch(loop, asked);
      loop.run();
    }
    for (const Asked& one : asked) log += one.log + "\n";
  }
  check_written(written, play.writes_block);
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 700) return 0;  // a turn of the loop for each piece
  Play play;
  play.bytes = std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1);
  play.calls = 1 + data[0] % 4;
  play.one_leaves = data[0] / 4 % 2 == 1;
  play.writes_block = data[0] / 8 % 2 == 1;
  play.step = size;
  const std::string whole = outcome(play);
  play.step = 1 + size % 29;
  const std::string cut = outcome(play);
  // With a peer that takes little at a time it is the cut's matter what was known to it when it spoke.
  if (!play.writes_block && whole != cut) std::abort();
  return 0;
}

// What servers behind us answer, whole calls of each protocol: however the bytes are cut, the same head, body and end;
// nothing waits for ever, and a connection is kept only when nothing of the answer is left on it.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "message/grammar.h"
#include "upstream/cgi_call.h"
#include "upstream/fastcgi_call.h"
#include "upstream/http_call.h"

namespace {

using namespace cutwater;
using namespace cutwater::upstream;

// Gives its bytes in pieces and ends; takes everything.
class ScriptedStream final : public io::Stream {
 public:
  ScriptedStream(std::string_view bytes, size_t step) : bytes_(bytes), step_(step) {}
  io::IoResult read(std::span<char> into) override {
    const size_t count = bytes_.substr(0, step_).copy(into.data(), into.size());
    bytes_.remove_prefix(count);
    return {count > 0 ? io::IoStatus::kDone : io::IoStatus::kEndOfStream, count, 0};
  }
  io::IoResult write(std::span<const iovec> pieces) override {
    size_t count = 0;
    for (const iovec& piece : pieces) count += piece.iov_len;
    return {io::IoStatus::kDone, count, 0};
  }
  io::IoResult send_file(int, uint64_t, size_t) override { return {io::IoStatus::kFailed, 0, 0}; }
  void shutdown_write() override {}
  void listen_for_hangup(io::HangupListener*) override {}
  bool empty() const { return bytes_.empty(); }

 private:
  bool start_wait(io::ReadinessAwaiter&, bool, base::Instant) override { return false; }  // always ready
  void forget_wait(io::ReadinessAwaiter&, bool) override {}

  std::string_view bytes_;
  const size_t step_;
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

base::Task<void> play(Call& call, ScriptedStream& stream, std::string& log, bool& done) {
  call.begin("head");
  CallStatus status = CallStatus::kFine;
  do {
    auto reading = call.read_head();
    status = co_await reading;
    log += std::to_string(static_cast<int>(status)) + ",";
    if (status != CallStatus::kFine) break;
    log += std::to_string(call.response().status);
    for (const message::HeaderField& field : call.response().headers) {
      if (!message::valid_field(field.name, field.value)) std::abort();
      log.append(field.name).append(":").append(field.value) += "\n";
    }
  } while (call.response().status < 200);
  if (status == CallStatus::kFine) {
    std::string body;
    CallPiece piece = call.take_body();
    while (piece.status == CallStatus::kFine) {
      body += piece.bytes;
      if (piece.complete) break;
      auto reading = call.read_body();
      piece = co_await reading;
    }
    // How much of a broken body came before the break is the cut's matter.
    log += piece.complete ? body + "." : std::to_string(static_cast<int>(piece.status));
    if (piece.complete && call.connection_reusable() && !stream.empty()) log += "?";
  }
  done = true;
}

std::string outcome(std::string_view bytes, size_t step, uint8_t choice) {
  io::Loop loop;
  ScriptedStream stream(bytes, step);
  NoBody source;
  RequestBody body(source, message::BodyFraming::kNone, 0);
  CallOptions options;
  options.head = {200, 1000, 10};
  options.authorizes = choice / 8 % 2 == 1;
  NotedErrors errors;
  const std::string_view method = choice / 4 % 2 == 0 ? "GET" : "HEAD";
  std::unique_ptr<Call> call;
  if (choice % 4 == 0) {
    call = std::make_unique<FastcgiCall>(loop, stream, method, body, options, errors);
  } else if (choice % 4 == 1) {
    call = std::make_unique<CgiCall>(loop, stream, method, body, options);
  } else {
    call = std::make_unique<HttpCall>(loop, stream, method, body, options);
  }
  std::string log;
  bool done = false;
  base::TaskSet tasks;
  tasks.start(play(*call, stream, log, done));
  if (!done) std::abort();
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string whole = outcome(bytes, size, *data);
  std::string cut = outcome(bytes, 1 + size % 13, *data);
  // Whether bytes behind the answer had come by its end is the cut's matter.
  std::erase(whole, '?');
  std::erase(cut, '?');
  if (whole != cut) std::abort();
  return 0;
}

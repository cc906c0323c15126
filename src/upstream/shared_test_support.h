// Shared by the tests of requests that run at once on a FastCGI connection: calls on one side, on the other the records
// that a peer hears and says.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/fastcgi/record.h"
#include "codec/fastcgi/request_encoder.h"
#include "upstream/fastcgi_call.h"
#include "upstream/shared_connection.h"
#include "upstream/shared_request.h"
#include "upstream/upstream_test_support.h"

namespace cutwater::upstream {

struct HeardRecord {
  codec::fastcgi::RecordType type;
  uint16_t request_id;
  std::string content;
};

// The records of what a peer hears; only whole ones may come.
class RecordEar {
 public:
  explicit RecordEar(FarEnd& far) : far_(far) {}

  const std::vector<HeardRecord>& listen() {
    unread_ += far_.hear();
    take_records();
    return records;
  }
  // No more than so many bytes.
  void listen_slowly(size_t most) {
    std::string buffer(most, '\0');
    const ssize_t count = ::recv(far_.peer.get(), buffer.data(), most, 0);
    if (count > 0) unread_.append(buffer, 0, static_cast<size_t>(count));
    take_records();
  }
  size_t bytes(codec::fastcgi::RecordType type, uint16_t request_id) const {
    size_t found = 0;
    for (const HeardRecord& record : records) {
      if (record.type == type && record.request_id == request_id) found += record.content.size();
    }
    return found;
  }
  std::vector<HeardRecord> records;

 private:
  void take_records() {
    while (const auto header = codec::fastcgi::read_header(unread_)) {
      const size_t whole = codec::fastcgi::kHeaderBytes + header->content_length + header->padding_length;
      if (unread_.size() < whole) break;
      EXPECT_EQ(header->version, 1);
      records.push_back({static_cast<codec::fastcgi::RecordType>(header->type), header->request_id,
                         unread_.substr(codec::fastcgi::kHeaderBytes, header->content_length)});
      unread_.erase(0, whole);
    }
  }

 public:
  size_t count(codec::fastcgi::RecordType type, uint16_t request_id) {
    size_t found = 0;
    for (const HeardRecord& record : listen()) found += record.type == type && record.request_id == request_id;
    return found;
  }
  std::string stream(codec::fastcgi::RecordType type, uint16_t request_id) {
    std::string bytes;
    for (const HeardRecord& record : listen()) {
      if (record.type == type && record.request_id == request_id) bytes += record.content;
    }
    return bytes;
  }

 private:
  FarEnd& far_;
  std::string unread_;
};

inline std::string said(codec::fastcgi::RecordType type, uint16_t request_id, std::string_view content) {
  std::string bytes;
  codec::fastcgi::append_record(bytes, type, request_id, content);
  return bytes;
}
inline std::string output(uint16_t request_id, std::string_view content) {
  return said(codec::fastcgi::RecordType::kStdout, request_id, content);
}
inline std::string ended(uint16_t request_id, codec::fastcgi::ProtocolStatus status = {}) {
  std::string bytes;
  codec::fastcgi::append_end_request(bytes, request_id, {0, status});
  return bytes;
}
inline std::string answered(uint16_t request_id, const std::string& body) {
  return output(request_id, "Status: 200\n\n" + body) + ended(request_id);
}

class DroppedErrors final : public StderrSink {
 public:
  void on_stderr(std::string_view piece) override { text += piece; }
  std::string text;
};

// A request on its way, with a body that the test sends; `paused` reads no further than the head.
class Asked {
 public:
  Asked(io::Loop& loop, std::unique_ptr<SharedRequest> request, bool has_body = false,
        base::Duration silence = std::chrono::seconds(60))
      : stream(std::move(request)),
        body_(source, has_body ? message::BodyFraming::kChunked : message::BodyFraming::kNone, 0),
        options_(with(silence)),
        call(loop, *stream, "GET", body_, options_, errors) {
    tasks_.start(ask());
  }
  bool fine() const { return done && status == CallStatus::kFine; }

  PacedBody source;
  std::unique_ptr<SharedRequest> stream;
  DroppedErrors errors;
  std::string seen;
  CallStatus status = CallStatus::kFine;
  bool done = false;
  bool paused = false;
  bool has_head = false;
  void go_on() {
    paused = false;
    tasks_.start(read_body());
  }

 private:
  static CallOptions with(base::Duration silence) {
    CallOptions options;
    options.silence = silence;
    return options;
  }
  base::Task<void> ask() {
    std::string head;
    codec::fastcgi::append_request(head, kFastcgiRequestId, codec::fastcgi::Role::kResponder, true, {});
    call.begin(head);
    auto reading = call.read_head();
    status = co_await reading;
    has_head = status == CallStatus::kFine;
    if (!has_head) {
      done = true;
      co_return;
    }
    const CallPiece piece = call.take_body();
    if (take(piece) && !paused) {
      auto going_on = read_body();
      co_await going_on;
    }
  }
  base::Task<void> read_body() {
    while (true) {
      auto reading = call.read_body();
      const CallPiece piece = co_await reading;
      if (!take(piece)) co_return;
    }
  }
  bool take(const CallPiece& piece) {
    seen += piece.bytes;
    status = piece.status;
    done = piece.complete || status != CallStatus::kFine;
    return !done;
  }

  RequestBody body_;
  CallOptions options_;

 public:
  FastcgiCall call;

 private:
  base::TaskSet tasks_;
};

}  // namespace cutwater::upstream

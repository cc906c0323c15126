// The time to read a connection grows with its bytes (faults.md 42), however many records and variables they are, and
// however they are cut.
#include <gtest/gtest.h>

#include <string>

#include "base/linear_time_test_support.h"
#include "codec/fastcgi/name_value.h"
#include "codec/fastcgi/record.h"
#include "codec/fastcgi/response_reader.h"
#include "codec/fastcgi/server_session.h"

namespace cutwater::codec::fastcgi {
namespace {

// Variables in records of one byte each: what a client that trickles makes a web server send.
std::string many_variables(size_t count) {
  std::string pairs, bytes;
  for (size_t i = 0; i < count; ++i) append_pair(pairs, "A" + std::to_string(i), "value");
  append_begin_request(bytes, 1, Role::kResponder, true);
  for (char byte : pairs) append_record(bytes, RecordType::kParams, 1, std::string_view(&byte, 1));
  append_record(bytes, RecordType::kParams, 1, {});
  return bytes;
}

// One request after another on one connection.
std::string many_requests(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    append_begin_request(bytes, 1, Role::kResponder, true);
    append_record(bytes, RecordType::kParams, 1, {});
    append_record(bytes, RecordType::kStdin, 1, {});
  }
  return bytes;
}

TEST(LinearTime, SessionOfManyRecords) {
  SessionLimits limits;
  limits.variables = {SIZE_MAX, SIZE_MAX};
  for (const auto& make : {many_variables, many_requests}) {
    auto play = [&limits](const std::string& connection) {
      ServerSession session(limits);
      std::string replies;
      std::string_view bytes = connection;
      size_t requests = 0;
      for (;;) {
        const ServerSession::Event event = session.next(bytes, replies);
        bytes.remove_prefix(event.consumed);
        if (event.kind == ServerSession::Event::kNeedMore || event.kind == ServerSession::Event::kMalformed) break;
        if (event.kind == ServerSession::Event::kRequest) ++requests;
        if (event.kind == ServerSession::Event::kStdinEnd) session.end_request(event.request_id);
      }
      if (requests == 0 || !bytes.empty()) ADD_FAILURE();
    };
    EXPECT_LT(base::growth_when_doubled(1'000, make, play), base::kLinear);
  }
}

TEST(LinearTime, AnswerOfManyRecords) {
  auto make = [](size_t count) {
    std::string bytes;
    for (size_t i = 0; i < count; ++i) {
      append_record(bytes, i % 2 == 0 ? RecordType::kStdout : RecordType::kStderr, 1, "x");
    }
    append_end_request(bytes, 1, {});
    return bytes;
  };
  auto read = [](const std::string& answer) {
    ResponseReader reader;
    std::string_view bytes = answer;
    bool ended = false;
    for (;;) {
      const ResponseReader::Event event = reader.next(bytes);
      bytes.remove_prefix(event.consumed);
      ended = ended || event.kind == ResponseReader::Event::kEnd;
      if (event.kind == ResponseReader::Event::kNeedMore || event.kind == ResponseReader::Event::kMalformed) break;
    }
    if (!ended) ADD_FAILURE();
  };
  EXPECT_LT(base::growth_when_doubled(5'000, make, read), base::kLinear);
}

}  // namespace
}  // namespace cutwater::codec::fastcgi

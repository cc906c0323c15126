// What FastCGI applications send, good and bad: faults.md 98, 110.
#include "codec/fastcgi/response_reader.h"

#include <gtest/gtest.h>

namespace cutwater::codec::fastcgi {
namespace {

using Event = ResponseReader::Event;

std::string record(RecordType type, std::string_view content, uint16_t id = 1) {
  std::string bytes;
  append_record(bytes, type, id, content);
  return bytes;
}
std::string out(std::string_view content) {
  return record(RecordType::kStdout, content);
}
std::string end(ProtocolStatus status = ProtocolStatus::kRequestComplete, uint32_t application = 0) {
  std::string bytes;
  append_end_request(bytes, 1, {application, status});
  return bytes;
}

// "out:... err:... end:application/protocol", pieces put together; "!" and the reason.
std::string read(std::string_view bytes, size_t step) {
  ResponseReader reader;
  std::string text;
  Event::Kind last = Event::kNeedMore;
  while (!bytes.empty()) {
    std::string_view given = bytes.substr(0, step);
    bytes.remove_prefix(given.size());
    while (true) {
      const Event event = reader.next(given);
      given.remove_prefix(event.consumed);
      if (event.kind == Event::kNeedMore) break;
      if (event.kind == Event::kMalformed) return text + " !" + event.reason;
      EXPECT_EQ(event.request_id, 1);
      if (event.kind != last)
        text += event.kind == Event::kStdout ? " out:" : event.kind == Event::kStderr ? " err:" : "";
      last = event.kind;
      text += event.piece;
      if (event.kind == Event::kEnd) {
        text += " end:" + std::to_string(event.end.application_status) + "/" +
                std::to_string(static_cast<int>(event.end.protocol_status));
      }
    }
    EXPECT_TRUE(given.empty());
  }
  return text + (reader.at_boundary() ? "" : " cut");
}

std::string read_any_way(std::string_view bytes) {
  const std::string whole = read(bytes, bytes.size());
  for (size_t step = 1; step < 20; ++step) EXPECT_EQ(read(bytes, step), whole) << step;
  return whole;
}

TEST(FastcgiResponseReader, AnAnswer) {
  EXPECT_EQ(read_any_way(out("Status: 200\r\n\r\nhello") + out("") + end()), " out:Status: 200\r\n\r\nhello end:0/0");
}

TEST(FastcgiResponseReader, BothStreamsInterleaved) {
  const std::string bytes = out("a") + record(RecordType::kStderr, "warning") + out("b") +
                            record(RecordType::kStderr, "") + out("c") + end(ProtocolStatus::kRequestComplete, 3);
  EXPECT_EQ(read_any_way(bytes), " out:a err:warning out:bc end:3/0");
}

TEST(FastcgiResponseReader, TheLongestRecordAndTheLongestPadding) {
  std::string bytes("\x01\x06\x00\x01\xff\xff\xff\x00", 8);
  bytes += std::string(65'535, 'x') + std::string(255, 'p') + out("y") + end();
  const std::string whole = read(bytes, bytes.size());
  EXPECT_EQ(whole, " out:" + std::string(65'535, 'x') + "y end:0/0");
  EXPECT_EQ(read(bytes, 1000), whole);
}

TEST(FastcgiResponseReader, Refusals) {
  EXPECT_EQ(read_any_way(end(ProtocolStatus::kCannotMultiplex)), " end:0/1");
  EXPECT_EQ(read_any_way(end(ProtocolStatus::kOverloaded)), " end:0/2");
  EXPECT_EQ(read_any_way(end(ProtocolStatus::kUnknownRole)), " end:0/3");
}

TEST(FastcgiResponseReader, EveryCutIsOne) {
  const std::string bytes = out("hello") + end();
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    const bool between = cut == out("hello").size();
    EXPECT_EQ(read(bytes.substr(0, cut), cut).ends_with(" cut"), !between) << cut;
  }
}

TEST(FastcgiResponseReader, TheEndOfAnAnswerToGetValuesIsSkipped) {
  EXPECT_EQ(read_any_way(record(RecordType::kGetValuesResult, "", 0) + end()), read_any_way(end()));
}

TEST(FastcgiResponseReader, Malformed) {
  std::string other_version = out("x");
  other_version[0] = 2;
  std::string long_end("\x01\x03\x00\x01\x00\x09\x00\x00", 8);
  std::string no_such_status = end();
  no_such_status[12] = 9;
  for (const std::string& bytes : {
           other_version,
           record(RecordType::kStdout, "x", 0),
           record(RecordType::kGetValuesResult, "x", 0),
           record(RecordType::kGetValuesResult, "", 1),
           record(RecordType::kUnknownType, std::string(8, '\0'), 0),
           record(RecordType::kStdin, "x"),
           record(RecordType::kBeginRequest, std::string(8, '\0')),
           record(static_cast<RecordType>(99), "x"),
           long_end + std::string(9, '\0'),
           no_such_status,
           std::string("HTTP/1.1 200 OK\r\n\r\n"),
       }) {
    EXPECT_NE(read_any_way(bytes).find(" !"), std::string::npos) << bytes;
  }
}

}  // namespace
}  // namespace cutwater::codec::fastcgi

// What the client's side writes, the server's side reads: faults.md 111.
#include "codec/fastcgi/request_encoder.h"

#include <gtest/gtest.h>

#include "codec/fastcgi/server_session.h"

namespace cutwater::codec::fastcgi {
namespace {

using Event = ServerSession::Event;

struct Heard {
  std::string variables, input;
  unsigned requests = 0;
  bool complete = false;
};

Heard hear(std::string_view bytes) {
  SessionLimits limits;
  limits.variables = {1 << 22, 10'000};
  ServerSession session(limits);
  Heard heard;
  std::string replies;
  while (true) {
    const Event event = session.next(bytes, replies);
    bytes.remove_prefix(event.consumed);
    if (event.kind == Event::kNeedMore) break;
    EXPECT_NE(event.kind, Event::kMalformed) << event.reason;
    if (event.kind == Event::kMalformed) break;
    EXPECT_EQ(event.request_id, 1);
    if (event.kind == Event::kStdin) heard.input += event.piece;
    heard.complete |= event.kind == Event::kStdinEnd;
    if (event.kind != Event::kRequest) continue;
    ++heard.requests;
    EXPECT_EQ(session.role(1), Role::kResponder);
    EXPECT_TRUE(session.keeps_connection(1));
    for (const Variable& variable : session.variables(1)) {
      heard.variables.append(variable.name).append("=").append(variable.value).append(";");
    }
  }
  EXPECT_TRUE(bytes.empty());
  EXPECT_TRUE(replies.empty());
  return heard;
}

void append_input(std::string& to, std::string_view piece) {
  append_header(to, RecordType::kStdin, 1, piece.size());
  to += piece;
}

TEST(FastcgiRequestEncoder, ASmallRequest) {
  std::string bytes;
  append_request(bytes, 1, Role::kResponder, true, {{"REQUEST_METHOD", "POST"}, {"EMPTY", ""}});
  append_input(bytes, "hello");
  append_input(bytes, "");
  const Heard heard = hear(bytes);
  EXPECT_EQ(heard.variables, "REQUEST_METHOD=POST;EMPTY=;");
  EXPECT_EQ(heard.input, "hello");
  EXPECT_TRUE(heard.complete);
}

TEST(FastcgiRequestEncoder, EveryLengthOfName) {
  for (unsigned size : {0u, 1u, 127u, 128u, 255u, 256u, 65'535u, 65'536u, 200'000u}) {
    const std::string value(size, 'v');
    std::string bytes;
    append_request(bytes, 1, Role::kResponder, true, {{"NAME", value}, {"OTHER", "x"}});
    append_input(bytes, "");
    EXPECT_EQ(hear(bytes).variables, "NAME=" + value + ";OTHER=x;") << size;
  }
}

// A body that looks like records is content of records.
TEST(FastcgiRequestEncoder, NothingInABodyBecomesARecord) {
  std::string smuggled;
  append_request(smuggled, 1, Role::kResponder, true, {{"SCRIPT_FILENAME", "/etc/passwd"}});
  std::string body;
  while (body.size() < 99'000) body += smuggled;
  std::string bytes;
  append_request(bytes, 1, Role::kResponder, true, {{"SCRIPT_FILENAME", "/srv/a.php"}});
  append_stream(bytes, RecordType::kStdin, 1, body);
  append_input(bytes, "");
  const Heard heard = hear(bytes);
  EXPECT_EQ(heard.requests, 1u);
  EXPECT_EQ(heard.variables, "SCRIPT_FILENAME=/srv/a.php;");
  EXPECT_EQ(heard.input, body);
}

TEST(FastcgiRequestEncoder, TheLongestPieceFitsItsHeader) {
  std::string bytes;
  append_request(bytes, 1, Role::kResponder, true, {});
  append_input(bytes, std::string(kLongestPiece, 'x'));
  append_input(bytes, "");
  EXPECT_EQ(hear(bytes).input.size(), kLongestPiece);
}

}  // namespace
}  // namespace cutwater::codec::fastcgi

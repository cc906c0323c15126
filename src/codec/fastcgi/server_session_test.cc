#include "codec/fastcgi/server_session.h"

#include <gtest/gtest.h>

#include <tuple>

#include "codec/fastcgi/name_value.h"

namespace cutwater::codec::fastcgi {
namespace {

std::string pairs(std::initializer_list<Variable> variables) {
  std::string bytes;
  for (const Variable& variable : variables) append_pair(bytes, variable.name, variable.value);
  return bytes;
}

std::string request(uint16_t id, std::string_view params, std::string_view body, bool keep = true,
                    Role role = Role::kResponder) {
  std::string bytes;
  append_begin_request(bytes, id, role, keep);
  append_stream(bytes, RecordType::kParams, id, params);
  append_record(bytes, RecordType::kParams, id, {});
  append_stream(bytes, RecordType::kStdin, id, body);
  append_record(bytes, RecordType::kStdin, id, {});
  return bytes;
}

std::string record(uint8_t version, uint8_t type, uint16_t id, std::string_view content, uint8_t padding = 0) {
  std::string bytes{static_cast<char>(version),
                    static_cast<char>(type),
                    static_cast<char>(id >> 8),
                    static_cast<char>(id & 0xff),
                    static_cast<char>(content.size() >> 8),
                    static_cast<char>(content.size() & 0xff),
                    static_cast<char>(padding),
                    0};
  bytes += content;
  bytes.append(padding, 'p');
  return bytes;
}

// Plays `bytes` in pieces of `step` and writes down what came, one word an event; bodies are put together.
class Player {
 public:
  explicit Player(const SessionLimits& limits = {}) : session(limits) {}

  std::string play(std::string_view bytes, size_t step = 1 << 30) {
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, step);
      bytes.remove_prefix(piece.size());
      buffer_ += piece;
      if (!take()) break;
    }
    return log;
  }

  ServerSession session;
  std::string log;
  std::string replies;
  std::map<uint16_t, std::string> bodies;

 private:
  bool take() {
    for (;;) {
      const ServerSession::Event event = session.next(buffer_, replies);
      note(event);
      buffer_.erase(0, event.consumed);
      if (event.kind == ServerSession::Event::kMalformed) return false;
      if (event.kind == ServerSession::Event::kNeedMore) return true;
    }
  }
  void note(const ServerSession::Event& event) {
    using Event = ServerSession::Event;
    const std::string id = std::to_string(event.request_id) + " ";
    if (event.kind == Event::kRequest) {
      log += "request" + id;
      for (const Variable& variable : session.variables(event.request_id))
        log += std::string(variable.name) + "=" + std::string(variable.value) + " ";
    }
    if (event.kind == Event::kStdin || event.kind == Event::kData) bodies[event.request_id] += event.piece;
    if (event.kind == Event::kStdinEnd) log += "end" + id;
    if (event.kind == Event::kDataEnd) log += "data-end" + id;
    if (event.kind == Event::kAbort) log += "abort" + id;
    if (event.kind == Event::kTurnedAway) log += "turned-away" + id;
    if (event.kind == Event::kMisordered) log += "misordered" + id;
    if (event.kind == Event::kRefused) {
      log += (event.over_limit ? "over-limit" : "refused") + id;
      session.end_request(event.request_id);
    }
    if (event.kind == Event::kMalformed) log += std::string("malformed: ") + event.reason;
  }
  std::string buffer_;
};

TEST(ServerSessionTest, OneRequestInPiecesOfAnySize) {
  const std::string body(200'000, 'b');
  const std::string bytes = request(1, pairs({{"A", "1"}, {"LONG", std::string(300, 'x')}, {"", ""}}), body);
  const std::string expected = "request1 A=1 LONG=" + std::string(300, 'x') + " = end1 ";
  for (size_t step : {size_t{1}, size_t{3}, size_t{7}, size_t{8}, size_t{1000}, bytes.size()}) {
    Player player;
    EXPECT_EQ(player.play(bytes, step), expected) << step;
    EXPECT_EQ(player.bodies[1], body);
    EXPECT_TRUE(player.replies.empty());
    EXPECT_TRUE(player.session.keeps_connection(1));
  }
}

TEST(ServerSessionTest, RequestsShareTheConnection) {
  std::string bytes;
  append_begin_request(bytes, 1, Role::kResponder, true);
  append_begin_request(bytes, 300, Role::kFilter, true);
  const std::string first = pairs({{"N", "one"}});
  const std::string second = pairs({{"N", "two"}});
  for (size_t at = 0; at < first.size(); ++at) {  // one byte a record, in turns
    append_record(bytes, RecordType::kParams, 1, std::string_view(first).substr(at, 1));
    append_record(bytes, RecordType::kParams, 300, std::string_view(second).substr(at, 1));
  }
  append_record(bytes, RecordType::kParams, 300, {});
  append_record(bytes, RecordType::kStdin, 300, "in");
  append_record(bytes, RecordType::kParams, 1, {});
  append_record(bytes, RecordType::kStdin, 300, {});
  append_record(bytes, RecordType::kData, 300, "-file");
  append_record(bytes, RecordType::kStdin, 1, {});
  append_record(bytes, RecordType::kData, 300, {});
  Player player;
  EXPECT_EQ(player.play(bytes), "request300 N=two request1 N=one end300 end1 data-end300 ");
  EXPECT_EQ(player.bodies[300], "in-file");
  EXPECT_EQ(player.session.running(), 2u);
  player.session.end_request(1);
  player.log.clear();
  EXPECT_EQ(player.play(request(1, pairs({{"N", "again"}}), "")), "request1 N=again end1 ");
}

TEST(ServerSessionTest, PaddingMeansNothing) {
  const std::string params = pairs({{"A", "1"}});
  std::string bytes = record(1, 1, 5, std::string_view("\0\1\1\0\0\0\0\0", 8), 255) + record(1, 4, 5, params, 255) +
                      record(1, 4, 5, "", 255) + record(1, 5, 5, std::string(65535, 'z'), 255) + record(1, 5, 5, "", 1);
  for (size_t step : {size_t{1}, bytes.size()}) {
    Player player;
    EXPECT_EQ(player.play(bytes, step), "request5 A=1 end5 ");
    EXPECT_EQ(player.bodies[5], std::string(65535, 'z'));
  }
}

TEST(ServerSessionTest, Abort) {
  std::string bytes;
  append_begin_request(bytes, 1, Role::kResponder, true);
  append_record(bytes, RecordType::kAbortRequest, 1, {});
  append_record(bytes, RecordType::kAbortRequest, 1, {});
  append_record(bytes, RecordType::kAbortRequest, 9, {});
  Player player;
  EXPECT_EQ(player.play(bytes), "");
  std::string ended;
  append_end_request(ended, 1, {});
  EXPECT_EQ(player.replies, ended);
  EXPECT_EQ(player.session.running(), 0u);

  std::string later = request(2, pairs({{"A", "1"}}), "");
  append_record(later, RecordType::kAbortRequest, 2, {});
  append_record(later, RecordType::kAbortRequest, 2, {});
  append_record(later, RecordType::kStdin, 2, "late");
  EXPECT_EQ(player.play(later), "request2 A=1 end2 abort2 ");
  EXPECT_TRUE(player.bodies[2].empty());
}

TEST(ServerSessionTest, AnAuthorizerHasNoBody) {
  Player player;
  EXPECT_EQ(player.play(request(1, pairs({{"A", "1"}}), "ignored", true, Role::kAuthorizer)), "request1 A=1 ");
  EXPECT_EQ(player.session.role(1), Role::kAuthorizer);
}

TEST(ServerSessionTest, ValuesAreTold) {
  SessionLimits limits;
  limits.requests = 8;
  limits.connections = 100;
  Player player(limits);
  const std::string asked =
      pairs({{"FCGI_MAX_CONNS", ""}, {"FCGI_NONE", ""}, {"FCGI_MAX_REQS", ""}, {"FCGI_MPXS_CONNS", ""}});
  EXPECT_EQ(player.play(record(1, 9, 0, asked, 3), 1), "");
  std::string answer;
  append_record(answer, RecordType::kGetValuesResult, 0,
                pairs({{"FCGI_MAX_CONNS", "100"}, {"FCGI_MAX_REQS", "8"}, {"FCGI_MPXS_CONNS", "1"}}));
  EXPECT_EQ(player.replies, answer);
}

TEST(ServerSessionTest, WhatWeDoNotKnowIsSaid) {
  for (const uint8_t type : std::initializer_list<uint8_t>{0, 3, 6, 11, 255}) {
    for (const uint16_t id : std::initializer_list<uint16_t>{0, 7}) {
      Player player;
      EXPECT_EQ(player.play(record(1, type, id, "content", 5) + request(1, "", "")), "request1 end1 ");
      std::string answer;
      append_unknown_type(answer, type);
      EXPECT_EQ(player.replies, answer);
    }
  }
}

TEST(ServerSessionTest, RefusedRequests) {
  SessionLimits one;
  one.requests = 1;
  Player player(one);
  std::string bytes = request(1, "", "");
  append_begin_request(bytes, 2, Role::kResponder, true);
  append_record(bytes, RecordType::kParams, 2, pairs({{"A", "1"}}));  // of nobody: ignored
  append_begin_request(bytes, 3, static_cast<Role>(4), false);
  EXPECT_EQ(player.play(bytes), "request1 end1 turned-away2 turned-away3 ");
  std::string answer;
  append_end_request(answer, 2, {0, ProtocolStatus::kCannotMultiplex});
  append_end_request(answer, 3, {0, ProtocolStatus::kUnknownRole});
  EXPECT_EQ(player.replies, answer);
  EXPECT_TRUE(player.session.wants_close());
}

TEST(ServerSessionTest, MalformedEndsTheConnection) {
  const std::string begin = record(1, 1, 1, std::string_view("\0\1\1\0\0\0\0\0", 8));
  SessionLimits small;
  small.variables = {100, 3};
  const std::string huge_length("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  const std::pair<const char*, std::string> cases[] = {
      {"version", record(2, 1, 1, std::string(8, '\0'))},
      {"application record without an id", record(1, 1, 0, std::string(8, '\0'))},
      {"management record with an id", record(1, 9, 1, "")},
      {"short BEGIN", record(1, 1, 1, "1234567")},
      {"second BEGIN", begin + begin},
      {"lengths of 2^31", begin + record(1, 4, 1, huge_length) + record(1, 4, 1, "")},
      {"four-byte length past the end", begin + record(1, 4, 1, "\x80") + record(1, 4, 1, "")},
      {"value past the end", begin + record(1, 4, 1, std::string_view("\1\2ab", 4)) + record(1, 4, 1, "")},
      {"GET_VALUES too long", record(1, 9, 0, std::string(8193, 'x'))},
  };
  for (const auto& [name, bytes] : cases) {
    for (size_t step : {size_t{1}, bytes.size()}) {
      Player player(small);
      EXPECT_NE(player.play(bytes, step).find("malformed: "), std::string::npos) << name << ": " << player.log;
      std::string replies;
      EXPECT_EQ(player.session.next("", replies).kind, ServerSession::Event::kMalformed);
    }
  }
}

// What still comes with the id is of nobody then, and the id may be used again.
TEST(ServerSessionTest, TooManyVariablesEndOneRequest) {
  SessionLimits small;
  small.variables = {100, 3};
  std::string begin;
  append_begin_request(begin, 1, Role::kResponder, true);
  for (const std::string& params : {std::string(8, '\0'), std::string(101, 'x'), std::string(5000, 'x')}) {
    std::string bytes = begin;
    append_begin_request(bytes, 2, Role::kResponder, true);
    append_stream(bytes, RecordType::kParams, 1, params);
    bytes += record(1, 4, 1, "") + record(1, 5, 1, "x") + record(1, 5, 1, "") + record(1, 4, 2, "") +
             record(1, 5, 2, "") + request(1, pairs({{"A", "1"}}), "again");
    for (size_t step : {size_t{1}, bytes.size()}) {
      Player player(small);
      EXPECT_EQ(player.play(bytes, step), "over-limit1 request2 end2 request1 A=1 end1 ");
      EXPECT_EQ(player.bodies[1], "again");
    }
  }
}

TEST(ServerSessionTest, RecordsOutOfOrderEndOneRequest) {
  const auto begin = [](uint16_t id, Role role) {
    std::string bytes;
    append_begin_request(bytes, id, role, true);
    return bytes;
  };
  const std::string other = request(2, pairs({{"A", "1"}}), "");
  const std::string responder = begin(1, Role::kResponder);
  const std::string filter = begin(1, Role::kFilter);
  const std::string no_params = record(1, 4, 1, "");
  const std::tuple<const char*, std::string, std::string> cases[] = {
      {"STDIN before the end of PARAMS", responder + record(1, 5, 1, "x"), "refused1 "},
      {"its end", responder + record(1, 5, 1, ""), "refused1 "},
      {"DATA before the end of PARAMS", filter + record(1, 8, 1, "x"), "refused1 "},
      {"DATA for a responder", responder + no_params + record(1, 8, 1, "x"), "request1 misordered1 "},
      {"its end", responder + no_params + record(1, 8, 1, ""), "request1 misordered1 "},
      {"DATA before the end of STDIN", filter + no_params + record(1, 8, 1, "x"), "request1 misordered1 "},
      {"STDIN behind its end", filter + no_params + record(1, 5, 1, "") + record(1, 5, 1, "x"),
       "request1 end1 misordered1 "},
      {"PARAMS behind their end", responder + no_params + record(1, 4, 1, "x"), "request1 misordered1 "},
      {"the end of PARAMS twice", responder + no_params + no_params, "request1 misordered1 "},
  };
  for (const auto& [name, bytes, expected] : cases) {
    const std::string all = bytes + no_params + record(1, 5, 1, "late") + record(1, 8, 1, "") + other;
    for (size_t step : {size_t{1}, all.size()}) {
      Player player;
      EXPECT_EQ(player.play(all, step), expected + "request2 A=1 end2 ") << name;
      EXPECT_TRUE(player.bodies[1].empty()) << name;
    }
  }
}

TEST(ServerSessionTest, AHeadMayBeRefusedFromOutside) {
  Player player;
  std::string begin;
  append_begin_request(begin, 1, Role::kResponder, true);
  player.play(begin + record(1, 4, 1, std::string_view("\1\1", 2)));
  EXPECT_EQ(player.session.unfinished_heads(), std::vector<uint16_t>{1});
  player.session.refuse_head(1);
  EXPECT_TRUE(player.session.unfinished_heads().empty());
  EXPECT_EQ(player.play(record(1, 4, 1, "ab") + record(1, 4, 1, "")), "");
  EXPECT_TRUE(player.session.variables(1).empty());
}

TEST(ServerSessionTest, AMillionEmptyPairs) {
  std::string bytes = record(1, 1, 1, std::string_view("\0\1\1\0\0\0\0\0", 8));
  for (int count = 0; count < 40; ++count) bytes += record(1, 4, 1, std::string(50'000, '\0'));
  SessionLimits many_bytes;
  many_bytes.variables.bytes = 4'000'000;
  for (const SessionLimits& limits : {SessionLimits(), many_bytes}) {
    Player player(limits);
    EXPECT_EQ(player.play(bytes + record(1, 4, 1, ""), 65536), "over-limit1 ");
  }
}

}  // namespace
}  // namespace cutwater::codec::fastcgi

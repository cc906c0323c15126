#include "codec/http1/response_parser.h"

#include <gtest/gtest.h>

#include "codec/http1/response_replay.h"

namespace cutwater::codec::http1 {
namespace {

struct Case {
  std::string_view bytes;
  std::string_view expected;
  std::string_view method = "GET";
};

// Whole, byte by byte and cut at every offset.
void expect_everyhow(const Case& tried) {
  const size_t size = tried.bytes.size();
  const std::string whole = replay_response(tried.bytes, tried.method, size, 1);
  EXPECT_EQ(whole, tried.expected) << tried.bytes;
  EXPECT_EQ(replay_response(tried.bytes, tried.method, 1, 1), whole) << tried.bytes;
  for (size_t cut = 0; cut < size; ++cut) {
    ASSERT_EQ(replay_response(tried.bytes, tried.method, cut, size), whole) << tried.bytes << "\ncut at " << cut;
  }
}

TEST(ResponseParser, Answers) {
  const Case kCases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello", "200 OK length keep 5 A=b: hello"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2;x=y\r\n, \r\n0\r\nT: 1\r\n\r\n",
       "200 OK chunked keep: hello, "},
      {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "200 OK until-close close: until the end"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "200 OK none close 0: "},
      {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 OK length close 1: x"},
      {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\nx", "200 OK length keep 1: x"},
      {"HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", "404  none keep 0: "},
      {"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", "404  none keep 0: "},
      {"HTTP/1.1 299 caf\xe9\r\nContent-Length: 0\r\n\r\n", "299 caf\xe9 none keep 0: "},
      {"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", "204 No Content none keep X=y: "},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: \"a\"\r\n\r\n",
       "304 Not Modified none keep ETag=\"a\": "},
      {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "200 OK none keep 10: ", "HEAD"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 OK none keep: ", "HEAD"},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
       "1\r\n\r\nx",
       "100 Continue none keep: 103 Early Hints none keep Link=</a>: 200 OK length keep 1: x"},
  };
  for (const Case& tried : kCases) expect_everyhow(tried);
}

TEST(ResponseParser, WhatBelongsToTheConnectionIsGone) {
  expect_everyhow(
      {"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop, Set-Cookie\r\nKeep-Alive: timeout=5\r\nX-Hop: "
       "1\r\nUpgrade: h2c\r\nTrailer: T\r\nProxy-Connection: close\r\nTE: x\r\nX-Stays: "
       "2\r\nContent-Length: 0\r\n\r\n",
       "200 OK none keep 0 X-Stays=2: "});
  // Framing and security fields cannot be named away.
  expect_everyhow(
      {"HTTP/1.1 200 OK\r\nConnection: Content-Length, Content-Type\r\nContent-Type: a\r\nContent-Length: "
       "1\r\n\r\nx",
       "200 OK length keep 1 Content-Type=a: x"});
}

TEST(ResponseParser, TheProtocolIsTakenFromOneField) {
  const auto protocol_in = [](std::string_view head) {
    ParsedResponse parsed;
    EXPECT_EQ(parse_response_head(head, "GET", ResponseLimits{}, parsed), nullptr) << head;
    return std::string(parsed.response.upgrade);
  };
  EXPECT_EQ(protocol_in("HTTP/1.1 101 Switching\r\nUpgrade: a/1\r\nConnection: x, UPGRADE\r\n\r\n"), "a/1");
  EXPECT_EQ(protocol_in("HTTP/1.1 101 Switching\r\nUpgrade: a/1\r\n\r\n"), "");
  EXPECT_EQ(protocol_in("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: a\r\nupgrade: b\r\n\r\n"), "");
  EXPECT_EQ(protocol_in("HTTP/1.1 101 Switching\r\nUpgrade: a\r\nUpgrade: b\r\nUpgrade: c\r\n\r\n"), "");
  EXPECT_EQ(protocol_in("HTTP/1.1 101 Switching\r\n\r\n"), "");
}

TEST(ResponseParser, NoStatusLine) {
  for (std::string_view bytes :
       {"<html>old</html>", "\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/0.9 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n", "Status: 200\r\n\r\n", "\x16\x03\x01", "SSH-2.0-x\r\n"}) {
    EXPECT_TRUE(replay_response(bytes, "GET", 0, 1).starts_with("refused: ")) << bytes;
    expect_everyhow({bytes, replay_response(bytes, "GET", 0, 1)});
  }
  for (std::string_view line :
       {"HTTP/1.1 2000 OK", "HTTP/1.1 99 OK", "HTTP/1.1 abc OK", "HTTP/1.1  200 OK", "HTTP/1.1200 OK", "HTTP/1.1 20",
        "HTTP/1.1 -20 OK", "HTTP/1.x 200 OK", "HTTP/1.1 000 A", "HTTP/1.1 200\tOK", "HTTP/1.1"}) {
    const std::string bytes = std::string(line) + "\r\nContent-Length: 0\r\n\r\n";
    const std::string outcome = replay_response(bytes, "GET", bytes.size(), 1);
    EXPECT_TRUE(outcome.starts_with("refused: ")) << line;
    expect_everyhow({bytes, outcome});
  }
}

TEST(ResponseParser, RefusedHeads) {
  for (const std::string_view fields :
       std::initializer_list<std::string_view>{"no colon",
                                               "A b: c",
                                               "A : b",
                                               ": b",
                                               " folded: x",
                                               "A: b\r\n folded",
                                               std::string_view("A: b\0c", 6),
                                               std::string_view("A: b\rc", 6),
                                               "A: b\nB: c",
                                               "A\x01: b",
                                               "Content-Length: -1",
                                               "Content-Length: 1x",
                                               "Content-Length: ",
                                               "Content-Length: 1, 1",
                                               "Content-Length: 99999999999999999999",
                                               "Content-Length: 1\r\nContent-Length: 1",
                                               "Content-Length: 1\r\nContent-Length: 2",
                                               "Content-Length: 1\r\nTransfer-Encoding: chunked",
                                               "Transfer-Encoding: chunked\r\nContent-Length: 1",
                                               "Transfer-Encoding: gzip, chunked",
                                               "Transfer-Encoding: identity",
                                               "Transfer-Encoding: xchunked",
                                               "Transfer-Encoding: chunked, chunked",
                                               "Transfer-Encoding:",
                                               "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"}) {
    const std::string bytes = "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n\r\nx";
    const std::string outcome = replay_response(bytes, "GET", bytes.size(), 1);
    EXPECT_TRUE(outcome.starts_with("refused: ")) << fields << " gave " << outcome;
    expect_everyhow({bytes, outcome});
  }
  expect_everyhow(
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "refused: Transfer-Encoding in HTTP/1.0"});
  expect_everyhow(
      {"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", "refused: a body announced with an interim answer"});
}

TEST(ResponseParser, Limits) {
  const std::string start = "HTTP/1.1 200 OK\r\n";
  const ResponseLimits limits;
  EXPECT_TRUE(replay_response(start + "A: " + std::string(limits.line, 'x') + "\r\n\r\n", "GET", 0, 7)
                  .starts_with("refused: header field too large"));
  EXPECT_TRUE(replay_response(start + "A: " + std::string(limits.line, 'x'), "GET", 0, 7)
                  .starts_with("refused: header field too large"));
  std::string many = start;
  for (size_t i = 0; i <= limits.fields; ++i) many += "A: b\r\n";
  EXPECT_EQ(replay_response(many + "\r\n", "GET", many.size(), 1), "refused: too many header fields");
  std::string large = start;
  while (large.size() <= limits.total) large += "A: " + std::string(limits.line / 2, 'x') + "\r\n";
  EXPECT_EQ(replay_response(large + "\r\n", "GET", 0, 4096), "refused: header fields too large");
  const ResponseLimits small{.line = 20, .total = 40, .fields = 10};
  const std::string both_limits = start + "A: 34567890\r\nA: 345678901234567890\r\n";
  for (const size_t size : {size_t{1}, size_t{7}, both_limits.size()}) {
    EXPECT_EQ(replay_response(both_limits, "GET", 0, size, small), "refused: header fields too large") << size;
  }
}

TEST(ResponseParser, BodiesThatEndTooEarly) {
  expect_everyhow({"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "200 OK length keep 6: hello cut"});
  expect_everyhow(
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "200 OK chunked keep: hello cut"});
  expect_everyhow(
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "200 OK chunked keep: hello cut"});
  expect_everyhow({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
                   "200 OK chunked keep: hello broken"});
  expect_everyhow({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "200 OK chunked keep:  broken"});
  expect_everyhow({"HTTP/1.1 200 OK\r\nContent-Len", "incomplete"});
  expect_everyhow({"", "incomplete"});
}

TEST(ResponseParser, BytesBehindTheAnswerAreNotItsOwn) {
  constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
  ResponseReplay replay("GET");
  replay.feed(std::string(kAnswer) + "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(replay.consumed(), kAnswer.size());
  EXPECT_EQ(replay.end(), "200 OK length keep 2: hi +extra");
  ResponseReplay with_no_body("GET");
  with_no_body.feed("HTTP/1.1 204 No Content\r\n\r\nbody");
  EXPECT_EQ(with_no_body.end(), "204 No Content none keep:  +extra");
  ResponseReplay announced("GET");
  announced.feed("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(announced.end(), "204 No Content none close: ");
}

TEST(ResponseParser, ByteByByteStreamsAreNoAttack) {
  std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string body;
  for (int i = 0; i < 100'000; ++i) {
    bytes += "1\r\nx\r\n";
    body += 'x';
  }
  bytes += "0\r\n\r\n";
  EXPECT_EQ(replay_response(bytes, "GET", bytes.size(), 1), "200 OK chunked keep: " + body);
}

}  // namespace
}  // namespace cutwater::codec::http1

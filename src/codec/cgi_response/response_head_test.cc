// faults.md 104, 105, 116b.
#include "codec/cgi_response/response_head.h"

#include <gtest/gtest.h>

#include <string>

namespace cutwater::codec {
namespace {

using Outcome = CgiHeadScanner::Outcome;

// "status reason [length] name=value ...", or "!" and why it was refused.
std::string read(std::string_view bytes, size_t step = SIZE_MAX, const ResponseLimits& limits = {}) {
  CgiHeadScanner scanner(limits);
  size_t given = 0;
  while (given < bytes.size()) {
    given = step > bytes.size() - given ? bytes.size() : given + step;
    const Outcome outcome = scanner.scan(bytes.substr(0, given));
    if (outcome == Outcome::kRefused) return std::string("!") + scanner.reason;
    if (outcome == Outcome::kComplete) break;
  }
  if (scanner.head_length == 0) return "incomplete";
  CgiResponse parsed;
  const char* error = parse_cgi_head(bytes.substr(0, scanner.head_length), limits, parsed);
  if (error) return std::string("!") + error;
  std::string text = std::to_string(parsed.response.status);
  if (!parsed.response.reason.empty()) text.append(" ").append(parsed.response.reason);
  if (parsed.response.content_length) text += " [" + std::to_string(*parsed.response.content_length) + "]";
  for (const auto& field : parsed.response.headers) text.append(" ").append(field.name).append("=").append(field.value);
  if (!parsed.local_redirect.empty()) text.append(" inside ").append(parsed.local_redirect);
  return text + " +" + std::string(bytes.substr(scanner.head_length));
}

// However the bytes are cut.
std::string read_any_way(std::string_view bytes, const ResponseLimits& limits = {}) {
  const std::string whole = read(bytes, SIZE_MAX, limits);
  EXPECT_EQ(read(bytes, 1, limits), whole) << bytes;
  EXPECT_EQ(read(bytes, 7, limits), whole) << bytes;
  return whole;
}

TEST(CgiResponseHead, TheFourKinds) {
  EXPECT_EQ(read_any_way("Content-Type: text/plain\r\n\r\nbody"), "200 Content-Type=text/plain +body");
  EXPECT_EQ(read_any_way("Location: http://a/b\r\n\r\n"), "302 Location=http://a/b +");
  EXPECT_EQ(read_any_way("Location: /other?x=1\n\n"), "302 Location=/other?x=1 inside /other?x=1 +");
  EXPECT_EQ(read_any_way("Status: 301 Moved\nLocation: /x\nContent-Type: text/html\n\nhere"),
            "301 Moved Location=/x Content-Type=text/html +here");
}

TEST(CgiResponseHead, WhatLooksLikeAPathOfOursIsSoAloneOnly) {
  EXPECT_EQ(read_any_way("Location: /x\nStatus: 302\n\n"), "302 Location=/x +");
  EXPECT_EQ(read_any_way("Location: /x\nContent-Type: text/html\n\n"), "302 Location=/x Content-Type=text/html +");
  EXPECT_EQ(read_any_way("Location: //elsewhere/x\n\n"), "302 Location=//elsewhere/x +");
}

TEST(CgiResponseHead, LineEndsOfEitherKindAndNoFieldsAtAll) {
  EXPECT_EQ(read_any_way("A: b\nC: d\r\n\nx"), "200 A=b C=d +x");
  EXPECT_EQ(read_any_way("\nbody"), "200 +body");
  EXPECT_EQ(read_any_way("\r\n"), "200 +");
}

TEST(CgiResponseHead, StatusAndLength) {
  EXPECT_EQ(read_any_way("status:404\n\n"), "404 +");
  EXPECT_EQ(read_any_way("Status: 599 So what\nContent-Length: 5\n\n"), "599 So what [5] +");
  EXPECT_EQ(read_any_way("Status: 204\nContent-Length: 5\n\n"), "204 +");
  EXPECT_EQ(read_any_way("X: caf\xc3\xa9\n\n"), "200 X=caf\xc3\xa9 +");
}

TEST(CgiResponseHead, WhatIsTheConnectionsIsDropped) {
  EXPECT_EQ(read_any_way("Connection: close\nKeep-Alive: x\nUpgrade: h2c\nTE: x\nTrailer: x\nA: b\n\n"), "200 A=b +");
}

TEST(CgiResponseHead, Refused) {
  for (std::string_view bytes : {
           std::string_view("Status: 2000\n\n"),
           std::string_view("Status: 99\n\n"),
           std::string_view("Status: abc\n\n"),
           std::string_view("Status: 100 Continue\n\n"),
           std::string_view("Status: 101\n\n"),
           std::string_view("Status:\n\n"),
           std::string_view("Status: 200\nStatus: 200\n\n"),
           std::string_view("Status: 200OK\n\n"),
           std::string_view("HTTP/1.1 200 OK\r\nA: b\r\n\r\n"),
           std::string_view("<html>\n\n"),
           std::string_view("no colon\n\n"),
           std::string_view(": empty\n\n"),
           std::string_view("A : b\n\n"),
           std::string_view("A: b\n c\n\n"),
           std::string_view("A: b\n\tc: d\n\n"),
           std::string_view("A: b\0c\n\n", 8),
           std::string_view("A: b\rc\n\n"),
           std::string_view("A: \x1b[0m\n\n"),
           std::string_view("A\xff: b\n\n"),
           std::string_view("Status: 200\rX: y\n\n"),
           std::string_view("Content-Length: -1\n\n"),
           std::string_view("Content-Length: 5, 5\n\n"),
           std::string_view("Content-Length: 5\nContent-Length: 5\n\n"),
           std::string_view("Content-Length: 99999999999999999999\n\n"),
           std::string_view("Transfer-Encoding: chunked\n\n"),
           std::string_view("\x1f\x8b\x08"),
       }) {
    EXPECT_TRUE(read_any_way(bytes).starts_with("!")) << bytes;
  }
}

TEST(CgiResponseHead, Limits) {
  const ResponseLimits small{.line = 10, .total = 40, .fields = 3};
  EXPECT_EQ(read_any_way("A: 3456789\n\n", small), "200 A=3456789 +");
  EXPECT_EQ(read_any_way("A: 34567890\n\n", small), "!header field too large");
  EXPECT_EQ(read_any_way("A: 345678901234567890123456789", small), "!header field too large");
  EXPECT_EQ(read_any_way("A: b\nA: b\nA: b\n\n", small), "200 A=b A=b A=b +");
  EXPECT_EQ(read_any_way("A: b\nA: b\nA: b\nA: b\n\n", small), "!too many header fields");
  const ResponseLimits many{.line = 10, .total = 40, .fields = 100};
  std::string long_one;
  for (int i = 0; i < 20; ++i) long_one += "A: b\n";
  EXPECT_EQ(read_any_way(long_one + "\n", many), "!header fields too large");
  const std::string_view both_limits = "A: 345678\nA: 345678\nA: 345678\nA: b\nA: 345678901\n";
  EXPECT_EQ(read_any_way(both_limits, many), "!header fields too large");
}

TEST(CgiResponseHead, Incomplete) {
  for (std::string_view bytes : {"", "A", "A: b", "A: b\r", "A: b\r\n", "A: b\n\r", "\r"}) {
    EXPECT_EQ(read_any_way(bytes), "incomplete") << bytes;
  }
}

}  // namespace
}  // namespace cutwater::codec

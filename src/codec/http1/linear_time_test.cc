// Heads and bodies made to be dear (faults.md 41, 42): twice the bytes take at most twice the time, whatever they are
// and however they arrive.
#include <gtest/gtest.h>

#include <string>

#include "base/linear_time_test_support.h"
#include "codec/http1/connection_replay.h"

namespace cutwater::codec::http1 {
namespace {

constexpr std::string_view kBegin = "GET / HTTP/1.1\r\nHost: a\r\n";

std::string repeated(std::string_view text, size_t count) {
  std::string all;
  all.reserve(text.size() * count);
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

HeadLimits no_limits() {
  HeadLimits limits;
  limits.request_line = limits.field = limits.total = limits.fields = SIZE_MAX;
  return limits;
}

// Scanned as it arrives, in pieces of `piece` bytes, then parsed.
void read_head(const std::string& bytes, size_t piece) {
  HeadScanner scanner(no_limits());
  size_t fed = 0;
  auto outcome = HeadScanner::Outcome::kIncomplete;
  while (outcome == HeadScanner::Outcome::kIncomplete && fed < bytes.size()) {
    fed = std::min(fed + piece, bytes.size());
    outcome = scanner.scan(std::string_view(bytes).substr(0, fed));
  }
  if (outcome != HeadScanner::Outcome::kComplete) return;
  message::Request request;
  std::string decoded;
  parse_request_head(bytes, no_limits(), request, decoded);
}

struct Case {
  const char* name;
  size_t size;
  std::string (*make)(size_t size);
};

constexpr Case kHeads[] = {
    {"a long value, then a control byte", 60'000,
     [](size_t n) { return std::string(kBegin) + "X: " + std::string(n, 'x') + "\x10\r\n\r\n"; }},
    {"semicolons in Cookie", 100'000,
     [](size_t n) { return std::string(kBegin) + "Cookie: " + std::string(n, ';') + "\r\n\r\n"; }},
    {"many cookies", 20'000, [](size_t n) { return std::string(kBegin) + repeated("Cookie: a=b\r\n", n) + "\r\n"; }},
    {"one field again and again", 100'000,
     [](size_t n) { return std::string(kBegin) + repeated("X: 1\r\n", n) + "\r\n"; }},
    {"one field again and again, without an end", 100'000,
     [](size_t n) { return std::string(kBegin) + repeated("X: 1\r\n", n); }},
    {"commas in Connection", 100'000,
     [](size_t n) { return std::string(kBegin) + "Connection: " + std::string(n, ',') + "\r\n\r\n"; }},
    {"commas in Transfer-Encoding", 100'000,
     [](size_t n) { return std::string(kBegin) + "Transfer-Encoding: gzip" + std::string(n, ',') + "\r\n\r\n"; }},
    {"blanks before a value", 100'000,
     [](size_t n) {
       return std::string(kBegin) + "X:" + std::string(n, ' ') + "1" + std::string(n, ' ') + "\r\n\r\n";
     }},
    {"one name, no colon", 60'000, [](size_t n) { return std::string(kBegin) + std::string(n, 'x') + "\r\n\r\n"; }},
    {"up and down in the path", 20'000,
     [](size_t n) { return "GET " + repeated("/a/..", n) + " HTTP/1.1\r\nHost: a\r\n\r\n"; }},
    {"down, then up", 20'000,
     [](size_t n) { return "GET " + repeated("/a", n) + repeated("/..", n) + " HTTP/1.1\r\nHost: a\r\n\r\n"; }},
    {"encoded slashes", 20'000, [](size_t n) { return "GET /" + repeated("%2f", n) + " HTTP/1.1\r\nHost: a\r\n\r\n"; }},
};

TEST(LinearTime, Heads) {
  for (const Case& head : kHeads) {
    for (size_t piece : {SIZE_MAX / 2, size_t{1460}, size_t{1}}) {
      auto read = [piece](const std::string& bytes) { read_head(bytes, piece); };
      EXPECT_LT(base::growth_when_doubled(head.size, head.make, read), base::kLinear)
          << head.name << ", in pieces of " << piece;
    }
  }
}

TEST(LinearTime, ABodyOfManyParts) {
  auto make = [](size_t parts) {
    const std::string body = repeated("--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n", parts);
    return std::string(kBegin) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  };
  auto play = [](const std::string& bytes) {
    ConnectionReplay replay(UINT64_MAX);
    for (size_t at = 0; at < bytes.size(); at += 65'536) replay.feed(std::string_view(bytes).substr(at, 65'536));
    if (replay.end().outcomes != std::vector<std::string>{"ok"}) ADD_FAILURE();
  };
  EXPECT_LT(base::growth_when_doubled(100'000, make, play), base::kLinear);
}

TEST(LinearTime, ABodyOfSmallChunks) {
  auto make = [](size_t chunks) { return repeated("10\r\n0123456789abcdef\r\n", chunks) + "0\r\n\r\n"; };
  auto decode = [](const std::string& bytes) {
    BodyDecoder decoder(message::BodyFraming::kChunked, 0, UINT64_MAX);
    std::string_view rest = bytes;
    auto outcome = BodyDecoder::Outcome::kPiece;
    while (outcome == BodyDecoder::Outcome::kPiece) {
      const BodyDecoder::Step step = decoder.decode(rest);
      outcome = step.outcome;
      rest.remove_prefix(step.consumed);
    }
    if (outcome != BodyDecoder::Outcome::kEnd) ADD_FAILURE();
  };
  EXPECT_LT(base::growth_when_doubled(50'000, make, decode), base::kLinear);
}

}  // namespace
}  // namespace cutwater::codec::http1

// What the corpus cannot say of scanner and parser: early refusal, reuse, lifetimes, time.
#include "codec/http1/request_parser.h"

#include <gtest/gtest.h>

#include <chrono>

namespace cutwater::codec::http1 {
namespace {

using Outcome = HeadScanner::Outcome;

constexpr std::string_view kSimple = "GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n";

// What of an offer to switch protocols reaches a handler.
std::string_view offer_in(std::string_view head, message::Request& request) {
  std::string decoded;
  EXPECT_EQ(parse_request_head(head, HeadLimits{}, request, decoded).status, 0) << head;
  return request.upgrade;
}

TEST(Trailers, AreTakenByWhoSaysSo) {
  const std::pair<std::string, bool> kCases[] = {{"TE: trailers", true},
                                                 {"te: gzip;q=0.5, Trailers", true},
                                                 {"TE: gzip", false},
                                                 {"TE: ", false},
                                                 {"X: trailers", false}};
  message::Request request;
  for (const auto& [field, takes] : kCases) {
    offer_in("GET /a HTTP/1.1\r\nHost: a\r\nConnection: TE\r\n" + field + "\r\n\r\n", request);
    EXPECT_EQ(request.takes_trailers, takes) << field;
    EXPECT_FALSE(request.headers.get("TE"));
  }
}

TEST(Upgrade, IsTakenOnlyWhereItMayBe) {
  const std::string start = "GET /a HTTP/1.1\r\nHost: a\r\n";
  const std::string named = "Connection: keep-alive, Upgrade\r\n";
  struct Case {
    std::string head;
    std::string_view offer;
  };
  for (const Case& one : {
           Case{start + named + "Upgrade: websocket\r\n\r\n", "websocket"},
           Case{start + named + "upgrade: foo/2, bar\r\nContent-Length: 0\r\n\r\n", "foo/2, bar"},
           Case{start + "Upgrade: websocket\r\n\r\n", ""},
           Case{start + named + "\r\n", ""},
           Case{start + named + "Upgrade: \r\n\r\n", ""},
           Case{start + named + "Upgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n", ""},
           Case{start + named + "Upgrade: websocket, H2C\r\n\r\n", ""},
           Case{start + named + "Upgrade: websocket\r\nUpgrade: h2c\r\n\r\n", ""},
           Case{start + named + "Upgrade: HTTP/2.0\r\n\r\n", ""},
           Case{start + named + "Upgrade: a b\r\n\r\n", ""},
           Case{start + named + "Upgrade: websocket\r\nContent-Length: 3\r\n\r\n", ""},
           Case{start + named + "Upgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n", ""},
           Case{"GET /a HTTP/1.0\r\nHost: a\r\n" + named + "Upgrade: websocket\r\n\r\n", ""},
       }) {
    message::Request request;
    EXPECT_EQ(offer_in(one.head, request), one.offer) << one.head;
    EXPECT_FALSE(request.headers.get("Upgrade")) << one.head;
    offer_in(kSimple, request);
    EXPECT_TRUE(request.upgrade.empty());
  }
}

// faults.md 37, mode "refuse".
TEST(RequestParser, RefusesNamesThatMayBeTakenForOthersWhereToldTo) {
  HeadLimits limits;
  message::Request request;
  std::string decoded;
  for (const char* name :
       {"X_Forwarded_For", "Content_Length", "Transfer_Encoding", "X.Real.IP", "Remote_User", "a!"}) {
    const std::string head = std::string("GET / HTTP/1.1\r\nHost: a\r\n") + name + ": 9\r\n\r\n";
    limits.only_plain_names = false;
    EXPECT_EQ(parse_request_head(head, limits, request, decoded).status, 0) << name;
    limits.only_plain_names = true;
    EXPECT_EQ(parse_request_head(head, limits, request, decoded).status, 400) << name;
  }
  EXPECT_EQ(parse_request_head("GET / HTTP/1.1\r\nHost: a\r\nx-2-Y: 9\r\n\r\n", limits, request, decoded).status, 0);
}

TEST(HeadScanner, CountsTheHeadOnly) {
  HeadScanner scanner{HeadLimits{}};
  std::string bytes = "\r\n" + std::string(kSimple) + "BODY";
  EXPECT_EQ(scanner.scan(bytes), Outcome::kComplete);
  EXPECT_EQ(scanner.head_length, kSimple.size() + 2);
  EXPECT_EQ(scanner.scan(bytes), Outcome::kComplete);
  scanner.reset();
  EXPECT_EQ(scanner.head_length, 0U);
  EXPECT_EQ(scanner.scan("GET"), Outcome::kIncomplete);
}

TEST(HeadScanner, RefusesAsSoonAsItCanKnow) {
  struct Case {
    std::string bytes;
    uint16_t status;
  };
  for (const Case& early :
       {Case{"\x16", 400}, Case{"GET / HTTP/1.1\n", 400}, Case{"GET / HTTP/2.0\r\n", 505}, Case{"GET /\r\n", 400},
        Case{"GET / HTTP/1.1\r\nX: \x01", 400}, Case{std::string(65, 'A'), 400},
        Case{"GET /" + std::string(16384, 'a'), 414}, Case{"GET / HTTP/1.1\r\nX: " + std::string(16384, 'a'), 431}}) {
    for (size_t fed = 1; fed < early.bytes.size(); ++fed) {
      HeadScanner scanner{HeadLimits{}};
      ASSERT_NE(scanner.scan(std::string_view(early.bytes).substr(0, fed)), Outcome::kComplete);
      if (early.bytes.size() > 100) break;
    }
    HeadScanner scanner{HeadLimits{}};
    EXPECT_EQ(scanner.scan(early.bytes), Outcome::kRefused) << early.bytes.substr(0, 40);
    EXPECT_EQ(scanner.status, early.status);
    EXPECT_STRNE(scanner.reason, "");
    EXPECT_EQ(scanner.scan(early.bytes + "\r\n\r\n"), Outcome::kRefused) << "a refusal stays";
  }
}

TEST(HeadScanner, ObeysItsLimits) {
  HeadLimits limits;
  limits.total = kSimple.size();
  HeadScanner fits(limits);
  EXPECT_EQ(fits.scan(kSimple), Outcome::kComplete);
  --limits.total;
  HeadScanner too_large(limits);
  EXPECT_EQ(too_large.scan(kSimple), Outcome::kRefused);
  EXPECT_EQ(too_large.status, 431);
  limits = HeadLimits{};
  limits.fields = 0;
  HeadScanner no_fields(limits);
  EXPECT_EQ(no_fields.scan(kSimple), Outcome::kRefused);
  EXPECT_EQ(no_fields.status, 431);
}

// Fed byte by byte, twice the bytes must not take four times as long: each call looks at the new bytes alone.
TEST(HeadScanner, IsLinearInTheBytesFed) {
  HeadLimits limits;
  limits.total = limits.field = SIZE_MAX;
  auto seconds_for = [&limits](size_t size) {
    std::string bytes = "GET / HTTP/1.1\r\nX: " + std::string(size, 'a');
    HeadScanner scanner(limits);
    auto begin = std::chrono::steady_clock::now();
    for (size_t fed = 1; fed <= bytes.size(); ++fed) {
      if (scanner.scan(std::string_view(bytes).substr(0, fed)) != Outcome::kIncomplete) ADD_FAILURE();
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  seconds_for(1000);
  double small = seconds_for(200'000);
  double large = seconds_for(2'000'000);
  EXPECT_LT(large, small * 40) << "ten times the bytes";
}

TEST(RequestParser, ReusesARequest) {
  message::Request request;
  std::string decoded;
  std::string_view first =
      "POST /%61/../b HTTP/1.1\r\nHost: EXAMPLE.com:81\r\nContent-Length: 5\r\nExpect: "
      "100-continue\r\nConnection: close\r\n\r\n";
  ASSERT_EQ(parse_request_head(first, {}, request, decoded).status, 0);
  EXPECT_EQ(request.path, "/b");
  EXPECT_EQ(request.authority, "example.com:81");
  EXPECT_TRUE(request.expects_continue);
  ASSERT_EQ(parse_request_head(kSimple, {}, request, decoded).status, 0);
  EXPECT_EQ(request.path, "/a");
  EXPECT_EQ(request.authority, "example.com");
  EXPECT_EQ(request.server_port, 0);
  EXPECT_EQ(request.framing, message::BodyFraming::kNone);
  EXPECT_EQ(request.content_length, 0U);
  EXPECT_FALSE(request.expects_continue);
  EXPECT_TRUE(request.wants_keep_alive);
  EXPECT_EQ(request.headers.size(), 1U);
}

TEST(RequestParser, DecodedViewsStayWhereTheyAre) {
  // The longest authority, behind a path that fills its storage exactly.
  for (size_t length = 1; length < 600; ++length) {
    std::string label = std::string(62, 'A') + ".";
    std::string head = "GET /%61" + std::string(length, 'b') + " HTTP/1.1\r\nHost: " + label + label + label + label +
                       "B.:65535\r\n\r\n";
    message::Request request;
    std::string decoded;
    ASSERT_EQ(parse_request_head(head, {}, request, decoded).status, 0);
    ASSERT_EQ(request.path, "/a" + std::string(length, 'b'));
    ASSERT_EQ(request.path.data(), decoded.data());
    ASSERT_EQ(request.server_port, 65535);
  }
}

TEST(RequestParser, PlainHeadsNeedNoStorage) {
  message::Request request;
  std::string decoded;
  ASSERT_EQ(parse_request_head(kSimple, {}, request, decoded).status, 0);
  EXPECT_TRUE(decoded.empty());
  EXPECT_GE(request.path.data(), kSimple.data());
  EXPECT_LT(request.path.data(), kSimple.data() + kSimple.size());
}

TEST(RequestParser, RefusesWhatIsNoCompleteHead) {
  message::Request request;
  std::string decoded;
  for (size_t length = 0; length < kSimple.size(); ++length) {
    EXPECT_NE(parse_request_head(kSimple.substr(0, length), {}, request, decoded).status, 0) << length;
  }
  EXPECT_EQ(parse_request_head(std::string(kSimple) + "x", {}, request, decoded).status, 400);
}

// The worst that 32 KiB can ask for: every byte an option, a comma, a field.
TEST(RequestParser, IsFastOnHostileHeads) {
  std::string commas = "GET / HTTP/1.1\r\nHost: a\r\nConnection: ";
  for (int i = 0; i < 8000; ++i) commas += "a,";
  commas += "\r\n\r\n";
  std::string elements = "GET / HTTP/1.1\r\nHost: a\r\nConnection: " + std::string(16000, ',') + "\r\n\r\n";
  std::string percent = "GET /";
  for (int i = 0; i < 5000; ++i) percent += "%2f";
  percent += " HTTP/1.1\r\nHost: a\r\n\r\n";
  std::string parents = "GET ";
  for (int i = 0; i < 2600; ++i) parents += "/a/../";
  parents += " HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const std::string& head : {commas, elements, percent, parents}) {
    message::Request request;
    std::string decoded;
    auto begin = std::chrono::steady_clock::now();
    for (int round = 0; round < 20; ++round) parse_request_head(head, {}, request, decoded);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  }
}

}  // namespace
}  // namespace cutwater::codec::http1

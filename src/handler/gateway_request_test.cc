#include "handler/gateway_request.h"

#include "handler/handler_test_support.h"
#include "message/target.h"

namespace cutwater::handler {
namespace {

std::string target_of(std::string_view raw, std::string_view strip = "") {
  message::Request request;
  request.method = "GET";
  request.raw_target = raw;
  const auto split = message::split_target("GET", raw);
  std::string decoded;
  message::decode_path(split->path, decoded);
  request.path = decoded;
  request.query = split->query;
  return forwarded_target(request, strip);
}

TEST(ForwardedTarget, GoesOnAsItCame) {
  EXPECT_EQ(target_of("/"), "/");
  EXPECT_EQ(target_of("/a/b?c=d&e=%20"), "/a/b?c=d&e=%20");
  EXPECT_EQ(target_of("/a?"), "/a?");
  EXPECT_EQ(target_of("/caf%C3%A9/%7Ex"), "/caf%C3%A9/%7Ex");
  EXPECT_EQ(target_of("/scope%2Fname"), "/scope%2Fname");
  EXPECT_EQ(target_of("/a|b"), "/a|b");
  EXPECT_EQ(target_of("http://other.example/a?b"), "/a?b");
}

// The path that routes and access rules saw is the one that goes on.
TEST(ForwardedTarget, WhatWasRemovedStaysRemoved) {
  EXPECT_EQ(target_of("/a/../b"), "/b");
  EXPECT_EQ(target_of("/public/%2e%2e/admin"), "/admin");
  EXPECT_EQ(target_of("/public/..%2fadmin"), "/admin");
  EXPECT_EQ(target_of("//a///b"), "/a/b");
  EXPECT_EQ(target_of("/a/./b/."), "/a/b/");
  EXPECT_EQ(target_of("/a/../%20%3f%25"), "/%20%3F%25");
  EXPECT_EQ(target_of("/%252e%252e/x"), "/%252e%252e/x");
}

TEST(ForwardedTarget, Strip) {
  EXPECT_EQ(target_of("/api/x?y", "/api"), "/x?y");
  EXPECT_EQ(target_of("/api", "/api"), "/");
  EXPECT_EQ(target_of("/api/", "/api"), "/");
  EXPECT_EQ(target_of("/api/a%2Fb", "/api"), "/a%2Fb");
  EXPECT_EQ(target_of("/%61pi/caf%c3%a9", "/api"), "/caf%C3%A9");
  EXPECT_EQ(target_of("/apis", "/api"), "/apis");
  EXPECT_EQ(target_of("/api%2Fx", "/api"), "/x");  // never "//x"
  EXPECT_EQ(target_of("/api%2F", "/api"), "/");
}

struct HeadTest : testing::Test {
  std::string head() {
    upstream::RequestBody body(exchange.body, exchange.request);
    return forwarded_head(exchange.exchange, body, {"", "me", false});
  }
  TestExchange exchange{"GET", "/a"};
};

TEST_F(HeadTest, SaysWhoAsked) {
  exchange.request.remote_address = exchange.exchange.connection_address = "192.0.2.7";
  exchange.request.headers.add("Accept", "*/*");
  EXPECT_EQ(head(),
            "GET /a HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nX-Real-IP: 192.0.2.7\r\n"
            "X-Forwarded-Proto: http\r\nX-Forwarded-Host: localhost\r\nX-Forwarded-For: 192.0.2.7\r\nForwarded: "
            "for=192.0.2.7;proto=http;host=\"localhost\"\r\nVia: 1.1 me\r\nCDN-Loop: me\r\n\r\n");
}

// What is left of such fields here came from a trusted proxy.
TEST_F(HeadTest, GrowsWhatATrustedProxySaid) {
  exchange.exchange.connection_address = "10.0.0.1";
  exchange.request.remote_address = "2001:db8::7";
  exchange.request.scheme = "https";
  message::Headers& headers = exchange.request.headers;
  headers.add("X-Forwarded-For", "2001:db8::7");
  headers.add("x-forwarded-host", "shop.example");
  headers.add("X-Forwarded-Proto", "https, http");
  headers.add("Forwarded", "for=\"[2001:db8::7]\"");
  headers.add("Via", "1.0 first");
  headers.add("Via", "1.1 second");
  headers.add("CDN-Loop", "other");
  const std::string bytes = head();
  for (const char* line : {"X-Forwarded-For: 2001:db8::7, 10.0.0.1\r\n", "X-Forwarded-Host: shop.example\r\n",
                           "X-Real-IP: 2001:db8::7\r\n", "X-Forwarded-Proto: https\r\n",
                           "Forwarded: for=\"[2001:db8::7]\", for=10.0.0.1;proto=https;host=\"localhost\"\r\n",
                           "Via: 1.0 first, 1.1 second, 1.1 me\r\n", "CDN-Loop: other, me\r\n"}) {
    EXPECT_NE(bytes.find(line), std::string::npos) << line << bytes;
  }
}

// Nobody else than this server says them, and it knows no more than the web server in front.
TEST_F(HeadTest, WhatThatOneHandedOnOfAStrangerIsNotPassedOff) {
  exchange.exchange.connection_address = "203.0.113.5";
  exchange.request.remote_address = "203.0.113.5";
  exchange.request.has_unbelieved_forwarding = true;
  for (const char* name : {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Ssl", "Front-End-Https", "X-Client-IP",
                           "Forwarded", "Via", "Accept"}) {
    exchange.request.headers.add(name, "forged");
  }
  const std::string bytes = head();
  EXPECT_NE(bytes.find("Accept: forged\r\n"), std::string::npos) << bytes;
  EXPECT_EQ(bytes.find("forged"), bytes.rfind("forged")) << bytes;
  EXPECT_NE(bytes.find("X-Forwarded-For: 203.0.113.5\r\n"), std::string::npos) << bytes;
  EXPECT_NE(bytes.find("X-Forwarded-Host: localhost\r\n"), std::string::npos) << bytes;
}

// Who reads both must find one client: a chain that came in one field is said in the other as well.
TEST_F(HeadTest, AChainInOneFieldGoesOnInBoth) {
  exchange.exchange.connection_address = "10.0.0.1";
  exchange.request.remote_address = "2001:db8::7";
  exchange.request.headers.add("X-Forwarded-For", "192.0.2.1, hidden");
  exchange.request.headers.add("X-Forwarded-For", "2001:db8::7");
  std::string bytes = head();
  EXPECT_NE(bytes.find("\r\nX-Forwarded-For: 192.0.2.1, hidden, 2001:db8::7, 10.0.0.1\r\n"), std::string::npos)
      << bytes;
  EXPECT_NE(bytes.find("\r\nForwarded: for=192.0.2.1, for=unknown, for=\"[2001:db8::7]\", "
                       "for=10.0.0.1;proto=http;host=\"localhost\"\r\n"),
            std::string::npos)
      << bytes;
  exchange.request.headers.remove_all("X-Forwarded-For");
  exchange.request.headers.add("Forwarded", "for=_a;proto=https, for=\"[2001:db8::7]:80\";by=192.0.2.9");
  bytes = head();
  EXPECT_NE(bytes.find("\r\nX-Forwarded-For: unknown, 2001:db8::7, 10.0.0.1\r\n"), std::string::npos) << bytes;
  EXPECT_NE(bytes.find("\r\nForwarded: for=_a;proto=https, for=\"[2001:db8::7]:80\";by=192.0.2.9, "
                       "for=10.0.0.1;proto=http;host=\"localhost\"\r\n"),
            std::string::npos)
      << bytes;
}

TEST_F(HeadTest, WhatHidesTheClientInOneFieldDoesNotContradictTheOther) {
  exchange.exchange.connection_address = "10.0.0.1";
  exchange.request.remote_address = "192.0.2.9";
  for (const char* hidden : {"for=_hidden", "proto=https", "", "for=192.0.2.1, for=unknown"}) {
    exchange.request.headers.clear();
    exchange.request.headers.add("X-Forwarded-For", "192.0.2.9");
    exchange.request.headers.add("Forwarded", hidden);
    const std::string bytes = head();
    EXPECT_NE(bytes.find("\r\nX-Forwarded-For: 192.0.2.9, 10.0.0.1\r\n"), std::string::npos) << bytes;
    EXPECT_NE(bytes.find("\r\nForwarded: for=192.0.2.9, for=10.0.0.1;proto="), std::string::npos) << bytes;
  }
  exchange.request.headers.clear();
  exchange.request.headers.add("X-Forwarded-For", "unknown");
  exchange.request.headers.add("Forwarded", "for=192.0.2.9;by=_x");
  const std::string bytes = head();
  EXPECT_NE(bytes.find("\r\nX-Forwarded-For: 192.0.2.9, 10.0.0.1\r\n"), std::string::npos) << bytes;
  EXPECT_NE(bytes.find("\r\nForwarded: for=192.0.2.9;by=_x, for=10.0.0.1;proto="), std::string::npos) << bytes;
}

TEST_F(HeadTest, WhatAnAuthorizerGrantedIsAField) {
  message::Headers& granted = exchange.request.granted;
  granted.add("REMOTE_USER", "ada");
  granted.add("level", "3");
  for (const char* name : {"HOST", "CONNECTION", "TE", "EXPECT", "UPGRADE", "X_FORWARDED_FOR", "VIA", "PROXY"})
    granted.add(name, "evil");
  granted.add("BROKEN", "a\r\nb");
  const std::string bytes = head();
  EXPECT_NE(bytes.find("\r\nRemote-User: ada\r\nLevel: 3\r\n"), std::string::npos) << bytes;
  EXPECT_EQ(bytes.find("evil"), std::string::npos) << bytes;
  EXPECT_EQ(bytes.find("Broken"), std::string::npos) << bytes;
}

TEST_F(HeadTest, PeersOnUnixSocketsHaveNoAddress) {
  exchange.exchange.connection_address = "";
  exchange.request.remote_address = "/run/x.sock";
  const std::string bytes = head();
  EXPECT_EQ(bytes.find("X-Forwarded-For"), std::string::npos);
  EXPECT_EQ(bytes.find("X-Real-IP"), std::string::npos);
  EXPECT_NE(bytes.find("Forwarded: for=unknown;"), std::string::npos);
  // What such a peer says of others is all there is.
  exchange.request.headers.add("X-Forwarded-For", "192.0.2.9");
  const std::string chain = head();
  EXPECT_NE(chain.find("\r\nX-Forwarded-For: 192.0.2.9\r\nForwarded: for=192.0.2.9\r\n"), std::string::npos) << chain;
}

// A gateway behind us would make HTTP_PROXY of it (faults.md 38).
TEST_F(HeadTest, ProxyGoesNoFurther) {
  exchange.request.headers.add("pRoXy", "http://evil.example");
  EXPECT_EQ(head().find("evil"), std::string::npos);
}

TEST(CameBack, KnowsItsOwnName) {
  message::Headers headers;
  EXPECT_FALSE(came_back(headers, "me"));
  headers.add("CDN-Loop", "other, you");
  EXPECT_FALSE(came_back(headers, "me"));
  headers.add("cdn-loop", "more ; hop=1, me; hop=2");
  EXPECT_TRUE(came_back(headers, "me"));
}

}  // namespace
}  // namespace cutwater::handler

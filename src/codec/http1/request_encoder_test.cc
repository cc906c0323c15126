#include "codec/http1/request_encoder.h"

#include <gtest/gtest.h>

#include "codec/http1/request_parser.h"

namespace cutwater::codec::http1 {
namespace {

using message::BodyFraming;

std::string encode(const message::Headers& headers, std::string_view method = "GET",
                   BodyFraming framing = BodyFraming::kNone, uint64_t length = 0, bool close = false) {
  std::string bytes;
  append_request_head(bytes, {method, "/a?b=c", "shop.example:8000", headers, framing, length, close});
  return bytes;
}

TEST(RequestEncoder, HeadWithItsFieldsInOrder) {
  message::Headers headers;
  headers.add("Accept", "*/*");
  headers.add("Cookie", "a=1");
  EXPECT_EQ(encode(headers), "GET /a?b=c HTTP/1.1\r\nHost: shop.example:8000\r\nAccept: */*\r\nCookie: a=1\r\n\r\n");
}

TEST(RequestEncoder, FramingAndConnectionAreOurs) {
  message::Headers headers;
  for (std::string_view name : {"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE",
                                "Trailer", "Upgrade", "Proxy-Connection", "Expect"}) {
    headers.add(name, "7");
  }
  headers.add("X", "y");
  const std::string start = "/a?b=c HTTP/1.1\r\nHost: shop.example:8000\r\nX: y\r\n";
  EXPECT_EQ(encode(headers, "POST", BodyFraming::kLength, 12), "POST " + start + "Content-Length: 12\r\n\r\n");
  EXPECT_EQ(encode(headers, "POST", BodyFraming::kChunked), "POST " + start + "Transfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(encode(headers, "POST"), "POST " + start + "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(encode(headers, "GET", BodyFraming::kNone, 0, true), "GET " + start + "Connection: close\r\n\r\n");
}

TEST(RequestEncoder, AnOfferIsNamedByConnection) {
  message::Headers headers;
  std::string bytes;
  append_request_head(bytes, {"GET", "/", "a", headers, BodyFraming::kNone, 0, false, "websocket"});
  EXPECT_EQ(bytes, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(RequestEncoder, NothingBreaksOutOfItsLine) {
  message::Headers headers;
  headers.add("A", "b\r\nInjected: 1");
  headers.add("B\r\nInjected", "1");
  headers.add("C", std::string_view("x\0y", 3));
  headers.add("", "empty");
  headers.add("D", "fine");
  EXPECT_EQ(encode(headers), "GET /a?b=c HTTP/1.1\r\nHost: shop.example:8000\r\nD: fine\r\n\r\n");
}

// What the client codec writes the server codec reads as the same message.
TEST(RequestEncoder, RoundTripThroughTheServerParser) {
  message::Headers headers;
  headers.add("Accept", "text/html, */*;q=0.1");
  headers.add("X-Latin", "caf\xe9");
  const std::string bytes = encode(headers, "PUT", BodyFraming::kLength, 3);
  message::Request request;
  std::string decoded;
  ASSERT_EQ(parse_request_head(bytes, {}, request, decoded).status, 0);
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.raw_target, "/a?b=c");
  EXPECT_EQ(request.authority, "shop.example:8000");
  EXPECT_EQ(request.framing, BodyFraming::kLength);
  EXPECT_EQ(request.content_length, 3u);
  EXPECT_EQ(request.headers.get("x-latin"), "caf\xe9");
  EXPECT_TRUE(request.wants_keep_alive);
}

TEST(RequestEncoder, Idempotence) {
  for (std::string_view method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}) EXPECT_TRUE(is_idempotent(method));
  for (std::string_view method : {"POST", "PATCH", "get", "PURGE", "LOCK", ""}) EXPECT_FALSE(is_idempotent(method));
}

}  // namespace
}  // namespace cutwater::codec::http1

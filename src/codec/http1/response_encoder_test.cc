#include "codec/http1/response_encoder.h"

#include <gtest/gtest.h>

namespace cutwater::codec::http1 {
namespace {

using message::Response;

struct Encoded {
  std::string bytes;
  EncodedHead head;
};

Encoded encode(const Response& response, EncodeContext context = {}) {
  if (context.date.empty()) context.date = "Sun, 06 Nov 1994 08:49:37 GMT";
  Encoded encoded;
  encoded.head = append_response_head(encoded.bytes, response, context);
  return encoded;
}

Response response(uint16_t status, std::optional<uint64_t> length) {
  Response made;
  made.status = status;
  made.content_length = length;
  return made;
}

TEST(ResponseEncoder, WritesTheWholeHead) {
  Response plain = response(200, 5);
  plain.headers.add("Content-Type", "text/plain");
  Encoded encoded = encode(plain);
  EXPECT_EQ(encoded.bytes,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Length: 5\r\n\r\n");
  EXPECT_EQ(encoded.head.framing, ResponseFraming::kLength);
  EXPECT_TRUE(encoded.head.keep_alive);
}

TEST(ResponseEncoder, OnlyA426NamesOtherProtocols) {
  Response refusal = response(426, 0);
  refusal.upgrade = "websocket";
  EXPECT_TRUE(encode(refusal).bytes.ends_with("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
  EncodeContext last;
  last.keep_alive = false;
  EXPECT_TRUE(encode(refusal, last).bytes.ends_with("\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n"));
  last.version_minor = 0;
  EXPECT_EQ(encode(refusal, last).bytes.find("Upgrade:"), std::string::npos);
  refusal.status = 200;
  EXPECT_EQ(encode(refusal).bytes.find("Upgrade"), std::string::npos);
  refusal.status = 426;
  refusal.upgrade = "a\r\nb: c";
  EXPECT_EQ(encode(refusal).bytes.find("Upgrade:"), std::string::npos);
}

TEST(ResponseEncoder, WritesTheHeadOfASwitch) {
  Response switching = response(101, std::nullopt);
  switching.headers.add("Sec-WebSocket-Accept", "x");
  switching.headers.add("X-Broken", "a\r\nb: c");
  switching.upgrade = "websocket";
  std::string bytes;
  append_switching_head(bytes, switching);
  EXPECT_EQ(bytes,
            "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\n\r\n");
}

TEST(ResponseEncoder, ChunksAnUnknownLength) {
  Encoded encoded = encode(response(200, std::nullopt));
  EXPECT_EQ(encoded.head.framing, ResponseFraming::kChunked);
  EXPECT_NE(encoded.bytes.find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(encoded.bytes.find("Content-Length"), std::string::npos);
}

TEST(ResponseEncoder, OldClientsGetNoChunks) {
  EncodeContext context;
  context.version_minor = 0;
  Encoded unknown = encode(response(200, std::nullopt), context);
  EXPECT_EQ(unknown.head.framing, ResponseFraming::kUntilClose);
  EXPECT_FALSE(unknown.head.keep_alive);
  EXPECT_NE(unknown.bytes.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_EQ(unknown.bytes.find("Transfer-Encoding"), std::string::npos);
  Encoded known = encode(response(200, 0), context);
  EXPECT_TRUE(known.head.keep_alive);
  EXPECT_NE(known.bytes.find("\r\nConnection: keep-alive\r\n"), std::string::npos);
}

TEST(ResponseEncoder, SaysThatItCloses) {
  EncodeContext context;
  context.keep_alive = false;
  Encoded encoded = encode(response(200, 1), context);
  EXPECT_FALSE(encoded.head.keep_alive);
  EXPECT_NE(encoded.bytes.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST(ResponseEncoder, BodilessStatusesHaveNoFraming) {
  for (uint16_t status : {uint16_t{204}, uint16_t{304}}) {
    for (std::optional<uint64_t> length : {std::optional<uint64_t>{}, std::optional<uint64_t>{5}}) {
      Encoded encoded = encode(response(status, length));
      EXPECT_EQ(encoded.head.framing, ResponseFraming::kNone);
      EXPECT_TRUE(encoded.head.keep_alive);
      EXPECT_EQ(encoded.bytes.find("Content-Length"), std::string::npos);
      EXPECT_EQ(encoded.bytes.find("Transfer-Encoding"), std::string::npos);
    }
  }
}

TEST(ResponseEncoder, HeadKeepsTheLength) {
  EncodeContext context;
  context.head_request = true;
  Encoded known = encode(response(200, 1234), context);
  EXPECT_EQ(known.head.framing, ResponseFraming::kNone);
  EXPECT_NE(known.bytes.find("\r\nContent-Length: 1234\r\n"), std::string::npos);
  context.version_minor = 0;
  Encoded unknown = encode(response(200, std::nullopt), context);
  EXPECT_EQ(unknown.head.framing, ResponseFraming::kNone);
  EXPECT_TRUE(unknown.head.keep_alive);
  EXPECT_EQ(unknown.bytes.find("Transfer-Encoding"), std::string::npos);
}

TEST(ResponseEncoder, KeepsADateThatIsThere) {
  Response dated = response(200, 0);
  dated.headers.add("date", "Mon, 07 Nov 1994 08:49:37 GMT");
  std::string bytes = encode(dated).bytes;
  EXPECT_NE(bytes.find("\r\ndate: Mon, 07"), std::string::npos);
  EXPECT_EQ(bytes.find("Date: Sun"), std::string::npos);
}

TEST(ResponseEncoder, OwnsFramingAndConnection) {
  Response greedy = response(200, 3);
  for (const char* name : {"Connection", "Keep-Alive", "TRANSFER-ENCODING", "Content-Length", "Upgrade", "Trailer",
                           "TE", "Proxy-Connection"}) {
    greedy.headers.add(name, "7");
  }
  EXPECT_EQ(encode(greedy).bytes,
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 3\r\n\r\n");
}

TEST(ResponseEncoder, NeverLetsAValueBreakOut) {
  using namespace std::string_view_literals;
  Response evil = response(200, 0);
  evil.reason = "OK\r\nX: y";
  for (std::string_view value : {"a\r\nSet-Cookie: x=y"sv, "a\nb"sv, "a\0b"sv, "\r"sv}) evil.headers.add("X", value);
  evil.headers.add("Bad Name", "a");
  evil.headers.add("", "a");
  evil.headers.add("Good", "\xc3\xa4\t");
  EXPECT_EQ(encode(evil).bytes,
            "HTTP/1.1 200 OK\r\nGood: \xc3\xa4\t\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: "
            "0\r\n\r\n");
}

TEST(ResponseEncoder, TrailersThatMayBe) {
  message::Headers fields;
  fields.add("Digest", "sha-256=x");
  for (const char* name : {"Content-Length", "Transfer-Encoding", "Host", "Set-Cookie", "content-type", "Trailer"}) {
    fields.add(name, "1");
  }
  fields.add("X", "a\r\nY: b");
  fields.add("Server-Timing", "");
  std::string chunk;
  append_last_chunk(chunk, fields);
  EXPECT_EQ(chunk, "0\r\nDigest: sha-256=x\r\nServer-Timing: \r\n\r\n");
}

TEST(ResponseEncoder, StatusIsThreeDigits) {
  EXPECT_TRUE(encode(response(299, 0)).bytes.starts_with("HTTP/1.1 299 Unknown\r\n"));
  EXPECT_TRUE(encode(response(7, 0)).bytes.starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
  EXPECT_TRUE(encode(response(2000, 0)).bytes.starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
  Response custom = response(404, 0);
  custom.reason = "Gone Fishing";
  EXPECT_TRUE(encode(custom).bytes.starts_with("HTTP/1.1 404 Gone Fishing\r\n"));
}

TEST(ResponseEncoder, Informational) {
  std::string bytes;
  Response hints = response(103, std::nullopt);
  hints.headers.add("Link", "</a.css>; rel=preload");
  append_informational(bytes, hints);
  EXPECT_EQ(bytes, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
}

TEST(ResponseEncoder, ForWebServersInFront) {
  Response plain = response(404, 3);
  for (auto [name, value] : {std::pair("X", "y"), {"Connection", "close"}, {"Status", "200"}, {"Evil", "a\r\nb"}}) {
    plain.headers.add(name, value);
  }
  std::string bytes;
  append_gateway_head(bytes, plain, StatusForm::kStatusLine);
  EXPECT_EQ(bytes, "HTTP/1.1 404 Not Found\r\nX: y\r\nContent-Length: 3\r\n\r\n");
  bytes.clear();
  append_gateway_head(bytes, plain, StatusForm::kStatusField);
  EXPECT_EQ(bytes, "Status: 404 Not Found\r\nX: y\r\nContent-Length: 3\r\n\r\n");
  bytes.clear();
  append_gateway_head(bytes, response(304, 0), StatusForm::kStatusField);
  EXPECT_EQ(bytes, "Status: 304 Not Modified\r\n\r\n");
}

TEST(ResponseEncoder, ChunkStarts) {
  std::string bytes;
  append_chunk_start(bytes, 26);
  append_chunk_start(bytes, SIZE_MAX);
  EXPECT_EQ(bytes, "1a\r\nffffffffffffffff\r\n");
}

}  // namespace
}  // namespace cutwater::codec::http1

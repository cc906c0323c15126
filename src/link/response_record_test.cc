#include "link/response_record.h"

#include <gtest/gtest.h>

#include <string>

namespace cutwater::link {
namespace {

std::string encoded(const message::Response& response) {
  std::string record(encoded_size(response), '\0');
  base::ByteWriter writer(record);
  EXPECT_EQ(encode_response(response, writer), record.size());
  return record;
}

message::Response full_response() {
  message::Response response;
  response.status = 404;
  response.reason = "Nothing here \xe9";
  response.headers.add("Content-Type", "text/html; charset=utf-8");
  response.headers.add("Set-Cookie", "a=b");
  response.headers.add("Set-Cookie", "c=\td");
  response.headers.add("X-Empty", "");
  response.content_length = 0xfedcba9876543210;
  return response;
}

bool decodes(const message::Response& response) {
  message::Response seen;
  return decode_response(encoded(response), seen);
}

TEST(ResponseRecordTest, EveryFieldComesBack) {
  std::string record = encoded(full_response());
  message::Response response;
  response.headers.add("left", "over");
  ASSERT_TRUE(decode_response(record, response));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.reason, "Nothing here \xe9");
  EXPECT_EQ(response.content_length, 0xfedcba9876543210);
  ASSERT_EQ(response.headers.size(), 4u);
  auto sent = full_response();
  auto other = sent.headers.begin();
  for (const message::HeaderField& field : response.headers) {
    EXPECT_EQ(field.name, other->name);
    EXPECT_EQ(field.value, other->value);
    ++other;
  }
}

TEST(ResponseRecordTest, WithoutLengthThereIsNone) {
  message::Response sent;
  message::Response seen;
  seen.content_length = 5;
  std::string record = encoded(sent);
  ASSERT_TRUE(decode_response(record, seen));
  EXPECT_FALSE(seen.content_length);
  EXPECT_TRUE(seen.reason.empty());
  EXPECT_TRUE(seen.headers.empty());
}

TEST(ResponseRecordTest, StatusOutOfRangeIsRefused) {
  for (int status : {0, 1, 99, 100, 102, 103, 199, 1000, 2000, 65535}) {
    message::Response response;
    response.status = static_cast<uint16_t>(status);
    EXPECT_FALSE(decodes(response)) << status;
  }
  for (int status : {101, 200, 204, 304, 599, 999}) {
    message::Response response;
    response.status = static_cast<uint16_t>(status);
    EXPECT_TRUE(decodes(response)) << status;
  }
}

TEST(ResponseRecordTest, NothingThatEndsALineGetsThrough) {
  for (int byte = 0; byte < 256; ++byte) {
    std::string text = std::string("a") + static_cast<char>(byte) + "b";
    bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    message::Response in_reason;
    in_reason.reason = text;
    EXPECT_EQ(decodes(in_reason), !control) << byte;
    message::Response in_value;
    in_value.headers.add("X", text);
    EXPECT_EQ(decodes(in_value), !control) << byte;
    message::Response in_name;
    in_name.headers.add(text, "x");
    bool token = byte < 0x80 && byte > 0x20 &&
                 std::string_view("\"(),/:;<=>?@[\\]{}\x7f").find(static_cast<char>(byte)) == std::string_view::npos;
    EXPECT_EQ(decodes(in_name), token) << byte;
  }
  message::Response empty_name;
  empty_name.headers.add("", "x");
  EXPECT_FALSE(decodes(empty_name));
}

TEST(ResponseRecordTest, FramingIsTheFrontsOwn) {
  for (const char* name : {"Content-Length", "TRANSFER-ENCODING", "connection", "Keep-Alive", "Proxy-Connection", "TE",
                           "Trailer", "Upgrade"}) {
    EXPECT_TRUE(is_framing_field(name)) << name;
    message::Response response;
    response.headers.add(name, "x");
    EXPECT_FALSE(decodes(response)) << name;
  }
  for (const char* name : {"Content-Lengths", "Date", "Server", "Set-Cookie", "T", "Vary"})
    EXPECT_FALSE(is_framing_field(name)) << name;
}

TEST(ResponseRecordTest, TooLargeForItsFieldsIsRefused) {
  std::string text(70000, 'x');
  message::Response reason;
  reason.reason = text;
  EXPECT_EQ(encoded_size(reason), 0u);
  message::Response name;
  name.headers.add(text, "x");
  EXPECT_EQ(encoded_size(name), 0u);
  message::Response value;
  value.headers.add("x", text);
  EXPECT_TRUE(decodes(value));
}

TEST(ResponseRecordTest, TooSmallRoomIsRefusedAtEverySize) {
  message::Response response = full_response();
  for (size_t room = 0; room < encoded_size(response); ++room) {
    std::string record(room, '\0');
    base::ByteWriter writer(record);
    EXPECT_EQ(encode_response(response, writer), 0u);
  }
}

TEST(ResponseRecordTest, CutOrDamagedRecordNeverLeavesItsBytes) {
  const std::string record = encoded(full_response());
  message::Response response;
  for (size_t size = 0; size < record.size(); ++size) {
    std::string cut = record.substr(0, size);
    EXPECT_FALSE(decode_response(cut, response)) << size;
  }
  EXPECT_FALSE(decode_response(record + "x", response));
  for (size_t index = 0; index < record.size(); ++index) {
    for (int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string damaged = record;
      damaged[index] = static_cast<char>(value);
      if (!decode_response(damaged, response)) continue;
      for (const message::HeaderField& field : response.headers)
        EXPECT_LE(field.value.data() + field.value.size(), damaged.data() + damaged.size());
    }
  }
}

TEST(ResponseRecordTest, FieldsAloneForTrailersAndEarlyHints) {
  message::Headers sent;
  sent.add("Link", "</style.css>; rel=preload");
  sent.add("Server-Timing", "db;dur=53");
  char room[256];
  base::ByteWriter writer(room);
  size_t size = encode_fields(sent, writer);
  message::Headers seen;
  ASSERT_TRUE(decode_fields({room, size}, seen));
  EXPECT_EQ(seen.size(), 2u);
  for (size_t cut = 0; cut < size; ++cut) EXPECT_FALSE(decode_fields(std::string(room, cut), seen));
  message::Headers bad;
  bad.add("Content-Length", "3");
  base::ByteWriter again(room);
  size = encode_fields(bad, again);
  EXPECT_FALSE(decode_fields({room, size}, seen));
}

TEST(ResponseRecordTest, HeadPayloadSplits) {
  message::Response response;
  std::string storage;
  std::string_view body;
  EXPECT_FALSE(split_head_payload(""));
  EXPECT_FALSE(split_head_payload(std::string("\1\0\0", 3)));
  EXPECT_FALSE(split_head_payload(std::string("\1\0\0\0", 4)));
  EXPECT_FALSE(split_head_payload(std::string("\xff\xff\xff\xff_", 5)));
  std::string record = encoded(full_response());
  std::string payload = std::string("\0\0\0\0", 4) + record + "the body";
  payload[0] = static_cast<char>(record.size());
  ASSERT_TRUE(read_head_payload(payload, storage, response, body));
  EXPECT_EQ(body, "the body");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.reason.data(), storage.data() + 14);  // views the private copy, not the payload
  ++payload[0];
  EXPECT_FALSE(read_head_payload(payload, storage, response, body));
}

}  // namespace
}  // namespace cutwater::link

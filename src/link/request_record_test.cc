#include "link/request_record.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace cutwater::link {
namespace {

message::Request full_request() {
  message::Request request;
  request.method = "PROPFIND";
  request.raw_target = "/shop/a%20b%2Fc?q=%00";
  request.path = "/shop/a b/c";
  request.query = "q=%00";
  request.scheme = "https";
  request.authority = "shop.example:8443";
  request.version_minor = 0;
  request.path_had_encoded_slash = true;
  request.headers.add("Host", "shop.example:8443");
  request.headers.add("X-Empty", "");
  request.headers.add("Cookie", "a=b; c=\xff\x80");
  request.headers.add("Cookie", "second");
  request.variables.add("REMOTE_USER", "ann");
  request.variables.add("SSL_CLIENT_CERT", "");
  request.framing = message::BodyFraming::kChunked;
  request.content_length = 0x1234567890abcdef;
  request.expects_continue = true;
  request.wants_keep_alive = false;
  request.remote_address = "2001:db8::1";
  request.remote_port = 65535;
  request.server_name = "shop.example";
  request.server_port = 8443;
  return request;
}

RequestExtras full_extras() {
  return {.script_name = "/shop",
          .body_place = BodyPlace::kDescriptor,
          .body_length = 1ull << 40,
          .exchange_id = 99,
          .websocket = true,
          .has_data = true};
}

std::string encoded(const message::Request& request, const RequestExtras& extras) {
  std::string record(encoded_size(request, extras), '\0');
  EXPECT_EQ(encode_request(request, extras, record), record.size());
  return record;
}

void expect_same(const message::Request& left, const message::Request& right) {
  EXPECT_EQ(left.method, right.method);
  EXPECT_EQ(left.raw_target, right.raw_target);
  EXPECT_EQ(left.path, right.path);
  EXPECT_EQ(left.query, right.query);
  EXPECT_EQ(left.scheme, right.scheme);
  EXPECT_EQ(left.authority, right.authority);
  EXPECT_EQ(left.version_minor, right.version_minor);
  EXPECT_EQ(left.path_had_encoded_slash, right.path_had_encoded_slash);
  EXPECT_EQ(left.framing, right.framing);
  EXPECT_EQ(left.content_length, right.content_length);
  EXPECT_EQ(left.expects_continue, right.expects_continue);
  EXPECT_EQ(left.plain_answer, right.plain_answer);
  EXPECT_EQ(left.wants_keep_alive, right.wants_keep_alive);
  EXPECT_EQ(left.remote_address, right.remote_address);
  EXPECT_EQ(left.remote_port, right.remote_port);
  EXPECT_EQ(left.server_name, right.server_name);
  EXPECT_EQ(left.server_port, right.server_port);
  for (const auto& [ours, theirs] :
       {std::pair(&left.headers, &right.headers), std::pair(&left.variables, &right.variables)}) {
    ASSERT_EQ(ours->size(), theirs->size());
    auto other = theirs->begin();
    for (const message::HeaderField& field : *ours) {
      EXPECT_EQ(field.name, other->name);
      EXPECT_EQ(field.value, other->value);
      ++other;
    }
  }
}

TEST(RequestRecordTest, EveryFieldComesBack) {
  std::string record = encoded(full_request(), full_extras());
  message::Request request;
  request.headers.add("left", "over");
  RequestExtras extras;
  ASSERT_TRUE(decode_request(record, request, extras));
  expect_same(request, full_request());
  EXPECT_EQ(extras.script_name, "/shop");
  EXPECT_EQ(extras.body_place, BodyPlace::kDescriptor);
  EXPECT_EQ(extras.body_length, 1ull << 40);
  EXPECT_EQ(extras.exchange_id, 99u);
  EXPECT_TRUE(extras.websocket);
  EXPECT_TRUE(extras.has_data);
}

TEST(RequestRecordTest, EveryFlagAndEnumAloneComesBack) {
  for (int bit = 0; bit < 64; ++bit) {
    for (int place = 0; place <= 4; ++place) {
      for (int framing = 0; framing <= 2; ++framing) {
        message::Request sent;
        sent.path_had_encoded_slash = (bit & 1) != 0;
        sent.expects_continue = (bit & 2) != 0;
        sent.wants_keep_alive = (bit & 4) != 0;
        sent.plain_answer = (bit & 32) != 0;
        sent.framing = static_cast<message::BodyFraming>(framing);
        RequestExtras extras{
            .body_place = static_cast<BodyPlace>(place), .websocket = (bit & 16) != 0, .has_data = (bit & 8) != 0};
        std::string record = encoded(sent, extras);
        message::Request request;
        RequestExtras seen;
        ASSERT_TRUE(decode_request(record, request, seen));
        expect_same(request, sent);
        EXPECT_EQ(seen.body_place, extras.body_place);
        EXPECT_EQ(seen.websocket, extras.websocket);
        EXPECT_EQ(seen.has_data, extras.has_data);
      }
    }
  }
}

TEST(RequestRecordTest, TooSmallRoomIsRefusedAtEverySize) {
  message::Request request = full_request();
  size_t size = encoded_size(request, full_extras());
  for (size_t room = 0; room < size; ++room) {
    std::string record(room, '\0');
    EXPECT_EQ(encode_request(request, full_extras(), record), 0u);
  }
}

TEST(RequestRecordTest, CutOrLengthenedRecordIsRefused) {
  std::string record = encoded(full_request(), full_extras());
  message::Request request;
  RequestExtras extras;
  for (size_t size = 0; size < record.size(); ++size) {
    std::string cut = record.substr(0, size);  // own storage, so that a sanitizer sees its end
    EXPECT_FALSE(decode_request(cut, request, extras)) << size;
  }
  EXPECT_FALSE(decode_request(record + '\0', request, extras));
}

// Damage may stay unseen (a letter of a value), but every view must lie inside the record.
TEST(RequestRecordTest, DamageAtEveryByteNeverLeavesTheRecord) {
  const std::string record = encoded(full_request(), full_extras());
  for (size_t index = 0; index < record.size(); ++index) {
    for (int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::string damaged = record;
      damaged[index] = static_cast<char>(value);
      message::Request request;
      RequestExtras extras;
      if (!decode_request(damaged, request, extras)) continue;
      size_t bytes = request.method.size() + request.path.size() + extras.script_name.size();
      for (const message::HeaderField& field : request.headers) {
        EXPECT_GE(field.name.data(), damaged.data());
        EXPECT_LE(field.value.data() + field.value.size(), damaged.data() + damaged.size());
        bytes += field.name.size() + field.value.size();
      }
      EXPECT_LE(bytes, damaged.size());
    }
  }
}

TEST(RequestRecordTest, ManyAndLongFields) {
  std::string value(60000, 'v');
  std::vector<std::string> names;
  for (int index = 0; index < 1000; ++index) names.push_back("name" + std::to_string(index));
  message::Request sent = full_request();
  for (const std::string& name : names) sent.headers.add(name, std::string_view(value).substr(0, name.size() * 7));
  sent.headers.add("Long", value);
  std::string record = encoded(sent, {});
  message::Request request;
  RequestExtras extras;
  ASSERT_TRUE(decode_request(record, request, extras));
  expect_same(request, sent);
}

}  // namespace
}  // namespace cutwater::link

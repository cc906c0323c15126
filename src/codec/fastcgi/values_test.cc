// What applications answer to GET_VALUES, known ones as their sources have it.
#include "codec/fastcgi/values.h"

#include <gtest/gtest.h>

#include "codec/fastcgi/name_value.h"
#include "codec/fastcgi/record.h"
#include "codec/fastcgi/server_session.h"

namespace cutwater::codec::fastcgi {
namespace {

std::string result(std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string pairs;
  for (const auto& [name, value] : values) append_pair(pairs, name, value);
  std::string bytes;
  append_record(bytes, RecordType::kGetValuesResult, kManagementId, pairs);
  return bytes;
}

TEST(Values, TheQuestionIsOneRecordWithNamesAlone) {
  std::string asked;
  append_get_values(asked);
  const auto header = read_header(asked);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->type, 9);
  EXPECT_EQ(header->request_id, 0);
  EXPECT_GT(header->padding_length, 0);  // libfcgi needs some
  EXPECT_EQ(asked.size(), 8u + header->content_length + header->padding_length);
  Variables names;
  ASSERT_TRUE(read_pairs(std::string_view(asked).substr(8, header->content_length), 10, names));
  ASSERT_EQ(names.size(), 2u);
  for (const Variable& name : names) EXPECT_EQ(name.value, "");
}

TEST(Values, OurOwnListenerMultiplexes) {
  std::string asked, replied;
  append_get_values(asked);
  SessionLimits limits;
  limits.requests = 20;
  limits.connections = 3;
  ServerSession session(limits);
  session.next(asked, replied);
  const ValuesAnswer answer = read_values_answer(replied);
  EXPECT_EQ(answer.kind, ValuesAnswer::kAnswered);
  EXPECT_TRUE(answer.multiplexes);
  EXPECT_EQ(answer.most_requests, 20u);  // those of one connection
  EXPECT_EQ(answer.consumed, replied.size());
}

TEST(Values, EveryCutNeedsMore) {
  const std::string bytes = result({{"FCGI_MPXS_CONNS", "1"}, {"FCGI_MAX_REQS", "7"}}) + "behind";
  for (size_t size = 0; size < bytes.size() - 6; ++size) {
    EXPECT_EQ(read_values_answer(std::string_view(bytes).substr(0, size)).kind, ValuesAnswer::kNeedMore) << size;
  }
  const ValuesAnswer answer = read_values_answer(bytes);
  EXPECT_EQ(answer.most_requests, 7u);
  EXPECT_EQ(answer.consumed, bytes.size() - 6);
}

TEST(Values, WhatIsNotSaidIsNo) {
  EXPECT_FALSE(read_values_answer(result({{"FCGI_MAX_CONNS", "1"}, {"FCGI_MPXS_CONNS", "0"}})).multiplexes);
  EXPECT_FALSE(read_values_answer(result({})).multiplexes);
  EXPECT_FALSE(read_values_answer(result({{"FCGI_MPXS_CONNS", "yes"}})).multiplexes);
  const ValuesAnswer unbounded = read_values_answer(result({{"FCGI_MPXS_CONNS", "1"}}));
  EXPECT_TRUE(unbounded.multiplexes);
  EXPECT_EQ(unbounded.most_requests, UINT64_MAX);
}

TEST(Values, WhoDoesNotKnowTheQuestionHasAnswered) {
  std::string bytes;
  append_unknown_type(bytes, 9);
  const ValuesAnswer answer = read_values_answer(bytes);
  EXPECT_EQ(answer.kind, ValuesAnswer::kAnswered);
  EXPECT_FALSE(answer.multiplexes);
}

TEST(Values, OtherBytesAreNoAnswer) {
  std::string of_a_request;
  append_record(of_a_request, RecordType::kStdout, 1, "x");
  std::string broken;
  append_record(broken, RecordType::kGetValuesResult, kManagementId, "\xff\xff\xff\xff");
  std::string of_a_request_too;
  append_record(of_a_request_too, RecordType::kGetValuesResult, 1, "");
  std::string endless;
  append_record(endless, RecordType::kGetValuesResult, kManagementId, std::string(9000, '\0'));
  for (const std::string& bytes : {of_a_request, broken, of_a_request_too, endless, std::string("HTTP/1.1 400 Bad"),
                                   result({{"FCGI_MAX_REQS", "many"}})}) {
    EXPECT_EQ(read_values_answer(bytes).kind, ValuesAnswer::kMalformed) << bytes;
  }
}

}  // namespace
}  // namespace cutwater::codec::fastcgi

#include "message/headers.h"

#include <gtest/gtest.h>

#include "message/request.h"
#include "message/response.h"

namespace cutwater::message {
namespace {

Headers sample() {
  Headers headers;
  headers.add("Host", "a");
  headers.add("Accept", "1");
  headers.add("accept", "2");
  headers.add("Cookie", "c");
  return headers;
}

TEST(Headers, FindsTheFirstIgnoringCase) {
  Headers headers = sample();
  EXPECT_EQ(headers.get("ACCEPT"), "1");
  EXPECT_EQ(headers.get("Acce"), std::nullopt);
  EXPECT_EQ(headers.count("Accept"), 2U);
  EXPECT_EQ(headers.count("X"), 0U);
}

TEST(Headers, RemovesAllAndKeepsTheOrder) {
  Headers headers = sample();
  headers.remove_all("aCCept");
  ASSERT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers.begin()->name, "Host");
  EXPECT_EQ((headers.begin() + 1)->name, "Cookie");
  headers.remove_all("X");
  EXPECT_EQ(headers.size(), 2U);
  headers.clear();
  EXPECT_TRUE(headers.empty());
}

TEST(Request, ClearForgetsEverythingButItsMemory) {
  Request request;
  request.method = "POST";
  request.framing = BodyFraming::kLength;
  request.content_length = 7;
  request.path_had_encoded_slash = true;
  request.wants_keep_alive = false;
  request.remote_port = 9;
  request.headers = sample();
  const HeaderField* memory = &*request.headers.begin();
  request.clear();
  EXPECT_TRUE(request.method.empty());
  EXPECT_EQ(request.framing, BodyFraming::kNone);
  EXPECT_EQ(request.content_length, 0U);
  EXPECT_FALSE(request.path_had_encoded_slash);
  EXPECT_TRUE(request.wants_keep_alive);
  EXPECT_EQ(request.version_minor, 1);
  EXPECT_EQ(request.remote_port, 0);
  EXPECT_TRUE(request.headers.empty());
  request.headers.add("A", "b");
  EXPECT_EQ(&*request.headers.begin(), memory);
}

TEST(Response, KnowsStandardPhrasesAndBodies) {
  EXPECT_EQ(standard_reason(200), "OK");
  EXPECT_EQ(standard_reason(413), "Content Too Large");
  EXPECT_EQ(standard_reason(599), "Unknown");
  EXPECT_FALSE(status_allows_body(103));
  EXPECT_FALSE(status_allows_body(204));
  EXPECT_FALSE(status_allows_body(304));
  EXPECT_TRUE(status_allows_body(200));
  EXPECT_TRUE(status_allows_body(205));
  EXPECT_FALSE(status_allows_content(205));
  EXPECT_FALSE(status_allows_content(204));
  EXPECT_TRUE(status_allows_content(200));
}

}  // namespace
}  // namespace cutwater::message

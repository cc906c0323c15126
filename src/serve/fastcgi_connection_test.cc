// FastCGI connections (faults.md 96 to 100): several requests on one, each answered by itself, however their records
// come.
#include "serve/fastcgi_connection.h"

#include <gtest/gtest.h>

#include <string>

#include "serve/fastcgi_test_support.h"
#include "serve/fault_play.h"

namespace cutwater::serve {
namespace {

using namespace fcgi;
using fault::Play;

TEST(Fastcgi, OneRequestAndTheEnd) {
  Play play(get(1, "/a", !kKeep), Protocol::kFastcgi);
  ASSERT_TRUE(play.end());
  std::string expected;
  codec::fastcgi::append_stream(expected, RecordType::kStdout, 1, ok("/a"));
  codec::fastcgi::append_record(expected, RecordType::kStdout, 1, {});
  codec::fastcgi::append_end_request(expected, 1, {});
  EXPECT_EQ(play.peer.received, expected);
  EXPECT_FALSE(play.peer.reset);
}

TEST(Fastcgi, CutsChangeNothing) {
  for (const std::string& bytes :
       {get(1, "/a") + get(1, "/b") + get(7, "/c", !kKeep), post(1, "/echo", "hello") + get(2, "/pieces"),
        post(1, "/late", "hello"), post(1, "/echo", std::string(5000, 'x')) + get(1, "/z"),
        get(1, "/a\n") + get(1, "/z"),
        begin(1, kKeep) + begin(2, kKeep) + params(2, "GET", "/two", "") + params(1, "GET", "/one", "") + input(2, "") +
            input(1, ""),
        get(1, "/short"), get(1, "/abort") + get(2, "/never")}) {
    Play whole(bytes, Protocol::kFastcgi);
    ASSERT_TRUE(whole.end());
    ASSERT_FALSE(whole.peer.received.empty());
    for (size_t cut = 0; cut <= bytes.size() && cut < 600; ++cut) {
      Play play(bytes, Protocol::kFastcgi);
      for (size_t count = 0; count < cut; ++count) play.quiet_step(1);
      ASSERT_TRUE(play.end()) << cut;
      const auto expected = answers(whole.peer.received);
      const auto seen = answers(play.peer.received);
      ASSERT_EQ(seen.at(1).output, expected.at(1).output) << cut;
      ASSERT_EQ(play.peer.reset, whole.peer.reset) << cut;
    }
  }
}

TEST(Fastcgi, WhatIsNotWholeHasNoEnd) {
  for (const char* path : {"/abort", "/short"}) {
    for (bool keep : {false, true}) {  // who does not keep the connection may take its end for that of the answer
      Play play(get(1, path, keep), Protocol::kFastcgi);
      ASSERT_TRUE(play.end());
      EXPECT_FALSE(answers(play.peer.received).at(1).ended) << path;
      EXPECT_EQ(play.peer.reset, !keep) << path;
    }
  }
}

TEST(Fastcgi, ABodyIsAsLongAsAnnounced) {
  for (const char* length : {"4", "6"}) {
    Play play(begin(1, kKeep) + params(1, "POST", "/echo", length) + input(1, "hello") + get(2, "/z"),
              Protocol::kFastcgi);
    ASSERT_TRUE(play.end());
    const auto all = answers(play.peer.received);
    EXPECT_EQ(all.at(1).output, ok("refused")) << length;
    EXPECT_TRUE(all.at(1).ended);
    EXPECT_EQ(all.at(2).output, ok("/z"));
  }
}

// Whether the surplus comes with the rest, or behind what the handler has waited for.
TEST(Fastcgi, TooMuchIsRefusedWheneverItComes) {
  std::string more;
  codec::fastcgi::append_record(more, RecordType::kStdin, 1, "more");
  for (const char* length : {"", "0", "5"}) {
    std::string bytes = begin(1, kKeep) + params(1, "POST", "/echo", length);
    if (length == std::string("5")) codec::fastcgi::append_record(bytes, RecordType::kStdin, 1, "hello");
    for (size_t together : {bytes.size(), bytes.size() + more.size()}) {
      Play play(bytes + more + input(1, "") + get(2, "/z"), Protocol::kFastcgi);
      for (size_t count = 0; count < together; ++count) play.quiet_step(1);
      ASSERT_TRUE(play.end());
      const std::string output = answers(play.peer.received).at(1).output;
      if (length == std::string("5")) {
        EXPECT_EQ(output, ok("refused"));
      } else {
        EXPECT_TRUE(output.starts_with("Status: 400 ")) << length << output;
        EXPECT_EQ(play.handled(), 1) << "the other request alone";
      }
      EXPECT_EQ(answers(play.peer.received).at(2).output, ok("/z"));
    }
  }
}

TEST(Fastcgi, AChunkedBodyEndsWithItsStream) {
  for (const size_t size : std::initializer_list<size_t>{0, 5, 4000}) {
    const std::string body(size, 'x');
    Play play(begin(1, kKeep) + chunked_params(1, "/echo") + input(1, body) + get(2, "/z"), Protocol::kFastcgi);
    ASSERT_TRUE(play.end());
    EXPECT_EQ(answers(play.peer.received).at(1).output, ok(body));
    EXPECT_EQ(answers(play.peer.received).at(2).output, ok("/z"));
  }
  Play cut(begin(1, kKeep) + chunked_params(1, "/echo") + input(1, "hello").substr(0, 16), Protocol::kFastcgi);
  ASSERT_TRUE(cut.end());
  EXPECT_EQ(cut.peer.received, "");
  Play coded(begin(1, kKeep) + chunked_params(1, "/echo", "gzip") + input(1, "hello"), Protocol::kFastcgi);
  ASSERT_TRUE(coded.end());
  EXPECT_TRUE(answers(coded.peer.received).at(1).output.starts_with("Status: 501 "));
}

TEST(Fastcgi, EndOfStreamAnywhereIsNoRequest) {
  const std::string bytes = post(1, "/echo", "hello");
  for (size_t cut = 0; cut < bytes.size() - 8; ++cut) {
    Play play(std::string_view(bytes).substr(0, cut), Protocol::kFastcgi);
    ASSERT_TRUE(play.end()) << cut;
    EXPECT_EQ(play.peer.received, "") << cut;
  }
}

TEST(Fastcgi, MalformedIsClosed) {
  std::string other_version = get(1, "/a");
  other_version[0] = 2;
  std::string application_record_without_id = get(1, "/a");
  application_record_without_id[3] = 0;
  for (const std::string& bytes : {other_version, application_record_without_id, std::string("GET / HTTP/1.1\r\n\r\n"),
                                   begin(1, kKeep) + begin(1, kKeep)}) {
    Play play(bytes, Protocol::kFastcgi);
    ASSERT_TRUE(play.end());
    EXPECT_EQ(play.handled(), 0);
    EXPECT_EQ(play.peer.received, "");
  }
}

// faults.md 99: where the next record begins is known all the same.
TEST(Fastcgi, RecordsOutOfOrderEndOneRequestAlone) {
  const std::string head = params(1, "POST", "/echo", "5");
  const std::string filter = begin(1, kKeep, Role::kFilter) + params(1, "POST", "/filter", "2", "3");
  const std::pair<std::string, std::string> cases[] = {
      {begin(1, kKeep) + input(1, "early") + head + input(1, "hello"), "Status: 400 "},
      {begin(1, kKeep) + head + data(1, "more") + input(1, "hello"), ok("refused")},
      {begin(1, kKeep) + head + input(1, "hell").substr(0, 16) + head + input(1, "o"), ok("refused")},
      {begin(1, kKeep) + params(1, "GET", "/a", "") + data(1, "more"), "Status: 400 "},
      {filter + data(1, "mor") + input(1, "hi"), ok("refused")},
      {filter + input(1, "hi") + input(1, "hi") + data(1, "mor"), ok("refused")},
  };
  for (const auto& [bytes, expected] : cases) {
    for (size_t together : {size_t{0}, size_t{1000}}) {
      Play play(begin(5, kKeep) + params(5, "POST", "/echo", "4") + bytes + get(2, "/z") + input(5, "slow") +
                    get(1, "/again"),
                Protocol::kFastcgi);
      for (size_t count = 0; count < together; ++count) play.quiet_step(1);
      ASSERT_TRUE(play.end());
      auto all = answers(play.peer.received);
      EXPECT_TRUE(all[1].output.starts_with(expected)) << all[1].output;
      EXPECT_TRUE(all[1].output.ends_with(ok("/again"))) << all[1].output;
      EXPECT_EQ(all[2].output, ok("/z"));
      EXPECT_EQ(all[5].output, ok("slow"));
      EXPECT_FALSE(play.peer.reset);
    }
  }
}

TEST(Fastcgi, AnAbortAnywhereEndsOneRequestAlone) {
  std::string abort;
  codec::fastcgi::append_record(abort, RecordType::kAbortRequest, 1, {});
  const std::vector<std::string> records = {begin(1, kKeep, Role::kFilter),  params(1, "POST", "/filter", "10", "8"),
                                            input(1, "hello").substr(0, 16), input(1, "world"),
                                            data(1, "file").substr(0, 16),   data(1, "more")};
  std::string before;
  for (const std::string& next : records) {
    before += next;
    Play play(before + abort + get(2, "/z") + get(1, "/again"), Protocol::kFastcgi);
    ASSERT_TRUE(play.end());
    const auto all = answers(play.peer.received);
    EXPECT_TRUE(all.at(1).output.ends_with(ok("/again"))) << before.size();
    EXPECT_EQ(all.at(2).output, ok("/z")) << before.size();
    EXPECT_FALSE(play.peer.reset) << before.size();
  }
}

TEST(Fastcgi, ARoleNobodyKnows) {
  Play play(begin(2, kKeep, static_cast<Role>(9)) + get(3, "/z"), Protocol::kFastcgi);
  ASSERT_TRUE(play.end());
  const auto all = answers(play.peer.received);
  EXPECT_EQ(all.at(2).protocol_status, 3);
  EXPECT_EQ(all.at(3).output, ok("/z"));
}

// Who has not asked to keep the connection waits for its end, whatever became of its request.
TEST(Fastcgi, ARequestThatNeverBeganEndsItsConnection) {
  std::string aborted = begin(1, !kKeep);
  codec::fastcgi::append_record(aborted, RecordType::kAbortRequest, 1, {});
  constexpr uint8_t kDeliverMuch = 31 << 3;
  for (const auto& [bytes, ends] : {std::pair(begin(1, !kKeep, static_cast<Role>(9)), true),
                                    {aborted, true},
                                    {begin(1, kKeep, static_cast<Role>(9)), false},
                                    {begin(2, kKeep) + begin(1, !kKeep, static_cast<Role>(9)), false}}) {
    Play play(bytes, Protocol::kFastcgi);
    for (int count = 0; count < 8; ++count) play.quiet_step(kDeliverMuch);
    EXPECT_EQ(play.peer.shut_down, ends);
    ASSERT_TRUE(play.end());
  }
}

TEST(Fastcgi, AFilterReadsItsDataBehindItsBody) {
  const std::string large(4000, 'x');
  for (const auto& [body, filtered] :
       {std::pair<std::string, std::string>{"form", "file"}, {"", "file"}, {"form", ""}, {"form", large}, {"", ""}}) {
    const std::string bytes =
        begin(1, kKeep, Role::kFilter) +
        params(1, "POST", "/filter", std::to_string(body.size()), std::to_string(filtered.size())) + input(1, body) +
        data(1, filtered) + get(2, "/z");
    for (int steps : {0, 1, 100}) {
      Play play(bytes, Protocol::kFastcgi);
      for (int count = 0; count < steps; ++count) play.quiet_step(1);
      ASSERT_TRUE(play.end());
      EXPECT_EQ(answers(play.peer.received).at(1).output, ok(std::string(body) + "|" + filtered));
      EXPECT_EQ(answers(play.peer.received).at(2).output, ok("/z"));
    }
  }
}

TEST(Fastcgi, FilterDataAreAsLongAsAnnounced) {
  for (const char* length : {"3", "5", "-1", "", "x", "-", "5000", "twice"}) {
    Play play(begin(1, kKeep, Role::kFilter) + params(1, "GET", "/filter", "", length) + input(1, "") +
                  data(1, "file") + get(2, "/z"),
              Protocol::kFastcgi);
    ASSERT_TRUE(play.end());
    const auto all = answers(play.peer.received);
    const std::string& output = all.at(1).output;
    const std::string status = output.substr(0, 11);
    if (length == std::string("3") || length == std::string("5")) {
      EXPECT_EQ(output, ok("refused")) << length;
    } else {
      EXPECT_EQ(status, length == std::string("5000") ? "Status: 413" : "Status: 400") << length;
    }
    EXPECT_EQ(all.at(2).output, ok("/z")) << length;
  }
}

TEST(Fastcgi, AnotherRolesDataAreIgnored) {
  Play play(begin(1, kKeep) + params(1, "GET", "/filter", "", "4") + input(1, "") + data(1, "file") + get(2, "/z"),
            Protocol::kFastcgi);
  ASSERT_TRUE(play.end());
  EXPECT_EQ(answers(play.peer.received).at(1).output, ok(""));
  EXPECT_EQ(answers(play.peer.received).at(2).output, ok("/z"));
}

}  // namespace
}  // namespace cutwater::serve

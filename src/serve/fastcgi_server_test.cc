// FastCGI connections in time: what waits for whom, what ends with what, and in which order.
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "serve/fastcgi_test_support.h"

namespace cutwater::serve {
namespace {

using namespace fcgi;

TEST_F(FastcgiServer, RequestsDoNotWaitForEachOther) {
  ASSERT_TRUE(client.send(get(1, "/wait")));
  ASSERT_TRUE(server.run_until([&] { return server.handler.requests == 1; }));
  ASSERT_TRUE(client.send(get(2, "/a") + post(3, "/echo", "body")));
  ASSERT_TRUE(receive_end(3));
  EXPECT_TRUE(answers(client.received).at(2).ended);
  EXPECT_FALSE(answers(client.received).contains(1));
  server.handler.gate.let_go();
  ASSERT_TRUE(receive_end(1));
  EXPECT_TRUE(answers(client.received).at(1).output.ends_with("waited"));
  EXPECT_EQ(server.observer.entries.size(), 3u);
  EXPECT_EQ(server.server->connections(), 1u);
}

// What is logged names what is to be mended: the client, or the limit.
TEST_F(FastcgiServer, WhatIsNoRequestIsNamed) {
  ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 0 && !server.log.lines.empty(); }));
  EXPECT_NE(server.log.lines[0].find(": no FastCGI request: an HTTP request, where a web server's is expected"),
            std::string::npos)
      << server.log.lines[0];
}

TEST_F(FastcgiServer, TooManyVariablesAreRefusedAlone) {
  ASSERT_TRUE(client.send(get(5, "/wait")));
  std::string bytes = begin(1, kKeep);
  codec::fastcgi::append_stream(bytes, RecordType::kParams, 1, std::string(3'000'000, 'x'));
  codec::fastcgi::append_record(bytes, RecordType::kParams, 1, {});
  ASSERT_TRUE(client.send(bytes + input(1, "body") + get(2, "/a")));
  ASSERT_TRUE(receive_end(1) && receive_end(2));
  const auto all = answers(client.received);
  EXPECT_TRUE(all.at(1).output.starts_with("Status: 431 ")) << all.at(1).output;
  EXPECT_TRUE(all.at(2).output.ends_with("hello /a"));
  ASSERT_EQ(server.observer.entries.size(), 2u);
  EXPECT_EQ(server.observer.entries[0].refused, "variables over the limit");
  EXPECT_EQ(server.observer.entries[0].summary.status, 431);
  server.handler.gate.let_go();
  ASSERT_TRUE(receive_end(5));
  client.received.clear();
  ASSERT_TRUE(client.send(get(1, "/again")));
  ASSERT_TRUE(receive_end(1));
  EXPECT_TRUE(answers(client.received).at(1).output.ends_with("hello /again"));
}

// As many as GET_VALUES tells.
TEST_F(FastcgiServer, WhatIsTurnedAwayIsReported) {
  std::string bytes;
  for (uint16_t id = 1; id <= 66; ++id) bytes += get(id, "/wait");
  ASSERT_TRUE(client.send(bytes));
  ASSERT_TRUE(receive_end(65) && receive_end(66));
  ASSERT_TRUE(server.run_until([&] { return server.handler.requests == 64; }));
  ASSERT_EQ(server.observer.entries.size(), 2u);
  for (const auto& entry : server.observer.entries) {
    EXPECT_EQ(entry.refused, "more requests at once on its connection than GET_VALUES told");
  }
}

TEST_F(FastcgiServer, WhoDoesNotKeepTheConnectionIsToldToo) {
  std::string bytes = begin(1, !kKeep);
  codec::fastcgi::append_stream(bytes, RecordType::kParams, 1, std::string(3'000'000, 'x'));
  ASSERT_TRUE(client.send(bytes)) << "it is read on";
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_FALSE(client.reset);
  EXPECT_TRUE(answers(client.received).at(1).output.starts_with("Status: 431 "));
  EXPECT_TRUE(answers(client.received).at(1).ended);
}

// Where SCGI and uwsgi have a line in the access log.
TEST(Fastcgi, WhatCameToNothingIsReportedOnce) {
  const std::string half = begin(1, kKeep) + begin(2, kKeep) + params(2, "GET", "/a", "").substr(0, 20);
  std::string no_list = begin(1, kKeep) + begin(2, kKeep);
  codec::fastcgi::append_record(no_list, RecordType::kParams, 1, "\x80");
  codec::fastcgi::append_record(no_list, RecordType::kParams, 1, {});
  for (const auto& [bytes, lines, reason] :
       {std::tuple(std::string("GET / HTTP/1.1\r\n\r\n"), 1u, "an HTTP request, where a web server's is expected"),
        {half, 2u, "the client left in the middle of a request head"},
        {no_list, 2u, "PARAMS that are no list of names and values"},
        {get(1, "/a"), 1u, ""}}) {
    test::TestServer server(fastcgi_options());
    test::Client client(server);
    ASSERT_TRUE(client.send(bytes));
    client.finish_sending();
    ASSERT_TRUE(client.receive_to_end());
    ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
    ASSERT_EQ(server.observer.entries.size(), lines) << reason;
    for (const auto& entry : server.observer.entries) {
      EXPECT_EQ(entry.refused, reason);
      EXPECT_EQ(entry.summary.status, reason[0] == '\0' ? 200 : 0);
      EXPECT_FALSE(entry.summary.aborted);
    }
  }
}

TEST_F(FastcgiServer, AnAbortEndsOneRequest) {
  std::string abort;
  codec::fastcgi::append_record(abort, RecordType::kAbortRequest, 1, {});
  ASSERT_TRUE(client.send(get(1, "/wait")));
  ASSERT_TRUE(server.run_until([&] { return server.handler.requests == 1; }));
  ASSERT_TRUE(client.send(abort));
  ASSERT_TRUE(receive_end(1));
  EXPECT_EQ(server.handler.gate.gone, 1);
  EXPECT_EQ(answers(client.received).at(1).output, "");
  client.received.clear();
  ASSERT_TRUE(client.send(abort + get(1, "/again")));
  ASSERT_TRUE(receive_end(1));
  EXPECT_TRUE(answers(client.received).at(1).output.ends_with("hello /again"));
}

TEST_F(FastcgiServer, WhoIsNotConcernedYetHearsOfItLater) {
  server.handler.gate.deaf = 2;
  ASSERT_TRUE(client.send(get(1, "/wait")));
  ASSERT_TRUE(server.run_until([&] { return server.handler.requests == 1; }));
  client.leave();
  EXPECT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
  EXPECT_EQ(server.handler.gate.deaf, 0);
  EXPECT_EQ(server.handler.gate.gone, 1);
}

TEST_F(FastcgiServer, ALeavingPeerEndsAll) {
  ASSERT_TRUE(client.send(get(1, "/wait") + begin(2, kKeep) + params(2, "POST", "/echo", "5")));
  ASSERT_TRUE(server.run_until([&] { return server.handler.requests == 2; }));
  client.leave();
  EXPECT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
  EXPECT_EQ(server.handler.gate.gone, 1);
  EXPECT_EQ(server.handler.ends, std::vector<message::BodyStatus>{message::BodyStatus::kDisconnected});
  EXPECT_EQ(server.observer.entries.size(), 2u);
}

TEST_F(FastcgiServer, AnAnswerNobodyReadsIsNotGathered) {
  server.handler.big_size = 40'000'000;
  ASSERT_TRUE(client.send(get(1, "/big") + get(2, "/big")));
  server.run_for(100);
  EXPECT_LT(server.handler.big_taken, server.handler.big_size);
  ASSERT_TRUE(client.receive_until([&] { return client.received.size() > server.handler.big_size; }));
  ASSERT_TRUE(receive_end(1));
  ASSERT_TRUE(receive_end(2));
}

TEST_F(FastcgiServer, ABodyNobodyReadsIsNotGathered) {
  const std::string body(20'000'000, 'x');
  const std::string bytes = post(1, "/wait", body) + get(2, "/a");
  size_t sent = 0;
  const auto send_on = [&] {
    while (sent < bytes.size()) {
      const ssize_t count = ::send(client.descriptor(), bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    return sent == bytes.size();
  };
  EXPECT_FALSE(server.run_until(send_on, 300));
  server.handler.gate.let_go();
  EXPECT_TRUE(server.run_until(send_on));
  ASSERT_TRUE(receive_end(2));
  EXPECT_TRUE(answers(client.received).at(1).output.ends_with("waited"));
}

TEST_F(FastcgiServer, WithoutKeepConnectionTheEndIsTheConnections) {
  ASSERT_TRUE(client.send(get(1, "/stream", !kKeep)));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_FALSE(client.reset);
  const auto all = answers(client.received);
  EXPECT_EQ(all.at(1).output, "Status: 200 OK\r\n\r\none two three");
  EXPECT_TRUE(all.at(1).ended);
  EXPECT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
}

// As Apache sends it, in a write of its own: closed at once the connection would refuse it, and lose the answer, which
// does not always wait for it.
TEST_F(FastcgiServer, TheEndOfABodyMayComeBehindTheAnswer) {
  ASSERT_TRUE(client.send(begin(1, !kKeep) + params(1, "GET", "/a\n", "")));
  ASSERT_TRUE(receive_end(1));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_EQ(server.server->connections(), 1u);
  ASSERT_TRUE(client.send(input(1, "")));
  client.leave();
  EXPECT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
}

TEST_F(FastcgiServer, AnAuthorizersRequestHasNoBody) {
  ASSERT_TRUE(client.send(begin(1, !kKeep, Role::kAuthorizer) + params(1, "POST", "/echo", "5")));
  ASSERT_TRUE(receive_end(1));
  EXPECT_EQ(answers(client.received).at(1).output, "Status: 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
}

// lighttpd says the length of a body that it sends to whoever answers, in a field's variable alone.
TEST_F(FastcgiServer, AnAuthorizerIsToldOfABodyThatIsNotItsOwn) {
  for (const char* name : {"HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"}) {
    std::string pairs;
    for (auto [variable, value] : {std::pair("REQUEST_METHOD", "POST"), {"REQUEST_URI", "/echo"}, {name, "5"}})
      codec::fastcgi::append_pair(pairs, variable, value);
    std::string bytes = begin(1, kKeep, Role::kAuthorizer);
    codec::fastcgi::append_stream(bytes, RecordType::kParams, 1, pairs);
    codec::fastcgi::append_record(bytes, RecordType::kParams, 1, {});
    ASSERT_TRUE(client.send(bytes));
    ASSERT_TRUE(receive_end(1));
    EXPECT_EQ(answers(client.received).at(1).output, "Status: 200 OK\r\nContent-Length: 0\r\n\r\n") << name;
    client.received.clear();
  }
}

// It may be sent again on another connection; begun here it could lose its answer.
TEST_F(FastcgiServer, WhatBeginsWhileTheConnectionClosesIsRefused) {
  ASSERT_TRUE(client.send(get(1, "/wait") + get(2, "/a", !kKeep)));
  ASSERT_TRUE(receive_end(2));
  ASSERT_TRUE(client.send(get(3, "/a")));
  ASSERT_TRUE(receive_end(3));
  EXPECT_EQ(answers(client.received).at(3).protocol_status, 2);
  EXPECT_EQ(answers(client.received).at(3).output, "");
  EXPECT_EQ(server.handler.requests, 2);
  server.handler.gate.let_go();
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(answers(client.received).at(1).output.ends_with("waited"));
}

TEST_F(FastcgiServer, AnswersTakeTurns) {
  server.handler.big_size = 40'000'000;  // of both together
  ASSERT_TRUE(client.send(get(1, "/big") + get(2, "/big")));
  ASSERT_TRUE(receive_end(1) && receive_end(2));
  const auto all = answers(client.received);
  const double share = static_cast<double>(all.at(1).output.size()) / static_cast<double>(client.received.size());
  EXPECT_GT(share, 0.25);
  EXPECT_LT(share, 0.75);
}

TEST_F(FastcgiServer, OfAFileNoMoreIsSentThanWasAnnounced) {
  const base::FileDescriptor file(memfd_create("ten bytes", MFD_CLOEXEC));
  ASSERT_EQ(write(file.get(), "0123456789", 10), 10);
  server.handler.file_descriptor = file.get();
  server.handler.file_announced = 10;
  server.handler.file_length = 100;
  ASSERT_TRUE(client.send(get(1, "/file")));
  ASSERT_TRUE(receive_end(1)) << "it is whole";
  EXPECT_TRUE(answers(client.received).at(1).output.ends_with("\r\n\r\n0123456789"));
}

TEST_F(FastcgiServer, AnUnreadBodyDoesNotEatTheAnswer) {
  ASSERT_TRUE(client.send(post(1, "/early", std::string(3'000'000, 'x'), !kKeep))) << "it is read on";
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(answers(client.received).at(1).ended);
  EXPECT_FALSE(client.reset);
}

TEST_F(FastcgiServer, WhoEndsItsSendingIsAnswered) {
  server.handler.big_size = 3'000'000;
  ASSERT_TRUE(client.send(get(1, "/wait") + get(2, "/big") + post(3, "/echo", "hello")));
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  const auto all = answers(client.received);
  EXPECT_EQ(server.handler.gate.gone, 1) << "it may have left: who only waits is told";
  EXPECT_FALSE(all.contains(1)) << "and may give it up";
  EXPECT_TRUE(server.log.lines.empty());
  EXPECT_GT(all.at(2).output.size(), server.handler.big_size);
  EXPECT_TRUE(all.at(2).ended);
  EXPECT_TRUE(all.at(3).output.ends_with("hello"));
  EXPECT_FALSE(client.reset);
}

TEST_F(FastcgiServer, WhatIsNotWholeEndsWithTheSending) {
  ASSERT_TRUE(client.send(begin(1, kKeep) + params(1, "POST", "/echo", "5") + input(1, "hell").substr(0, 16) +
                          begin(2, kKeep) + params(2, "GET", "/a", "") + get(3, "/a")));
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  const auto all = answers(client.received);
  EXPECT_FALSE(all.contains(1) || all.contains(2)) << "an END_REQUEST would be an answer";
  EXPECT_TRUE(all.at(3).output.ends_with("hello /a"));
  EXPECT_EQ(server.handler.ends, std::vector<message::BodyStatus>{message::BodyStatus::kDisconnected});
}

TEST(Fastcgi, VariablesThatNeverEndAreRefusedWhateverElseRuns) {
  ServeOptions options = fastcgi_options();
  options.header_timeout = std::chrono::milliseconds(100);
  test::TestServer server(options);
  test::Client client(server);
  const std::string head = begin(2, kKeep) + params(2, "GET", "/a", "");
  ASSERT_TRUE(client.send(get(1, "/wait") + head.substr(0, head.size() - 8)));
  ASSERT_TRUE(client.receive_text("Status: 408 "));
  EXPECT_FALSE(answers(client.received).contains(1));
  server.handler.gate.let_go();
  ASSERT_TRUE(client.receive_to_end());
  const auto all = answers(client.received);
  EXPECT_TRUE(all.at(1).output.ends_with("waited"));
  EXPECT_TRUE(all.at(2).ended);
  ASSERT_EQ(server.observer.entries.size(), 2u);
  EXPECT_EQ(server.observer.entries[0].refused, "the variables took too long");
}

TEST(Fastcgi, DrainsWhatIsAnsweredAndNotYetSent) {
  ServeOptions options = fastcgi_options();
  options.output_buffer = 100'000'000;
  test::TestServer server(options);
  test::Client client(server, 4096);
  ASSERT_TRUE(client.send(get(1, "/big")));
  ASSERT_TRUE(server.run_until([&] { return server.observer.entries.size() == 1; }));
  bool drained = false;
  server.server->drain([&] { drained = true; });
  server.run_for(50);
  EXPECT_FALSE(drained);
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(answers(client.received).at(1).ended);
  EXPECT_TRUE(server.run_until([&] { return drained; }));
}

TEST_F(FastcgiServer, DrainsWhatRunsAndClosesWhatIdles) {
  test::Client idle(server);
  ASSERT_TRUE(idle.send(get(1, "/a")));
  ASSERT_TRUE(idle.receive_text("hello /a"));
  ASSERT_TRUE(client.send(get(1, "/wait")));
  ASSERT_TRUE(server.run_until([&] { return server.handler.requests == 2; }));
  bool drained = false;
  server.server->drain([&] { drained = true; });
  EXPECT_TRUE(idle.receive_to_end());
  EXPECT_FALSE(drained);
  server.handler.gate.let_go();
  ASSERT_TRUE(receive_end(1));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(server.run_until([&] { return drained; }));
}

TEST_F(FastcgiServer, WhatRunsWhenTheServerEndsIsReported) {
  ASSERT_TRUE(client.send(get(1, "/wait") + get(2, "/big")));
  server.run_for(50);
  server.server->close_all();
  EXPECT_EQ(server.observer.entries.size(), 2u);
}

TEST_F(FastcgiServer, WhoWaitsAtTheEndOfAStopGets503) {
  ASSERT_TRUE(client.send(get(1, "/wait") + get(2, "/a")));
  ASSERT_TRUE(receive_end(2));
  server.server->close_all();
  server.handler.gate.waiter = nullptr;
  ASSERT_TRUE(client.receive_to_end());
  const Answer cut = answers(client.received).at(1);
  EXPECT_TRUE(cut.output.starts_with("Status: 503 Service Unavailable\r\n")) << cut.output;
  EXPECT_TRUE(cut.ended);
  ASSERT_EQ(server.observer.entries.size(), 2u);
  EXPECT_EQ(server.observer.entries[1].summary.status, 503);
  EXPECT_FALSE(server.observer.entries[1].summary.aborted);
}

// Where others run the one that is cut is told at once, and costs them nothing: neither those whose bytes still wait
// for the peer, nor those that begin.
TEST_F(FastcgiServer, ACutAnswerCostsNoOther) {
  server.handler.big_size = 400'000;
  ASSERT_TRUE(client.send(get(1, "/big") + get(2, "/wait") + get(3, "/abort")));
  ASSERT_TRUE(receive_end(3));
  EXPECT_EQ(answers(client.received).at(3).application_status, 1u);
  EXPECT_EQ(answers(client.received).at(3).protocol_status, 0);
  EXPECT_EQ(answers(client.received).at(3).output, "Status: 200 OK\r\n\r\npartial");
  ASSERT_TRUE(client.send(get(4, "/a") + get(3, "/short")));
  ASSERT_TRUE(receive_end(4));
  EXPECT_TRUE(answers(client.received).at(4).output.ends_with("hello /a"));
  server.handler.gate.let_go();
  ASSERT_TRUE(receive_end(2));
  ASSERT_TRUE(receive_end(1));
  const auto all = answers(client.received);
  EXPECT_EQ(all.at(1).output.size(), std::string("Status: 200 OK\r\n\r\n").size() + server.handler.big_size);
  for (const uint16_t id : {uint16_t{1}, uint16_t{2}, uint16_t{4}}) EXPECT_EQ(all.at(id).application_status, 0u) << id;
  ASSERT_TRUE(client.send(get(9, "/a", !kKeep)));  // it is kept
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(answers(client.received).at(9).ended);
  EXPECT_FALSE(client.reset);
}

// Alone, and for who does not keep the connection, its end tells it.
TEST_F(FastcgiServer, ACutAnswerThatIsAloneEndsTheConnection) {
  ASSERT_TRUE(client.send(get(2, "/a") + get(3, "/abort")));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_FALSE(client.reset);
  EXPECT_TRUE(answers(client.received).at(2).ended);
  EXPECT_FALSE(answers(client.received).at(3).ended);
}

TEST_F(FastcgiServer, ACutAnswerThatKeepsNoConnectionResetsItBehindTheOthers) {
  ASSERT_TRUE(client.send(get(1, "/wait") + get(3, "/abort", !kKeep)));
  ASSERT_TRUE(server.run_until([&] { return server.observer.entries.size() == 1; }));
  server.handler.gate.let_go();
  client.receive_to_end();
  EXPECT_TRUE(client.reset);
  EXPECT_FALSE(answers(client.received)[3].ended);
}

// An answer that has begun is cut, and its end is not said: that would make it whole.
TEST_F(FastcgiServer, AnAnswerThatHasBegunIsCutByTheEndOfAStop) {
  server.handler.big_size = SIZE_MAX;
  ASSERT_TRUE(client.send(get(1, "/big")));
  ASSERT_TRUE(server.run_until([&] { return server.handler.big_taken > 0; }));
  server.server->close_all();
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_FALSE(answers(client.received).at(1).ended);
  ASSERT_EQ(server.observer.entries.size(), 1u);
  EXPECT_EQ(server.observer.entries[0].summary.status, 200);
  EXPECT_TRUE(server.observer.entries[0].summary.aborted);
}

}  // namespace
}  // namespace cutwater::serve

// Time limits, clients that leave, cut answers, draining, limits on connections.
#include <gtest/gtest.h>

#include "serve/test_server.h"

namespace cutwater::serve {
namespace {

using namespace test;
using std::chrono::milliseconds;

TEST(Lifetime, HeadDeadlineIsAbsolute) {
  ServeOptions options;
  options.header_timeout = milliseconds(100);
  TestServer server(options);
  Client client(server);
  const base::Instant began = base::monotonic_now();
  for (char byte : std::string("GET /slow HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")) {
    client.send({&byte, 1});
    client.receive_until([&] { return !client.received.empty(); }, 5);
    if (!client.received.empty()) break;
  }
  ASSERT_TRUE(client.receive_text("Request Timeout\n"));
  EXPECT_EQ(client.received.find("HTTP/1.1 408 "), 0u);
  EXPECT_LT(base::monotonic_now() - began, std::chrono::seconds(2));
  client.finish_sending();
  EXPECT_TRUE(client.receive_to_end());
  ASSERT_EQ(server.observer.entries.size(), 1u);
  EXPECT_EQ(server.observer.entries[0].summary.status, 408);
}

TEST(Lifetime, IdleConnectionsEndSilently) {
  ServeOptions options;
  options.keepalive = milliseconds(300);
  TestServer server(options);
  Client silent(server);
  Client once(server);
  once.send(get("/a"));
  ASSERT_TRUE(once.receive_to_end(5000));
  EXPECT_TRUE(once.received.ends_with("hello /a"));
  ASSERT_TRUE(silent.receive_to_end(5000));
  EXPECT_TRUE(silent.ended);
  EXPECT_EQ(silent.received, "");
  EXPECT_EQ(server.observer.entries.size(), 1u);
}

TEST(Lifetime, EndInsideAHeadIsReportedNotAnswered) {
  TestServer server;
  Client client(server);
  client.send("GET / HT");
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_EQ(client.received, "");
  ASSERT_EQ(server.observer.entries.size(), 1u);
  EXPECT_EQ(server.observer.entries[0].summary.status, 0);
}

TEST(Lifetime, HandlersHearOfAClientThatLeaves) {
  for (bool with_reset : {false, true}) {
    TestServer server;
    Client client(server);
    client.send(get("/wait"));
    ASSERT_TRUE(server.run_until([&] { return server.handler.gate.waiter != nullptr; }));
    with_reset ? client.leave_with_reset() : client.leave();
    ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
    EXPECT_EQ(server.handler.gate.gone, 1);
    ASSERT_EQ(server.observer.entries.size(), 1u);
    EXPECT_EQ(server.observer.entries[0].summary.status, 0);
    EXPECT_TRUE(server.log.lines.empty());
  }
}

TEST(Lifetime, WhoIsNotConcernedYetHearsOfItLater) {
  TestServer server;
  server.handler.gate.deaf = 2;
  Client client(server);
  client.send(get("/wait"));
  ASSERT_TRUE(server.run_until([&] { return server.handler.gate.waiter != nullptr; }));
  client.leave();
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
  EXPECT_EQ(server.handler.gate.deaf, 0);
  EXPECT_EQ(server.handler.gate.gone, 1);
}

TEST(Lifetime, ASlowClientGetsAllOfABigAnswer) {
  TestServer server;
  Client client(server, 4096);
  client.send(get("/big", "Connection: close\r\n"));
  server.run_for(50);
  EXPECT_LT(server.handler.big_taken, server.handler.big_size);  // the producer is held back
  ASSERT_TRUE(client.receive_to_end(20'000));
  EXPECT_TRUE(client.received.ends_with("b\r\n0\r\n\r\n"));
  EXPECT_EQ(server.handler.big_taken, server.handler.big_size);
  EXPECT_EQ(server.observer.entries[0].summary.body_bytes_sent, server.handler.big_size);
}

TEST(Lifetime, AReaderThatStopsIsCut) {
  ServeOptions options;
  options.send_timeout = milliseconds(100);
  TestServer server(options);
  Client client(server, 4096);
  client.send(get("/big"));
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 0; }, 3000));
  EXPECT_EQ(server.handler.writes.back(), WriteStatus::kClientGone);
  EXPECT_TRUE(server.observer.entries[0].summary.aborted);
}

// Takes `step` bytes every 5 ms. Returns whether the whole answer came.
bool reads_in_small_steps(TestServer& server, Client& client, size_t step, int milliseconds_at_most) {
  std::string room(step, '\0');
  const base::Instant end = base::monotonic_now() + milliseconds(milliseconds_at_most);
  size_t taken = 0;
  EXPECT_TRUE(server.run_until([&] { return server.server->connections() > 0; }));
  while (base::monotonic_now() < end && server.server->connections() > 0) {
    const ssize_t count = ::recv(client.descriptor(), room.data(), room.size(), MSG_DONTWAIT);
    if (count > 0) taken += static_cast<size_t>(count);
    server.run_for(5);
  }
  client.receive_to_end();
  taken += client.received.size();
  return taken > server.handler.big_size;
}

TEST(Lifetime, ATrickleReaderIsCutASteadyOneIsNot) {
  ServeOptions options;
  options.send_timeout = milliseconds(300);
  options.body_min_rate = 100'000;
  TestServer server(options);
  server.handler.big_size = 20'000'000;
  Client trickle(server, 4096);
  trickle.send(get("/big"));
  EXPECT_FALSE(reads_in_small_steps(server, trickle, 20, 10'000));
  EXPECT_EQ(server.server->connections(), 0u);
  TestServer other(options);
  other.handler.big_size = 5'000'000;
  Client steady(other, 65536);
  steady.send(get("/big", "Connection: close\r\n"));
  EXPECT_TRUE(reads_in_small_steps(other, steady, 20'000, 20'000));
  EXPECT_FALSE(other.observer.entries.at(0).summary.aborted);
}

// Each of the answers is soon the kernel's. All the same nothing of them is ever taken.
TEST(Lifetime, WhoAsksForMuchThatIsSmallAndReadsNothingIsCut) {
  ServeOptions options;
  options.send_timeout = milliseconds(300);
  TestServer server(options);
  Client client(server, 4096);
  const std::string request = get("/a");
  std::string requests;
  while (requests.size() < 100'000) requests += request;
  const base::Instant end = base::monotonic_now() + std::chrono::seconds(20);
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() > 0; }));
  while (server.server->connections() > 0 && base::monotonic_now() < end) {
    const ssize_t sent = ::send(client.descriptor(), requests.data(), requests.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) requests = requests.substr(static_cast<size_t>(sent)) + requests.substr(0, static_cast<size_t>(sent));
    server.run_for(5);
  }
  EXPECT_EQ(server.server->connections(), 0u);
}

// Within output_buffer the handler is done at once; the connection must still get rid of the client.
TEST(Lifetime, AReaderThatStopsIsCutAfterTheHandlerEnded) {
  ServeOptions options;
  options.send_timeout = milliseconds(100);
  options.output_buffer = 100'000'000;
  TestServer server(options);
  server.handler.big_size = 20'000'000;
  Client client(server, 4096);
  client.send(get("/big"));
  ASSERT_TRUE(server.run_until([&] { return server.handler.big_taken == server.handler.big_size; }));
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 0; }, 3000));
}

TEST(Lifetime, BufferedOutputFlowsWhileTheHandlerWaits) {
  TestServer server;
  server.handler.big_size = 50'000;
  Client client(server);
  client.send(get("/big") + get("/wait"));
  ASSERT_TRUE(client.receive_text("0\r\n\r\n"));
  server.loop.post([&] { server.handler.gate.let_go(); });
  ASSERT_TRUE(client.receive_text("waited"));
}

TEST(Lifetime, LengthsAreKept) {
  TestServer server;
  Client exact(server);
  exact.send(get("/length") + get("/long") + get("/a"));
  ASSERT_TRUE(exact.receive_text("hello /a"));
  EXPECT_EQ(exact.count("\r\n\r\n0123456789HTTP/1.1"), 2u);  // what is too much is dropped
  Client cut(server);
  cut.send(get("/short"));
  ASSERT_TRUE(cut.receive_to_end());
  EXPECT_TRUE(cut.received.ends_with("01234"));
  EXPECT_TRUE(server.observer.entries.back().summary.aborted);
}

TEST(Lifetime, AbortIsVisible) {
  TestServer server;
  Client chunked(server);
  chunked.send(get("/abort"));
  ASSERT_TRUE(chunked.receive_to_end());
  EXPECT_TRUE(chunked.received.ends_with("partial\r\n"));
  Client old(server);
  old.send("GET /abort HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(old.receive_to_end());
  EXPECT_TRUE(old.reset);  // with nothing but the connection's end to delimit it
}

base::FileDescriptor memory_file(std::string_view content) {
  base::FileDescriptor file(memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(::write(file.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  return file;
}

TEST(Lifetime, FilesAreSentWhole) {
  TestServer server;
  std::string content;
  for (int number = 0; number < 3'000'000; ++number) content += static_cast<char>('a' + number % 25);
  const base::FileDescriptor file = memory_file(content);
  server.handler.file_descriptor = file.get();
  server.handler.file_announced = content.size();
  Client client(server);
  client.send(get("/file") + get("/a"));
  ASSERT_TRUE(client.receive_text("hello /a"));
  EXPECT_NE(client.received.find("\r\n\r\n" + content + "HTTP/1.1"), std::string::npos);
  EXPECT_EQ(server.observer.entries[0].summary.body_bytes_sent, content.size());
}

TEST(Lifetime, AFileThatEndsEarlyCutsTheConnection) {
  TestServer server;
  const base::FileDescriptor file = memory_file(std::string(100'000, 'f'));
  server.handler.file_descriptor = file.get();
  server.handler.file_announced = 200'000;
  Client client(server);
  client.send(get("/file"));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_EQ(server.handler.writes.back(), WriteStatus::kClientGone);
  EXPECT_TRUE(server.observer.entries[0].summary.aborted);
  EXPECT_LT(client.received.size(), 101'000u);
}

TEST(Drain, ClosesIdleFinishesBusyServesWhatArrived) {
  TestServer server;
  Client idle(server);
  idle.send(get("/a"));
  ASSERT_TRUE(idle.receive_text("hello /a"));
  Client busy(server);
  busy.send(get("/wait"));
  ASSERT_TRUE(server.run_until([&] { return server.handler.gate.waiter != nullptr; }));
  Client arriving(server);
  arriving.send(get("/a"));
  ASSERT_TRUE(arriving.receive_text("hello /a"));
  const std::string request = get("/last");
  ASSERT_EQ(::send(arriving.descriptor(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  bool drained = false;
  server.server->drain([&] { drained = true; });  // before the loop saw the request
  EXPECT_TRUE(server.server->draining());
  ASSERT_TRUE(idle.receive_to_end());
  EXPECT_TRUE(idle.ended);
  ASSERT_TRUE(arriving.receive_text("hello /last"));
  EXPECT_NE(arriving.received.find("Connection: close"), std::string::npos);
  EXPECT_FALSE(drained);
  arriving.leave();
  server.loop.post([&] { server.handler.gate.let_go(); });
  ASSERT_TRUE(busy.receive_text("waited"));
  EXPECT_NE(busy.received.find("Connection: close"), std::string::npos);
  busy.leave();
  ASSERT_TRUE(server.run_until([&] { return drained; }));
  EXPECT_EQ(server.server->connections(), 0u);
}

TEST(Drain, NewConnectionsHaveASecondAndThenGo) {
  TestServer server;
  Client fresh(server);
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 1; }));
  bool drained = false;
  server.server->drain([&] { drained = true; });
  Client later(server);
  later.send(get("/in-time"));
  ASSERT_TRUE(later.receive_text("hello /in-time"));
  EXPECT_NE(later.received.find("Connection: close"), std::string::npos);
  later.leave();
  EXPECT_FALSE(drained);
  ASSERT_TRUE(server.run_until([&] { return drained; }, 2500));
}

TEST(Drain, OfNothingEndsAtOnce) {
  TestServer server;
  bool drained = false;
  server.server->drain([&] { drained = true; });
  EXPECT_TRUE(server.run_until([&] { return drained; }, 100));
}

TEST(CloseAll, CancelsRunningHandlersAndReportsThem) {
  TestServer server;
  Client waiting(server);
  waiting.send(get("/wait"));
  Client slow(server, 4096);
  slow.send(get("/big"));
  Client half(server);
  half.send("GET / HT");
  ASSERT_TRUE(server.run_until([&] { return server.handler.requests == 2 && server.server->connections() == 3; }));
  server.run_for(10);
  server.server->close_all();
  EXPECT_EQ(server.server->connections(), 0u);
  server.handler.gate.waiter = nullptr;
  ASSERT_TRUE(waiting.receive_to_end());
  EXPECT_TRUE(waiting.received.starts_with("HTTP/1.1 503 Service Unavailable\r\n")) << waiting.received;
  EXPECT_NE(waiting.received.find("Connection: close\r\n"), std::string::npos);
  ASSERT_TRUE(half.receive_to_end());
  EXPECT_EQ(half.received, "");
  // What had begun keeps its own status, and only that is a cut.
  ASSERT_EQ(server.observer.entries.size(), 2u);
  for (const auto& entry : server.observer.entries) {
    const bool begun = entry.path == "/big";
    EXPECT_EQ(entry.summary.status, begun ? 200 : 503);
    if (!begun) {
      EXPECT_EQ(entry.summary.body_bytes_sent, std::string_view("Service Unavailable\n").size());
    }
    EXPECT_EQ(entry.summary.aborted, begun);
  }
}

// Its requests were there before it left, and nobody would see their answers.
TEST(Reset, EndsWhatWasAskedBehindAnAnswerThatCouldNotBeWritten) {
  TestServer server;
  Client client(server);
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 1; }));
  std::string requests;
  for (int count = 0; count < 50; ++count) requests += get("/a");
  ASSERT_EQ(::send(client.descriptor(), requests.data(), requests.size(), 0), static_cast<ssize_t>(requests.size()));
  client.leave_with_reset();
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
  EXPECT_LE(server.handler.requests, 1);
}

TEST(CloseAll, AClientThatHasLeftIsNotTakenForOneThatWasCut) {
  TestServer server;
  server.handler.gate.deaf = 1000000;
  Client client(server);
  client.send(get("/wait"));
  ASSERT_TRUE(server.run_until([&] { return server.handler.gate.waiter != nullptr; }));
  client.leave();
  ASSERT_TRUE(server.run_until([&] { return server.handler.gate.deaf < 1000000; }));
  server.server->close_all();
  server.handler.gate.waiter = nullptr;
  ASSERT_EQ(server.observer.entries.size(), 1u);
  EXPECT_EQ(server.observer.entries[0].summary.status, 0);
}

TEST(Limit, IdleConnectionsMakeRoomElseListenersPause) {
  ServeOptions options;
  options.connections = 3;
  TestServer server(options);
  std::vector<bool> told;
  server.server->when_full([&](bool full) {
    told.push_back(full);
    full ? server.listener->pause() : server.listener->resume();
  });
  std::vector<std::unique_ptr<Client>> clients;
  for (int count = 0; count < 3; ++count) {
    clients.push_back(std::make_unique<Client>(server));
    clients.back()->send(get("/a"));
    ASSERT_TRUE(clients.back()->receive_text("hello /a"));
  }
  EXPECT_EQ(told, std::vector<bool>{true});
  Client waiting(server);  // in the kernel's queue
  waiting.send(get("/patience"));
  server.run_for(50);
  EXPECT_EQ(waiting.received, "");
  ASSERT_TRUE(waiting.receive_text("hello /patience", 3000));  // the longest idle was closed after a second
  ASSERT_TRUE(clients[0]->receive_to_end());
}

}  // namespace
}  // namespace cutwater::serve

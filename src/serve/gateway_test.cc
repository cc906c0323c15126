// Requests of web servers in front, by uwsgi and SCGI (faults.md 95, 99, 101): what comes back, byte for byte, however
// they arrive, and what nobody is asked.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "codec/scgi/request_head.h"
#include "codec/uwsgi/packet.h"
#include "serve/fault_play.h"
#include "serve/request_head.h"
#include "serve/test_server.h"

namespace cutwater::serve {
namespace {

using codec::Variables;
using fault::Play;

constexpr Protocol kBoth[] = {Protocol::kUwsgi, Protocol::kScgi};

std::string request(Protocol protocol, Variables variables, std::string_view body = "") {
  const std::string length = std::to_string(body.size());
  std::string bytes;
  if (protocol == Protocol::kUwsgi) {
    variables.push_back({"CONTENT_LENGTH", length});
    EXPECT_TRUE(codec::uwsgi::append_packet(bytes, 0, 0, variables));
  } else {
    EXPECT_TRUE(codec::scgi::append_request_head(bytes, body.size(), variables));
  }
  return bytes + std::string(body);
}

Variables variables_of(std::string_view method, std::string_view path) {
  return {{"REQUEST_METHOD", method}, {"REQUEST_URI", path},        {"PATH_INFO", path},
          {"SERVER_NAME", "front"},   {"REMOTE_ADDR", "192.0.2.7"}, {"HTTP_HOST", "a.example"}};
}

std::string get(Protocol protocol, std::string_view path) {
  return request(protocol, variables_of("GET", path));
}
std::string post(Protocol protocol, std::string_view path, std::string_view body) {
  return request(protocol, variables_of("POST", path), body);
}

// The head as that protocol's web servers expect it.
std::string head(Protocol protocol, std::string_view status, std::string_view fields = "") {
  return std::string(protocol == Protocol::kUwsgi ? "HTTP/1.1 " : "Status: ")
      .append(status)
      .append("\r\n")
      .append(fields)
      .append("\r\n");
}

TEST(Gateway, AnswersAsTheProtocolsWebServersExpect) {
  for (Protocol protocol : kBoth) {
    Play play(get(protocol, "/a"), protocol);
    ASSERT_TRUE(play.end());
    EXPECT_EQ(play.peer.received, head(protocol, "200 OK", "Content-Length: 2\r\n") + "/a");
    EXPECT_FALSE(play.peer.reset);
    Play without_length(get(protocol, "/pieces"), protocol);
    ASSERT_TRUE(without_length.end());
    EXPECT_EQ(without_length.peer.received,
              head(protocol, "200 OK") + "first another piece another piece another piece ");
    EXPECT_FALSE(without_length.peer.reset);
    Play head_only(request(protocol, variables_of("HEAD", "/a")), protocol);
    ASSERT_TRUE(head_only.end());
    EXPECT_EQ(head_only.peer.received, head(protocol, "200 OK", "Content-Length: 2\r\n"));
    Play echo(post(protocol, "/echo", "hello"), protocol);
    ASSERT_TRUE(echo.end());
    EXPECT_EQ(echo.peer.received, head(protocol, "200 OK", "Content-Length: 5\r\n") + "hello");
  }
}

TEST(Gateway, CutsChangeNothing) {
  for (Protocol protocol : kBoth) {
    for (const std::string& bytes : {get(protocol, "/a"), post(protocol, "/echo", "hello"),
                                     post(protocol, "/late", "hello"), post(protocol, "/echo", std::string(5000, 'x')),
                                     get(protocol, "/a") + get(protocol, "/b"), get(protocol, "/a\n")}) {
      Play whole(bytes, protocol);
      ASSERT_TRUE(whole.end());
      ASSERT_FALSE(whole.peer.received.empty());
      for (size_t cut = 0; cut <= bytes.size() && cut < 600; ++cut) {
        Play play(bytes, protocol);
        for (size_t count = 0; count < cut; ++count) play.quiet_step(1);
        ASSERT_TRUE(play.end()) << cut;
        ASSERT_EQ(play.peer.received, whole.peer.received) << cut;
        ASSERT_EQ(play.handled(), whole.handled()) << cut;
      }
    }
  }
}

// More than one turn takes in: what a turn has read counts at once, however slow the machine is.
TEST(Gateway, TheWebServerOfThisMachineIsANeighbour) {
  for (Protocol protocol : {Protocol::kHttp, Protocol::kUwsgi, Protocol::kScgi}) {
    ServeOptions options;
    options.protocol = protocol;
    test::TestServer server(options);
    std::vector<std::unique_ptr<test::Client>> clients;
    while (clients.size() < 100) {
      clients.push_back(std::make_unique<test::Client>(server));
      clients.back()->send(protocol == Protocol::kHttp ? "GET /a HTTP/1.1\r\nHost: a\r\n\r\n" : get(protocol, "/a"));
    }
    bool patient = false;
    ASSERT_TRUE(server.run_until([&] {
      patient |= server.loop.patient();
      return server.handler.requests == 100;
    }));
    EXPECT_EQ(patient, protocol != Protocol::kHttp);
  }
}

TEST(Gateway, OneRequestAConnection) {
  for (Protocol protocol : kBoth) {
    Play play(get(protocol, "/a") + get(protocol, "/never"), protocol);
    ASSERT_TRUE(play.end());
    EXPECT_EQ(play.handled(), 1);
  }
}

TEST(Gateway, ACutAnswerIsAReset) {
  for (Protocol protocol : kBoth) {
    for (const char* path : {"/abort", "/short"}) {
      Play play(get(protocol, path), protocol);
      ASSERT_TRUE(play.end());
      EXPECT_TRUE(play.peer.reset) << path;
    }
  }
}

TEST(Gateway, AnIncompleteBodyIsNoRequest) {
  for (Protocol protocol : kBoth) {
    const std::string bytes = post(protocol, "/echo", "hello");
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      Play play(std::string_view(bytes).substr(0, cut), protocol);
      ASSERT_TRUE(play.end()) << cut;
      EXPECT_EQ(play.peer.received, "") << cut;
    }
  }
}

TEST(Gateway, WhatIsRefusedIsAnsweredInTheProtocol) {
  for (Protocol protocol : kBoth) {
    const auto status = [protocol](const std::string& bytes) {
      Play play(bytes, protocol);
      EXPECT_TRUE(play.end());
      EXPECT_EQ(play.handled(), 0);
      EXPECT_EQ(play.reported, 1);
      const std::string& all = play.peer.received;
      EXPECT_TRUE(all.starts_with(protocol == Protocol::kUwsgi ? "HTTP/1.1 " : "Status: ")) << all;
      return all.substr(all.find(' ') + 1, 3);
    };
    EXPECT_EQ(status(get(protocol, "/a\n")), "400");
    EXPECT_EQ(status(request(protocol, variables_of("TRACE", "/a"))), "405");
    if (protocol == Protocol::kUwsgi) {  // nothing says where its body ends
      Variables chunked = variables_of("POST", "/echo");
      chunked.push_back({"HTTP_TRANSFER_ENCODING", "chunked"});
      std::string bytes;
      ASSERT_TRUE(codec::uwsgi::append_packet(bytes, 0, 0, chunked));
      EXPECT_EQ(status(bytes + "hello"), "411");
    }
    Variables many = variables_of("GET", "/a");
    const std::string large(40'000, 'x');
    many.push_back({"HTTP_X", large});
    EXPECT_EQ(status(request(protocol, many)), "431");
    many.back() = {"QUERY_STRING", large};
    const std::string target = "/?" + large.substr(0, 17'000);
    many[1].value = target;
    EXPECT_EQ(status(request(protocol, many)), "414");
    many = variables_of("GET", "/a");
    for (std::string_view name : {"HTTP_X1", "HTTP_X2", "HTTP_X3"})
      many.push_back({name, std::string_view(large).substr(0, 12'000)});
    EXPECT_EQ(status(request(protocol, many)), "431");
    many = variables_of("GET", "/a");
    for (size_t i = 0; i < ServeOptions().head.fields; ++i) many.push_back({"HTTP_X", "1"});
    EXPECT_EQ(status(request(protocol, many)), "431");
    for (int i = 0; i < 100; ++i) many.push_back({"X", "1"});
    EXPECT_EQ(status(request(protocol, many)), "431");
  }
}

std::string packet(std::string_view pairs) {
  std::string bytes("\0\0\0\0", 4);
  bytes[1] = static_cast<char>(pairs.size());
  return bytes.append(pairs);
}

TEST(Gateway, MalformedIsClosedUnanswered) {
  const std::vector<std::pair<Protocol, std::string>> cases = {
      {Protocol::kUwsgi, std::string("\0\0\0\0", 4)},
      {Protocol::kUwsgi, std::string("\0\xff\xff\0ten bytes.", 14)},
      {Protocol::kUwsgi, packet(std::string("\0\0\1\0x", 5))},
      {Protocol::kUwsgi, packet(std::string("\x09\0A\0\0", 5))},
      {Protocol::kUwsgi, packet(std::string("\1\0A\x09\0", 5))},
      {Protocol::kUwsgi, request(Protocol::kUwsgi, {{"REQUEST_METHOD", "GET"}, {"CONTENT_LENGTH", "0"}})},
      {Protocol::kUwsgi,
       request(Protocol::kUwsgi, {{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/"}, {"\xc3\xa9", ""}})},
      {Protocol::kScgi, "0:,"},
      {Protocol::kScgi, "012:"},
      {Protocol::kScgi, "99999999999:"},
      {Protocol::kScgi, "70:" + std::string(71, 'x')},
      {Protocol::kScgi, "no colon within twenty bytes"},
      {Protocol::kScgi, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {Protocol::kScgi, std::string("24:CONTENT_LENGTH\0"
                                    "0\0SCGI\0"
                                    "2\0,",
                                    28)},
  };
  for (const auto& [protocol, bytes] : cases) {
    for (int slowly : {0, 1}) {
      Play play(bytes, protocol);
      for (size_t count = 0; slowly && count < bytes.size(); ++count) play.quiet_step(1);
      ASSERT_TRUE(play.end());
      EXPECT_EQ(play.peer.received, "") << bytes;
      EXPECT_EQ(play.handled(), 0);
      EXPECT_EQ(play.reported, 1);
    }
  }
}

ServeOptions speaking(Protocol protocol) {
  ServeOptions options;
  options.protocol = protocol;
  return options;
}

TEST(Gateway, OtherModifiersAreRefusedAndExplained) {
  test::TestServer server(speaking(Protocol::kUwsgi));
  const std::string_view perl("\x05\x10\0\0", 4);
  for (std::string_view bytes : {perl, std::string_view("GET / HTTP/1.1\r\n\r\n"), perl}) {
    test::Client client(server);
    ASSERT_TRUE(client.send(bytes));
    client.finish_sending();
    ASSERT_TRUE(client.receive_to_end());
    EXPECT_TRUE(client.received.starts_with("HTTP/1.1 501 ")) << client.received;
  }
  EXPECT_EQ(server.handler.requests, 0);
  ASSERT_EQ(server.log.lines.size(), 2u) << "one of each kind";
  EXPECT_NE(server.log.lines[1].find("no uwsgi request: an HTTP request"), std::string::npos) << server.log.lines[1];
  EXPECT_NE(server.log.lines[0].find(": a uwsgi request with modifier1 5 was answered 501"), std::string::npos)
      << server.log.lines[0];
}

TEST(Gateway, WhatAWebServerSendsIsKnown) {
  EXPECT_STREQ(web_server_request(get(Protocol::kUwsgi, "/a")), "a uwsgi request");
  EXPECT_STREQ(web_server_request(get(Protocol::kScgi, "/a")), "an SCGI request");
  const std::string_view begin("\1\1\0\1\0\x08\0\0\0\1\0\0\0\0\0\0", 16);
  EXPECT_STREQ(web_server_request(begin), "a FastCGI request");
  EXPECT_EQ(web_server_request(begin.substr(0, 5)), nullptr);
  for (const char* other : {"", "GET / HTTP/1.1\r\n", "\x16\x03\x01", "70:CONTENT", ":CONTENT_LENGTH"}) {
    EXPECT_EQ(web_server_request(other), nullptr) << other;
  }
}

TEST(Gateway, TheWebServerSaysWhoAsks) {
  for (Protocol protocol : kBoth) {
    test::TestServer server(speaking(protocol));
    test::Client client(server);
    Variables variables = variables_of("GET", "/where");
    for (auto [name, value] : {std::pair("HTTPS", "on"), {"REMOTE_PORT", "4711"}, {"SERVER_PORT", "8443"}}) {
      variables.push_back({name, value});
    }
    ASSERT_TRUE(client.send(request(protocol, variables)));
    ASSERT_TRUE(client.receive_to_end());
    EXPECT_TRUE(client.received.ends_with("\r\n\r\nhttps a.example front 8443 192.0.2.7")) << client.received;
    EXPECT_EQ(server.filter.peers, std::vector<std::string>{"192.0.2.7:4711"});
  }
}

TEST(Gateway, ANamelessClientIsNobodyToBelieve) {
  test::TestServer server(speaking(Protocol::kScgi));
  test::Client client(server);
  ASSERT_TRUE(client.send(request(Protocol::kScgi, {{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/where"}})));
  ASSERT_TRUE(client.receive_to_end());
  const std::string port = std::to_string(server.listener->local_address().port);
  EXPECT_TRUE(client.received.ends_with("http 127.0.0.1:" + port + " 127.0.0.1 80 ")) << client.received;
  EXPECT_EQ(server.filter.peers, std::vector<std::string>{":0"});
}

TEST(Gateway, AHangUpIsTold) {
  for (Protocol protocol : kBoth) {
    test::TestServer server(speaking(protocol));
    test::Client client(server);
    ASSERT_TRUE(client.send(get(protocol, "/wait")));
    ASSERT_TRUE(server.run_until([&] { return server.handler.requests == 1; }));
    client.leave_with_reset();
    EXPECT_TRUE(server.run_until([&] { return server.handler.gate.gone == 1 && server.server->connections() == 0; }));
    ASSERT_EQ(server.observer.entries.size(), 1u);
    EXPECT_EQ(server.observer.entries[0].summary.status, 0);
  }
}

TEST(Gateway, DrainsWhatRuns) {
  for (Protocol protocol : kBoth) {
    test::TestServer server(speaking(protocol));
    test::Client client(server);
    ASSERT_TRUE(client.send(get(protocol, "/wait")));
    ASSERT_TRUE(server.run_until([&] { return server.handler.requests == 1; }));
    bool drained = false;
    server.server->drain([&] { drained = true; });
    server.run_for(20);
    EXPECT_FALSE(drained);
    server.handler.gate.let_go();
    ASSERT_TRUE(client.receive_to_end());
    EXPECT_TRUE(client.received.ends_with("waited"));
    EXPECT_TRUE(server.run_until([&] { return drained; }));
  }
}

TEST(Gateway, AnUnreadBodyDoesNotEatTheAnswer) {
  for (Protocol protocol : kBoth) {
    test::TestServer server(speaking(protocol));
    test::Client client(server);
    ASSERT_TRUE(client.send(post(protocol, "/early", std::string(3'000'000, 'x'))));
    client.finish_sending();
    ASSERT_TRUE(client.receive_to_end());
    EXPECT_TRUE(client.received.ends_with("early")) << client.received;
    EXPECT_FALSE(client.reset);
  }
}

TEST(Gateway, LimitsHold) {
  for (Protocol protocol : kBoth) {
    ServeOptions options = speaking(protocol);
    options.body_limit = 10;
    options.header_timeout = std::chrono::milliseconds(50);
    test::TestServer server(options);
    test::Client large(server);
    ASSERT_TRUE(large.send(post(protocol, "/echo", "eleven byte")));
    large.finish_sending();
    ASSERT_TRUE(large.receive_to_end());
    EXPECT_NE(large.received.find(" 413 "), std::string::npos) << large.received;
    test::Client slow(server);
    ASSERT_TRUE(slow.send(get(protocol, "/a").substr(0, 20)));
    ASSERT_TRUE(slow.receive_text(" 408 ", 3000)) << slow.received;
    EXPECT_EQ(server.handler.requests, 0);
  }
}

}  // namespace
}  // namespace cutwater::serve

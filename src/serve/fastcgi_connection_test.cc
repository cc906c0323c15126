// FastCGI connections (faults.md 96 to 100): several requests on one, each answered by itself, however their records
// come.
#include "serve/fastcgi_connection.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "codec/fastcgi/name_value.h"
#include "codec/fastcgi/record.h"
#include "serve/fault_play.h"
#include "serve/test_server.h"

namespace cutwater::serve {
namespace {

using codec::fastcgi::RecordType;
using codec::fastcgi::Role;
using fault::Play;

constexpr bool kKeep = true;

std::string begin(uint16_t id, bool keep, Role role = Role::kResponder) {
  std::string bytes;
  codec::fastcgi::append_begin_request(bytes, id, role, keep);
  return bytes;
}

std::string params(uint16_t id, std::string_view method, std::string_view path, std::string_view length,
                   std::string_view data_length = "-") {
  std::string pairs;
  if (data_length == "twice") {
    codec::fastcgi::append_pair(pairs, "FCGI_DATA_LENGTH", "3");
    data_length = "4";
  }
  if (data_length != "-") codec::fastcgi::append_pair(pairs, "FCGI_DATA_LENGTH", data_length);
  for (auto [name, value] : {std::pair(std::string_view("REQUEST_METHOD"), method),
                             {"REQUEST_URI", path},
                             {"SERVER_NAME", "front"},
                             {"REMOTE_ADDR", "192.0.2.7"},
                             {"CONTENT_LENGTH", length}}) {
    codec::fastcgi::append_pair(pairs, name, value);
  }
  std::string bytes;
  codec::fastcgi::append_stream(bytes, RecordType::kParams, id, pairs);
  codec::fastcgi::append_record(bytes, RecordType::kParams, id, {});
  return bytes;
}

// As of a web server that does not wait for the end of a chunked body.
std::string chunked_params(uint16_t id, std::string_view path, std::string_view coding = "chunked") {
  std::string pairs;
  for (auto [name, value] : {std::pair(std::string_view("REQUEST_METHOD"), std::string_view("POST")),
                             {"REQUEST_URI", path},
                             {"HTTP_TRANSFER_ENCODING", coding},
                             {"CONTENT_LENGTH", ""}}) {
    codec::fastcgi::append_pair(pairs, name, value);
  }
  std::string bytes;
  codec::fastcgi::append_stream(bytes, RecordType::kParams, id, pairs);
  codec::fastcgi::append_record(bytes, RecordType::kParams, id, {});
  return bytes;
}

std::string input(uint16_t id, std::string_view body) {
  std::string bytes;
  codec::fastcgi::append_stream(bytes, RecordType::kStdin, id, body);
  codec::fastcgi::append_record(bytes, RecordType::kStdin, id, {});
  return bytes;
}

std::string data(uint16_t id, std::string_view bytes) {
  std::string records;
  codec::fastcgi::append_stream(records, RecordType::kData, id, bytes);
  codec::fastcgi::append_record(records, RecordType::kData, id, {});
  return records;
}

std::string get(uint16_t id, std::string_view path, bool keep = kKeep) {
  return begin(id, keep) + params(id, "GET", path, "") + input(id, "");
}
std::string post(uint16_t id, std::string_view path, std::string_view body, bool keep = kKeep) {
  return begin(id, keep) + params(id, "POST", path, std::to_string(body.size())) + input(id, body);
}

struct Answer {
  std::string output;
  bool ended = false;
  int protocol_status = -1;
};

// By request id, which may be used again. Whole records alone; what is no record of an answer is a failure.
std::map<uint16_t, Answer> answers(std::string_view bytes) {
  std::map<uint16_t, Answer> all;
  while (auto header = codec::fastcgi::read_header(bytes)) {
    const size_t size = size_t{8} + header->content_length + header->padding_length;
    if (bytes.size() < size) break;
    const std::string_view content = bytes.substr(8, header->content_length);
    Answer& answer = all[header->request_id];
    if (header->type == static_cast<uint8_t>(RecordType::kStdout)) {
      answer.output += content;
    } else if (header->type == static_cast<uint8_t>(RecordType::kEndRequest)) {
      answer.ended = true;
      answer.protocol_status = static_cast<int>(codec::fastcgi::read_end_request(content)->protocol_status);
    } else {
      ADD_FAILURE() << "record of type " << int{header->type};
    }
    bytes.remove_prefix(size);
  }
  return all;
}

std::string ok(std::string_view body) {
  return "Status: 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

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
    Play play(get(1, path), Protocol::kFastcgi);
    ASSERT_TRUE(play.end());
    EXPECT_FALSE(answers(play.peer.received).at(1).ended) << path;
    EXPECT_TRUE(play.peer.reset) << path;
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
                                   begin(1, kKeep) + begin(1, kKeep), begin(1, kKeep) + input(1, "early")}) {
    Play play(bytes, Protocol::kFastcgi);
    ASSERT_TRUE(play.end());
    EXPECT_EQ(play.handled(), 0);
    EXPECT_EQ(play.peer.received, "");
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

ServeOptions fastcgi_options() {
  ServeOptions options;
  options.protocol = Protocol::kFastcgi;
  return options;
}

struct FastcgiServer : ::testing::Test {
  bool receive_end(uint16_t id) {
    return client.receive_until([&] {
      const auto all = answers(client.received);
      return all.contains(id) && all.at(id).ended;
    });
  }
  test::TestServer server{fastcgi_options()};
  test::Client client{server};
};

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
  EXPECT_EQ(server.handler.gate.gone, 1) << "it may have left: who only waits should know";
  EXPECT_TRUE(all.at(1).output.ends_with("waited"));
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

}  // namespace
}  // namespace cutwater::serve

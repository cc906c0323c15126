// A FastCGI program that takes several requests at once on a connection, and a gateway that has found that out.
#pragma once

#include "codec/fastcgi/name_value.h"
#include "codec/fastcgi/record.h"
#include "handler/gateway_test_support.h"

namespace cutwater::handler {

using codec::fastcgi::ProtocolStatus;
using codec::fastcgi::RecordType;

// What it says is the test's.
class Program {
 public:
  class Line {
   public:
    // `last`: the stream whose end makes a request whole; an authorizer gets no body.
    Line(io::Loop& loop, base::FileDescriptor socket, RecordType last)
        : stream_(io::make_socket_stream(loop, std::move(socket))), last_(last) {
      tasks_.start(listen());
    }
    void say(std::string_view bytes) {
      const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
      const io::IoResult result = stream_->write(std::span(&piece, 1));
      EXPECT_EQ(result.count, bytes.size());
    }
    void output(uint16_t id, std::string_view text) {
      std::string bytes;
      codec::fastcgi::append_record(bytes, RecordType::kStdout, id, text);
      say(bytes);
    }
    void end(uint16_t id, ProtocolStatus status = ProtocolStatus::kRequestComplete) {
      std::string bytes;
      codec::fastcgi::append_end_request(bytes, id, {0, status});
      say(bytes);
    }
    void answer(uint16_t id, const std::string& body) {
      output(id, "Status: 200\n\n" + body);
      end(id);
    }
    void hang_up() {
      tasks_.cancel_all();
      stream_.reset();
    }
    // Whole requests that wait for an answer, in the order in which they came.
    std::vector<uint16_t> requests;
    std::vector<uint16_t> aborted;
    unsigned asked = 0;
    bool closed = false;  // by the other side

   private:
    base::Task<void> listen() {
      while (true) {
        co_await stream_->readable(base::kNever);
        char buffer[65536];
        const io::IoResult result = stream_->read(buffer);
        if (result.status == io::IoStatus::kWouldBlock) continue;
        closed = result.status != io::IoStatus::kDone;
        if (closed) co_return;
        received_.append(buffer, result.count);
        take_records();
      }
    }
    void take_records() {
      while (const auto header = codec::fastcgi::read_header(received_)) {
        const size_t whole = codec::fastcgi::kHeaderBytes + header->content_length + header->padding_length;
        if (received_.size() < whole) return;
        received_.erase(0, whole);
        const auto type = static_cast<RecordType>(header->type);
        if (type == last_ && header->content_length == 0) requests.push_back(header->request_id);
        if (type == RecordType::kAbortRequest) aborted.push_back(header->request_id);
        if (type != RecordType::kGetValues) continue;
        ++asked;
        std::string values, reply;
        codec::fastcgi::append_pair(values, "FCGI_MPXS_CONNS", "1");
        codec::fastcgi::append_record(reply, RecordType::kGetValuesResult, 0, values);
        say(reply);
      }
    }
    std::unique_ptr<io::Stream> stream_;
    const RecordType last_;
    std::string received_;
    base::TaskSet tasks_;
  };

  Program(io::Loop& loop, base::LogSink& log) {
    auto socket = io::open_listening_socket("127.0.0.1:0", {});
    EXPECT_TRUE(socket.ok());
    listener_ = std::make_unique<io::Listener>(
        loop, std::move(*socket), log, [&](base::FileDescriptor accepted, const io::Address&) {
          lines.push_back(std::make_unique<Line>(loop, std::move(accepted), last_of_request));
        });
    address = io::to_text(listener_->local_address());
  }
  std::string address;
  std::vector<std::unique_ptr<Line>> lines;
  RecordType last_of_request = RecordType::kStdin;

 private:
  std::unique_ptr<io::Listener> listener_;
};

struct SharedGateway : GatewayTest {
  SharedGateway() {
    options.protocol = GatewayProtocol::kFastcgi;
    peer_options.max_fails = 2;
  }
  TestExchange& start(std::string_view method = "GET") {
    exchanges.push_back(std::make_unique<TestExchange>(method, "/"));
    if (method == "POST") exchanges.back()->with_body({"body"});
    exchanges.back()->start(gateway());
    return *exchanges.back();
  }
  upstream::Peer& peer() { return *group.peers().front(); }
  Program::Line& line(size_t number) { return *program.lines[number]; }
  void until_asked(size_t number, size_t requests) {
    runner.until([&, number, requests] {
      return program.lines.size() > number && program.lines[number]->requests.size() >= requests;
    });
  }
  void until_done(TestExchange& exchange) {
    runner.until([&] { return exchange.done; });
  }
  // One request, and the program is known to multiplex.
  void make_shared() {
    add_peer(program.address);
    TestExchange& first = start();
    until_asked(0, 1);
    line(0).answer(1, "first");
    until_done(first);
    runner.until([&] { return peer().multiplexing().connections() == 1; });
    line(0).requests.clear();
    exchanges.clear();
  }

  Program program{loop, log};
  std::vector<std::unique_ptr<TestExchange>> exchanges;
};

}  // namespace cutwater::handler

// The authorizer role: what lets through, and what a client gets else.
#include "handler/authorizer.h"

#include "codec/fastcgi/record.h"
#include "codec/fastcgi/server_session.h"
#include "handler/gateway_test_support.h"
#include "handler/router.h"

namespace cutwater::handler {
namespace {

// Plays an authorizer that answers with `output` in records.
class FakeAuthorizer {
 public:
  FakeAuthorizer(io::Loop& loop, base::LogSink& log) : loop_(loop) {
    auto socket = io::open_listening_socket("127.0.0.1:0", {});
    EXPECT_TRUE(socket.ok());
    listener_ = std::make_unique<io::Listener>(
        loop, std::move(*socket), log,
        [this](base::FileDescriptor accepted, const io::Address&) { tasks_.start(serve(std::move(accepted))); });
    address = io::to_text(listener_->local_address());
  }
  std::string address, output, variables;
  bool ends = true;
  codec::fastcgi::Role role = codec::fastcgi::Role::kResponder;

 private:
  base::Task<void> serve(base::FileDescriptor accepted) {
    auto stream = io::make_socket_stream(loop_, std::move(accepted));
    codec::fastcgi::ServerSession session({});
    std::string received, replies;
    while (true) {
      co_await stream->readable(base::kNever);
      char buffer[65536];
      const io::IoResult result = stream->read(buffer);
      if (result.status == io::IoStatus::kWouldBlock) continue;
      if (result.status != io::IoStatus::kDone) co_return;
      received.append(buffer, result.count);
      const auto event = session.next(received, replies);
      received.erase(0, event.consumed);
      if (event.kind != codec::fastcgi::ServerSession::Event::kRequest) continue;
      role = session.role(1);
      for (const auto& variable : session.variables(1)) variables.append(variable.name).append(" ");
      std::string bytes;
      codec::fastcgi::append_stream(bytes, codec::fastcgi::RecordType::kStdout, 1, output);
      if (ends) codec::fastcgi::append_end_request(bytes, 1, {});
      const iovec all{bytes.data(), bytes.size()};
      stream->write(std::span(&all, 1));
      co_return;
    }
  }

  io::Loop& loop_;
  std::unique_ptr<io::Listener> listener_;
  base::TaskSet tasks_;
};

class Inner final : public message::Handler {
 public:
  base::Task<void> handle(message::Exchange& exchange) override {
    for (const auto& field : exchange.request.variables) seen.append(field.name).append("=").append(field.value) += ";";
    auto reading = exchange.body.read();
    const message::BodyPiece piece = co_await reading;
    message::Response response;
    auto writing = exchange.response.head(response, std::string("inside ").append(piece.bytes), true);
    co_await writing;
  }
  std::string seen;
};

struct AuthorizerTest : GatewayTest {
  AuthorizerTest() {
    options.protocol = GatewayProtocol::kFastcgi;
    options.role = codec::fastcgi::Role::kAuthorizer;
    options.buffer = true;
    peer_options.keepalive = 0;
    add_peer(program.address);
  }
  void ask(TestExchange& exchange) {
    Authorizer authorizer(gateway());
    Router router;
    router.add_route({"/", false}, inner, &authorizer);
    exchange.start(router);
    runner.until([&] { return exchange.done; });
  }

  FakeAuthorizer program{loop, log};
  Inner inner;
};

TEST_F(AuthorizerTest, A200LetsThroughWithItsVariables) {
  program.output =
      "Status: 200\r\nVariable-REMOTE_USER: ada\r\nvariable-level: 3\r\nVariable-REQUEST_METHOD: DELETE\r\n"
      "Variable-HTTP_HOST: x\r\nVariable-wsgi.input: x\r\nX-Other: y\r\n\r\nnobody reads this";
  TestExchange exchange("POST", "/a");
  exchange.request.variables.add("REMOTE_USER", "mallory");
  exchange.with_body({"body"});
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 200);
  EXPECT_EQ(exchange.writer.content, "inside body");
  EXPECT_EQ(exchange.writer.header("X-Other"), "");
  EXPECT_EQ(inner.seen, "REMOTE_USER=ada;level=3;");
  EXPECT_EQ(program.role, codec::fastcgi::Role::kAuthorizer);
  EXPECT_NE(program.variables.find("REQUEST_URI"), std::string::npos);
  for (const char* name : {"CONTENT_LENGTH", "PATH_INFO", "SCRIPT_NAME"}) {
    EXPECT_EQ(program.variables.find(name), std::string::npos) << name;
  }
}

TEST_F(AuthorizerTest, EverythingElseIsTheClients) {
  for (const char* status : {"403 No", "401 Who", "302 There", "204 Nothing", "201 Made"}) {
    program.output = std::string("Status: ") + status + "\r\nX-Why: because\r\n\r\n";
    TestExchange exchange("GET", "/a");
    ask(exchange);
    EXPECT_EQ(exchange.writer.status(), std::stoi(status));
    EXPECT_EQ(exchange.writer.header("X-Why"), "because");
  }
  EXPECT_EQ(inner.seen, "");
}

TEST_F(AuthorizerTest, A200ThatBreaksOffLetsNobodyThrough) {
  program.output = "Variable-REMOTE_USER: ada\r\n\r\nbegun";
  program.ends = false;
  TestExchange exchange("GET", "/a");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_EQ(inner.seen, "");
}

TEST_F(AuthorizerTest, NoAnswerLetsNobodyThrough) {
  program.output = "";
  TestExchange exchange("GET", "/a");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
}

TEST_F(AuthorizerTest, ManyBytesOfAGrantLetNobodyThrough) {
  program.output = "\n" + std::string(70'000, 'x');
  TestExchange exchange("GET", "/a");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
}

}  // namespace
}  // namespace cutwater::handler

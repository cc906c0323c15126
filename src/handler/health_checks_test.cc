#include "handler/health_checks.h"

#include <sys/socket.h>

#include "handler/gateway_test_support.h"
#include "io/timer.h"

namespace cutwater::handler {
namespace {

// Answers with a head that never ends, and never pauses for long.
class Dripping {
 public:
  Dripping(io::Loop& loop, base::LogSink& log) : loop_(loop) {
    listener_ = std::make_unique<io::Listener>(loop, std::move(*io::open_listening_socket("127.0.0.1:0", {})), log,
                                               [this](base::FileDescriptor accepted, const io::Address&) {
                                                 clients_.push_back(std::move(accepted));
                                                 send("HTTP/1.1 200 OK\r\nX: ");
                                               });
    address = io::to_text(listener_->local_address());
    send("");
  }
  std::string address;

 private:
  void send(std::string_view bytes) {
    for (const base::FileDescriptor& client : clients_) ::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    next_.set(loop_.now() + std::chrono::milliseconds(2));
  }

  io::Loop& loop_;
  std::unique_ptr<io::Listener> listener_;
  std::vector<base::FileDescriptor> clients_;
  io::Timer next_{loop_.timers(), [this] { send("x"); }};
};

// Says at once what `output` and `end` are.
class FakeChecked final : public FakeProgram {
  using FakeProgram::FakeProgram;
  bool take(const Event& event) override { return event.kind == Event::kRequest; }
};

struct HealthChecksTest : GatewayTest {
  // A server that answers its check with `status` and all else with its number.
  FakeServer& member(size_t number) {
    statuses.resize(std::max(statuses.size(), number + 1), 200);
    return server([this, number](const std::string& request) -> FakeAnswer {
      if (!request.starts_with("GET /readyz?full=1 HTTP/1.1\r\n")) return ok(std::to_string(number));
      ++asked;
      if (statuses[number] == 0) return {"", FakeAnswer::Then::kClose};
      if (statuses[number] == 1) return {"", FakeAnswer::Then::kKeep};
      return {"HTTP/1.1 " + std::to_string(statuses[number]) + " x\r\nContent-Length: 0\r\n\r\n",
              FakeAnswer::Then::kClose};
    });
  }
  void begin(unsigned fails = 2, GatewayProtocol protocol = GatewayProtocol::kHttp) {
    checks = std::make_unique<HealthChecks>(
        HealthCheckOptions{protocol, "/readyz?full=1", "", std::chrono::milliseconds(20), fails}, group, loop, log);
  }
  std::string asked_servers(int requests) {
    std::string answers;
    for (int i = 0; i < requests; ++i) {
      TestExchange exchange("GET", "/");
      ask(exchange);
      answers += exchange.writer.status() == 200 ? exchange.writer.content : std::to_string(exchange.writer.status());
    }
    return answers;
  }
  void until_well(size_t number, bool well) {
    runner.until([&] { return group.peers()[number]->is_well() == well; });
  }

  std::vector<int> statuses;
  int asked = 0;
  std::unique_ptr<HealthChecks> checks;
};

TEST_F(HealthChecksTest, WhoFailsGetsNoRequestsUntilItPasses) {
  member(0);
  member(1);
  begin();
  runner.until([&] { return asked >= 4; });
  EXPECT_EQ(asked_servers(4), "0101");
  statuses[1] = 503;
  until_well(1, false);
  EXPECT_EQ(asked_servers(4), "0000");
  EXPECT_TRUE(logged("CW0620"));
  EXPECT_NE(log.lines.back().find("fails its check GET /readyz?full=1: answered 503;"), std::string::npos);
  statuses[1] = 302;
  until_well(1, true);
  EXPECT_NE(log.lines.back().find("passes its check again"), std::string::npos);
  EXPECT_NE(asked_servers(4).find('1'), std::string::npos);
}

TEST_F(HealthChecksTest, AFailureBetweenPassesIsForgiven) {
  member(0);
  begin(3);
  runner.until([&] { return asked >= 1; });
  for (int round = 0; round < 3; ++round) {
    const int before = asked;
    statuses[0] = 500;
    runner.until([&] { return asked >= before + 2; });
    statuses[0] = 200;
    runner.until([&] { return asked >= before + 3; });
  }
  EXPECT_FALSE(logged("CW0620"));
}

TEST_F(HealthChecksTest, SilenceGarbageAndRefusalFail) {
  member(0).die();
  member(1);
  member(2);
  statuses[1] = 0;
  statuses[2] = 1;
  server([](const std::string&) -> FakeAnswer { return {"nonsense\r\n\r\n", FakeAnswer::Then::kClose}; });
  begin();
  for (size_t i = 0; i < 4; ++i) until_well(i, false);
  std::string all;
  for (const std::string& line : log.lines) all += line + "\n";
  for (const char* reason : {"cannot be reached: Connection refused", "closed the connection instead of answering",
                             "did not answer in time", "sent what is no HTTP answer"}) {
    EXPECT_NE(all.find(reason), std::string::npos) << reason << "\n" << all;
  }
}

TEST_F(HealthChecksTest, OneDeadlineForAllOfTheAnswer) {
  Dripping server(loop, log);
  add_peer(server.address);
  begin();
  until_well(0, false);
  EXPECT_NE(log.lines.back().find("did not answer in time"), std::string::npos) << log.lines.back();
}

TEST_F(HealthChecksTest, OneThatIsOverloadedSaysSo) {
  FakeChecked program(loop, log);
  program.end.protocol_status = codec::fastcgi::ProtocolStatus::kOverloaded;
  add_peer(program.address);
  begin(2, GatewayProtocol::kFastcgi);
  until_well(0, false);
  EXPECT_NE(log.lines.back().find("refused a request: it is overloaded"), std::string::npos) << log.lines.back();
}

TEST_F(HealthChecksTest, WhoComesBackIsForgivenWhatItsRequestsMet) {
  FakeServer& only = member(0);
  statuses[0] = 500;
  begin();
  until_well(0, false);
  for (unsigned i = 0; i < peer_options.max_fails; ++i) group.peers()[0]->note_failure(loop.now());
  EXPECT_TRUE(group.peers()[0]->is_down());
  statuses[0] = 200;
  until_well(0, true);
  EXPECT_FALSE(group.peers()[0]->is_down());
  EXPECT_EQ(asked_servers(1), "0");
  EXPECT_FALSE(only.requests.empty());
}

TEST_F(HealthChecksTest, EndsWhileServersAreAsked) {
  member(0);
  statuses[0] = 1;
  begin();
  runner.until([&] { return asked >= 1; });
  checks.reset();
}

}  // namespace
}  // namespace cutwater::handler

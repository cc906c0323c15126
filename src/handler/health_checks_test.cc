#include "handler/health_checks.h"

#include "handler/gateway_test_support.h"

namespace cutwater::handler {
namespace {

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
  void begin(unsigned fails = 2) {
    checks = std::make_unique<HealthChecks>(
        HealthCheckOptions{GatewayProtocol::kHttp, "/readyz?full=1", "", std::chrono::milliseconds(20), fails}, group,
        loop, log);
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

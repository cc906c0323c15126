// A server is free once it has said all, however slow the client is.
#include "handler/gateway_test_support.h"

namespace cutwater::handler {
namespace {

const std::string kContent(1 << 20, 'x');

struct SlowClient : GatewayTest {
  SlowClient() { exchange.writer.held = true; }
  void until_free(FakeServer& server) {
    runner.until([&] { return server.open() == 0 && group.peers().front()->active() == 0; });
  }
  void finish() {
    exchange.writer.release();
    runner.until([&] { return exchange.done; });
  }

  TestExchange exchange{"GET", "/"};
};

// Like php-fpm, which keeps a process for a connection that may be used again.
TEST_F(SlowClient, AConnectionThatIsNotKeptEndsWithItsAnswer) {
  FakeServer& waits = server([](const std::string&) -> FakeAnswer {
    return {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(kContent.size()) + "\r\n\r\n" +
                kContent,
            FakeAnswer::Then::kKeep};
  });
  exchange.start(gateway());
  runner.until([&] { return waits.requests.size() == 1; });
  until_free(waits);
  EXPECT_FALSE(exchange.done);
  finish();
  EXPECT_EQ(exchange.writer.content, kContent);
  EXPECT_TRUE(exchange.writer.finished);
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(SlowClient, ACutIsKnownAtOnce) {
  FakeServer& breaks = server([](const std::string&) -> FakeAnswer {
    return {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n" + kContent + "\r\nnonsense\r\n",
            FakeAnswer::Then::kKeep};
  });
  exchange.start(gateway());
  runner.until([&] { return logged("CW0604"); });
  until_free(breaks);
  EXPECT_FALSE(exchange.done);
  EXPECT_FALSE(exchange.writer.aborted);
  finish();
  EXPECT_GT(exchange.writer.content.size(), kContent.size() / 2);
  EXPECT_TRUE(exchange.writer.aborted);
  EXPECT_EQ(log.lines.size(), 1u);
}

}  // namespace
}  // namespace cutwater::handler

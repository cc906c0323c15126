#include "handler/web_server_fields.h"

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

struct TestSender final : message::Sender {
  explicit TestSender(bool is) : trusted(is) {}
  bool is_trusted_web_server() const override { return trusted; }
  const bool trusted;
};

message::Headers answer() {
  message::Headers headers;
  for (std::string_view name : {"Content-Type", "x-accel-redirect", "X-Accel-Buffering", "X-Sendfile",
                                "X-Lighttpd-Send-File", "X-Accelerated", "X"})
    headers.add(name, "/srv");
  return headers;
}

TEST(WebServerFields, AreATrustedWebServersAlone) {
  TestExchange exchange("GET", "/");
  for (const bool trusted : {false, true}) {
    const TestSender sender(trusted);
    exchange.exchange.sender = &sender;
    message::Headers headers = answer();
    hide_web_server_fields(exchange.exchange, headers);
    EXPECT_EQ(headers.size(), trusted ? 7u : 3u);
    EXPECT_EQ(headers.count("X-Accel-Redirect"), trusted ? 1u : 0u);
    EXPECT_EQ(headers.count("X-Accelerated"), 1u);
  }
  exchange.exchange.sender = nullptr;
  message::Headers headers = answer();
  hide_web_server_fields(exchange.exchange, headers);
  EXPECT_EQ(headers.size(), 3u);
}

TEST(WebServerFields, AreMissedOnce) {
  NotingLog log;
  FileNameHint hint(log, "app shop", "[app.shop]");
  TestExchange exchange("GET", "/report");
  const TestSender web_server(true);
  exchange.exchange.sender = &web_server;
  message::Headers headers = answer();
  hide_web_server_fields(exchange.exchange, headers, &hint);
  EXPECT_TRUE(log.lines.empty());
  exchange.exchange.sender = nullptr;
  message::Headers other;
  other.add("X-Accel-Buffering", "no");
  hide_web_server_fields(exchange.exchange, other, &hint);
  EXPECT_TRUE(log.lines.empty());
  for (int i = 0; i < 3; ++i) {
    headers = answer();
    hide_web_server_fields(exchange.exchange, headers, &hint);
    EXPECT_EQ(headers.size(), 3u);
  }
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_TRUE(log.lines[0].starts_with(
      "CW0516 app shop: the answer to GET /report names a file, X-Accel-Redirect: /srv, but [app.shop] has no"));
}

}  // namespace
}  // namespace cutwater::handler

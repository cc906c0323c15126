// Answers that name another one: a file of ours, or what stands at another path (faults.md 46, 116b).
#include <fcntl.h>

#include <filesystem>
#include <fstream>

#include "handler/gateway_test_support.h"
#include "handler/local_redirect.h"

namespace cutwater::handler {
namespace {

using Then = FakeAnswer::Then;

struct NamedByServers : GatewayTest {
  NamedByServers() {
    std::string name = testing::TempDir() + "named-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
    std::ofstream(folder / "x.txt") << "the file";
  }
  ~NamedByServers() override { std::filesystem::remove_all(folder); }
  void allow() {
    std::vector<NamedFolder> folders;
    folders.push_back(
        {"/files/", folder, share(base::FileDescriptor(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)))});
    gateway().send_named(std::make_unique<NamedFiles>("upstream api", std::move(folders), loop, offload, log));
  }
  static FakeAnswer naming(const std::string& body) {
    return {"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /files/x.txt\r\nX-Kept: yes\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body,
            Then::kKeep};
  }
  std::filesystem::path folder;
};

TEST_F(NamedByServers, TheFileInPlaceOfTheBody) {
  FakeServer& api = server([](const std::string&) { return naming("dropped"); });
  allow();
  for (int i = 0; i < 3; ++i) {
    TestExchange exchange("GET", "/view");
    ask(exchange);
    EXPECT_EQ(exchange.writer.status(), 200);
    EXPECT_EQ(exchange.writer.content, "the file");
    EXPECT_EQ(exchange.writer.content_length, 8u);
    EXPECT_EQ(exchange.writer.header("X-Kept"), "yes");
    EXPECT_EQ(exchange.exchange.gone_listener, nullptr);
  }
  EXPECT_EQ(api.connections, 1);
}

TEST_F(NamedByServers, TheServerIsFreeWhileTheClientTakesTheFile) {
  server([](const std::string&) { return naming(""); });
  allow();
  TestExchange slow("GET", "/view");
  slow.writer.held = true;
  slow.start(gateway());
  runner.until([&] { return slow.writer.head_sent(); });
  EXPECT_EQ(group.peers().front()->active(), 0u);
  slow.writer.release();
  runner.until([&] { return slow.done; });
}

TEST_F(NamedByServers, NothingWithoutLeave) {
  server([](const std::string&) { return naming("the body"); });
  TestExchange exchange("GET", "/view");
  ask(exchange);
  EXPECT_EQ(exchange.writer.content, "the body");
  EXPECT_EQ(exchange.writer.header("X-Accel-Redirect"), "");
}

TEST_F(NamedByServers, OneThatBreaksOffNamesNothing) {
  server([](const std::string&) -> FakeAnswer {
    return {"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /files/x.txt\r\nContent-Length: 9\r\n\r\nhalf", Then::kClose};
  });
  allow();
  TestExchange exchange("GET", "/view");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_TRUE(logged("CW0604"));
}

TEST_F(NamedByServers, ALongBodyIsNotWaitedFor) {
  FakeServer& api = server([](const std::string&) { return naming(std::string(8 << 20, 'x')); });
  allow();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(status_of("GET"), 200);
  EXPECT_EQ(api.connections, 2);
}

class Site final : public message::Handler {
 public:
  base::Task<void> handle(message::Exchange& exchange) override {
    const message::Request& request = exchange.request;
    seen.append(request.method).append(" ").append(request.path).append(" ").append(request.query);
    raw_target = request.raw_target;
    redirects = exchange.redirects;
    fields = request.headers.size();
    upgrade = request.upgrade;
    for (const auto& field : request.variables) variables.append(field.name).append("=").append(field.value) += ";";
    auto reading = exchange.body.read();
    const message::BodyPiece piece = co_await reading;
    EXPECT_EQ(piece.status, message::BodyStatus::kEnd);
    EXPECT_EQ(request.framing, message::BodyFraming::kNone);
    message::Response response;
    auto writing = exchange.response.head(response, "there", true);
    co_await writing;
  }
  std::string seen, raw_target, variables, upgrade;
  unsigned redirects = 0;
  size_t fields = 0;
};

class Redirecting final : public message::Handler {
 public:
  Redirecting(message::Handler& site, std::string target) : site_(site), target_(std::move(target)) {}
  base::Task<void> handle(message::Exchange& exchange) override { return redirect_locally(exchange, site_, target_); }

 private:
  message::Handler& site_;
  std::string target_;
};

TEST(LocalRedirect, AsIfItHadBeenAskedForWithGet) {
  for (const char* method : {"POST", "HEAD"}) {
    Site site;
    Redirecting redirecting(site, "/b%20c/../d?e=%20f");
    TestExchange exchange(method, "/a");
    exchange.with_body({"body"});
    exchange.request.headers.add("Content-Type", "x/y");
    exchange.request.headers.add("Cookie", "a=1");
    exchange.request.upgrade = "websocket";
    exchange.request.variables.add("REDIRECT_URL", "/forged");
    exchange.start(redirecting);
    EXPECT_TRUE(exchange.done);
    EXPECT_EQ(site.seen, std::string(*method == 'P' ? "GET" : "HEAD") + " /d e=%20f");
    EXPECT_EQ(site.raw_target, "/b%20c/../d?e=%20f");
    EXPECT_EQ(site.redirects, 1u);
    EXPECT_EQ(site.fields, 1u);
    EXPECT_EQ(site.upgrade, "");
    EXPECT_EQ(site.variables, "REDIRECT_URL=/a;");
    EXPECT_EQ(exchange.writer.content, "there");
    EXPECT_EQ(exchange.request.path, "/a");  // what the log says
    EXPECT_EQ(exchange.exchange.gone_listener, nullptr);
  }
}

// Like one that looks for something first.
class ListensLate final : public message::Handler, public message::ClientGoneListener {
 public:
  base::Task<void> handle(message::Exchange& exchange) override {
    asked = &exchange;
    std::suspend_always never;
    co_await never;
  }
  bool on_client_gone(bool) override {
    told = true;
    return true;
  }
  message::Exchange* asked = nullptr;
  bool told = false;
};

TEST(LocalRedirect, TheClientsLeavingWaitsForWhoAnswers) {
  ListensLate site;
  Redirecting redirecting(site, "/b");
  TestExchange exchange("GET", "/a");
  exchange.start(redirecting);
  ASSERT_NE(site.asked, nullptr);
  EXPECT_FALSE(exchange.leave(true));
  site.asked->gone_listener = &site;
  EXPECT_TRUE(exchange.leave(true));
  EXPECT_TRUE(site.told);
}

TEST(LocalRedirect, WhatCannotAnswer) {
  TestExchange exchange("GET", "/a");
  EXPECT_EQ(redirect_problem(exchange.exchange, "/b?c"), nullptr);
  for (const char* target : {"/%zz", "/a b", "/%00", "/a#b", "*", ""}) {
    EXPECT_NE(redirect_problem(exchange.exchange, target), nullptr) << target;
  }
  exchange.exchange.redirects = kMostRedirects;
  EXPECT_NE(redirect_problem(exchange.exchange, "/b"), nullptr);
}

}  // namespace
}  // namespace cutwater::handler

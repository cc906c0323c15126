// The authorizer role: what lets through, and what a client gets else.
#include "handler/authorizer.h"

#include "handler/gateway_test_support.h"
#include "handler/router.h"

namespace cutwater::handler {
namespace {

class FakeAuthorizer final : public FakeProgram {
  using FakeProgram::FakeProgram;
  bool take(const Event& event) override { return event.kind == Event::kRequest; }
};

class Inner final : public message::Handler {
 public:
  base::Task<void> handle(message::Exchange& exchange) override {
    for (const auto& field : exchange.request.variables) seen.append(field.name).append("=").append(field.value) += ";";
    for (const auto& field : exchange.request.granted) granted.append(field.name) += ";";
    auto reading = exchange.body.read();
    const message::BodyPiece piece = co_await reading;
    message::Response response;
    auto writing = exchange.response.head(response, std::string("inside ").append(piece.bytes), true);
    co_await writing;
  }
  std::string seen, granted;
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
    Authorizer authorizer(gateway(), log);
    Router router;
    router.add_route({"/", false}, inner, &authorizer);
    exchange.start(router);
    runner.until([&] { return exchange.done; });
  }
  // By one guard, whose word is for what is behind it.
  void ask_twice(Onward onward, const std::vector<std::string>& names = {}) {
    Authorizer authorizer(gateway(), log, onward, names);
    Router router;
    router.add_route({"/", false}, inner, &authorizer);
    for (int i = 0; i < 2; ++i) {
      TestExchange exchange("GET", "/a");
      exchange.start(router);
      runner.until([&] { return exchange.done; });
    }
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
  EXPECT_EQ(program.variables.count("REQUEST_URI"), 1u);
  for (const char* name : {"CONTENT_LENGTH", "PATH_INFO", "SCRIPT_NAME"}) {
    EXPECT_EQ(program.variables.count(name), 0u) << name;
  }
}

// However it writes them; other fields stay.
TEST_F(AuthorizerTest, WhatAClientSaysInTheNameOfAVariableIsRemoved) {
  program.output = "Status: 200\r\nVariable-REMOTE_USER: ada\r\nVariable-HOST: x\r\n\r\n";
  TestExchange exchange("GET", "/a");
  for (const char* name : {"Remote-User", "REMOTE_USER", "remote-user", "Remote_User", "Remote-Users", "Host"})
    exchange.request.headers.add(name, "evil");
  ask(exchange);
  std::string left;
  for (const auto& field : exchange.request.headers) left.append(field.name) += ";";
  EXPECT_EQ(left, "Remote-Users;Host;");
  EXPECT_EQ(inner.granted, "REMOTE_USER;HOST;");
}

TEST_F(AuthorizerTest, WhatItIsKnownToGrantNobodyCanSayBefore) {
  Authorizer authorizer(gateway(), log, Onward::kFields, {"X_ROLE", "HOST"});
  Router router;
  router.add_route({"/", false}, inner, &authorizer);
  program.output = "Status: 200\r\n\r\n";
  TestExchange exchange("GET", "/a");
  for (const char* name : {"X-Role", "x_role", "X_ROLE", "X-Roles", "Host"}) exchange.request.headers.add(name, "evil");
  exchange.start(router);
  runner.until([&] { return exchange.done; });
  std::string left;
  for (const auto& field : exchange.request.headers) left.append(field.name) += ";";
  EXPECT_EQ(left, "X-Roles;Host;");
}

// Who lets somebody pass without a name must not leave him one of his own.
TEST_F(AuthorizerTest, WhatItOnceGrantedNobodyCanSayWhenItGrantsNone) {
  Authorizer authorizer(gateway(), log);
  Router router;
  router.add_route({"/", false}, inner, &authorizer);
  std::string left;
  for (const char* output :
       {"Status: 200\r\n\r\n", "Status: 200\r\nVariable-LEVEL: 1\r\n\r\n", "Status: 200\r\n\r\n"}) {
    program.output = output;
    TestExchange exchange("GET", "/a");
    for (const char* name : {"Remote-User", "Level", "Other"}) exchange.request.headers.add(name, "evil");
    exchange.start(router);
    runner.until([&] { return exchange.done; });
    for (const auto& field : exchange.request.headers) left.append(field.name) += ";";
    left += " ";
  }
  EXPECT_EQ(left, "Level;Other; Other; Other; ");
}

TEST_F(AuthorizerTest, WhatIsNoVariableIsSaidOnce) {
  program.output = "Status: 200\r\nVariable-Remote-User: ada\r\nVariable-PATH_INFO: /x\r\n\r\n";
  ask_twice(Onward::kAll);
  EXPECT_EQ(inner.seen, "");
  ASSERT_EQ(log.lines.size(), 2u);
  EXPECT_TRUE(log.lines[0].starts_with("CW0613 upstream api: its Variable-Remote-User is passed on to nobody"));
  EXPECT_TRUE(log.lines[0].ends_with("call it Variable-REMOTE_USER"));
  EXPECT_TRUE(log.lines[1].starts_with("CW0613 upstream api: its Variable-PATH_INFO"));
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

TEST_F(AuthorizerTest, VariablesOfARefusalAreNotTheClients) {
  program.output = "Status: 403\r\nVariable-ROLE: none\r\nX-Why: because\r\nvariable-level: 1\r\n\r\n";
  TestExchange exchange("GET", "/a");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 403);
  EXPECT_EQ(exchange.writer.header("X-Why"), "because");
  EXPECT_EQ(exchange.writer.header("Variable-ROLE"), "");
  EXPECT_EQ(exchange.writer.header("variable-level"), "");
}

TEST_F(AuthorizerTest, WhatDoesNotReachTheServerBehindIsSaidOnce) {
  program.output = "Status: 200\r\nVariable-REMOTE_USER: ada\r\nVariable-HOST: x\r\nVariable-PHP_VALUE: y\r\n\r\n";
  const auto told = [this](Onward onward) {
    log.lines.clear();
    ask_twice(onward);
    std::string names;
    for (const std::string& line : log.lines) {
      constexpr std::string_view kBegin = "CW0613 upstream api: its Variable-";
      EXPECT_TRUE(line.starts_with(kBegin)) << line;
      names += line.substr(kBegin.size(), line.find(' ', kBegin.size()) - kBegin.size()) + ";";
    }
    return names;
  };
  EXPECT_EQ(told(Onward::kAll), "");
  EXPECT_EQ(told(Onward::kFields), "HOST;");
  EXPECT_EQ(told(Onward::kVariables), "PHP_VALUE;");
}

TEST_F(AuthorizerTest, WhatDoesNotReachScriptsIsSaidOnce) {
  program.output =
      "Status: 200\r\nVariable-REMOTE_USER: ada\r\nVariable-X_ROLE: x\r\nVariable-FOO: y\r\nVariable-HOME: z\r\n\r\n";
  ask_twice(Onward::kScript, {"X_ROLE"});
  ASSERT_EQ(log.lines.size(), 2u);
  EXPECT_EQ(
      log.lines[0],
      "CW0613 upstream api: its Variable-FOO does not reach the scripts behind this route: scripts get names such "
      "as REMOTE_USER and AUTH_TYPE, and others where they are listed\n"
      "fix: add \"FOO\" to `variables` of that route's auth");
  EXPECT_TRUE(log.lines[1].starts_with("CW0613 upstream api: its Variable-HOME does not reach the scripts"))
      << log.lines[1];
  EXPECT_TRUE(log.lines[1].ends_with("fix: choose another name"));
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

TEST_F(AuthorizerTest, AClientThatLeavesIsForgotten) {
  program.silent = true;
  Authorizer authorizer(gateway(), log);
  Router router;
  router.add_route({"/", false}, inner, &authorizer);
  TestExchange exchange("GET", "/a");
  exchange.start(router);
  runner.until([&] { return program.requests == 1; });
  EXPECT_FALSE(exchange.leave(false)) << "that is for whom it is let through to";
  EXPECT_TRUE(exchange.leave(true));
  runner.until([&] { return exchange.done; });
  EXPECT_EQ(inner.seen, "");
}

TEST_F(AuthorizerTest, ManyBytesOfAGrantLetNobodyThrough) {
  program.output = "\n" + std::string(70'000, 'x');
  TestExchange exchange("GET", "/a");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
}

}  // namespace
}  // namespace cutwater::handler

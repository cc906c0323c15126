// Requests that share a connection to a FastCGI program, and one of them breaks it for all, or keeps it for all.
#include "handler/authorizer.h"
#include "handler/gateway_multiplex_test_support.h"
#include "handler/router.h"

namespace cutwater::handler {
namespace {

struct Company : SharedGateway {
  // `count` on one connection, for longer than a connection takes to turn out to have been closed before.
  void run_together(size_t number, unsigned count) {
    for (unsigned i = 0; i < count; ++i) start();
    until_asked(number, count);
    runner.turns(std::chrono::milliseconds(300));
  }
  std::vector<Program::Line*> busy() {
    std::vector<Program::Line*> found;
    for (const auto& one : program.lines) {
      if (!one->requests.empty()) found.push_back(one.get());
    }
    return found;
  }
  void until_busy(size_t requests) {
    runner.until([this, requests] {
      size_t waiting = 0;
      for (const Program::Line* line : busy()) waiting += line->requests.size();
      return waiting == requests;
    });
  }
  // Of two on the first connection one gets this before it ends; both are asked again.
  void break_behind(std::string_view output) {
    until_asked(0, 2);
    line(0).output(1, output);
    runner.turns(std::chrono::milliseconds(20));
    line(0).hang_up();
    until_lines(3);
  }
  void until_lines(size_t count) {
    runner.until([&] {
      return program.lines.size() >= count && std::all_of(program.lines.begin() + 1, program.lines.end(),
                                                          [](const auto& one) { return !one->requests.empty(); });
    });
  }
};

TEST_F(Company, WhoBreaksItIsAloneTheNextTime) {
  make_shared();
  run_together(0, 3);
  line(0).hang_up();
  until_lines(4);
  for (size_t number = 1; number < 4; ++number) EXPECT_EQ(line(number).requests.size(), 1u);
  line(1).answer(1, "innocent");
  line(2).hang_up();
  line(3).answer(1, "innocent");
  std::vector<int> statuses;
  for (const auto& exchange : exchanges) {
    until_done(*exchange);
    statuses.push_back(exchange->writer.status());
  }
  std::sort(statuses.begin(), statuses.end());
  EXPECT_EQ(statuses, (std::vector<int>{200, 200, 502}));
  EXPECT_EQ(program.lines.size(), 4u);
  EXPECT_EQ(std::count_if(log.lines.begin(), log.lines.end(), [](auto& text) { return text.starts_with("CW0604"); }),
            1);
}

TEST_F(Company, LikewiseOnAConnectionThatWasOpenedForThem) {
  make_shared();
  line(0).hang_up();
  runner.until([&] { return peer().multiplexing().connections() == 0; });
  start();
  start();
  until_busy(2);
  Program::Line& together = *busy().front();
  ASSERT_EQ(together.requests.size(), 2u);
  runner.turns(std::chrono::milliseconds(300));
  together.requests.clear();
  together.output(9, "nobody's");
  until_busy(2);
  ASSERT_EQ(busy().size(), 2u);
  Program::Line& guilty = *busy().back();
  busy().front()->answer(1, "innocent");
  guilty.output(9, "nobody's");
  for (const auto& exchange : exchanges) until_done(*exchange);
  EXPECT_EQ(exchanges[0]->writer.status() + exchanges[1]->writer.status(), 200 + 502);
}

TEST_F(Company, WhatWasHeldBackIsAskedForAgain) {
  make_shared();
  TestExchange& innocent = start();
  start();
  break_behind("Status: 200\nContent-Length: 5\n\nwhole");
  line(1).answer(1, "again");
  line(2).answer(1, "again");
  until_done(innocent);
  EXPECT_EQ(innocent.writer.content, "again");
  until_done(*exchanges[1]);
  EXPECT_FALSE(peer().is_down());
}

class Guarded final : public message::Handler {
 public:
  base::Task<void> handle(message::Exchange& exchange) override {
    for (const auto& field : exchange.request.variables) seen.append(field.name).append("=").append(field.value) += ";";
    co_return;
  }
  std::string seen;
};

TEST_F(Company, WhatAGuardDidNotSayToItsEndIsNotGranted) {
  options.role = codec::fastcgi::Role::kAuthorizer;
  program.last_of_request = RecordType::kParams;
  make_shared();
  Guarded guarded;
  Authorizer authorizer(gateway(), log);
  Router router;
  router.add_route({"/", false}, guarded, &authorizer);
  TestExchange exchange("GET", "/a");
  exchange.start(router);
  until_asked(0, 1);
  start();
  break_behind("Status: 200\nVariable-ROLE: admin\n\nbody begins");
  for (const size_t number : {size_t{1}, size_t{2}}) {
    line(number).output(1, "Status: 200\nVariable-WHO: ada\n\n");
    line(number).end(1);
  }
  until_done(exchange);
  EXPECT_EQ(guarded.seen, "WHO=ada;");
}

TEST_F(Company, NobodyIsAskedAgainWhenTheTimeIsOver) {
  options.timeout = std::chrono::milliseconds(800);
  make_shared();
  auto other = std::make_unique<Program>(loop, log);
  add_peer(other->address);
  start();
  start();  // one to each
  until_asked(0, 1);
  runner.until([&] { return other->lines.size() == 1 && other->lines[0]->requests.size() == 1; });
  line(0).answer(line(0).requests.front(), "short");
  runner.until([&] { return exchanges[0]->done || exchanges[1]->done; });
  TestExchange& late = *exchanges[exchanges[0]->done ? 1 : 0];
  line(0).requests.clear();
  runner.turns(std::chrono::milliseconds(500));
  other.reset();
  until_asked(0, 1);
  TestExchange& young = start();
  until_asked(0, 2);
  runner.turns(std::chrono::milliseconds(400));
  line(0).hang_up();
  until_done(late);
  EXPECT_EQ(late.writer.status(), 502);
  until_asked(1, 1);
  line(1).answer(1, "again");
  until_done(young);
  EXPECT_EQ(young.writer.content, "again");
  EXPECT_EQ(program.lines.size(), 2u);
}

TEST_F(Company, WhoWasAloneIsNotAskedAgain) {
  make_shared();
  run_together(0, 1);
  line(0).hang_up();
  until_done(*exchanges.front());
  EXPECT_EQ(exchanges.front()->writer.status(), 502);
  EXPECT_EQ(program.lines.size(), 1u);
}

TEST_F(Company, WhoWaitsForAConnectionIsNotStarvedByWhoShare) {
  make_shared();
  TestExchange& first = start();
  until_asked(0, 1);
  TestExchange& post = start("POST");
  until_asked(1, 1);
  runner.turns(std::chrono::milliseconds(20));
  TestExchange& later = start();
  TestExchange& latest = start();
  until_asked(2, 2);  // not beside the first, so that it ends; but the two share
  EXPECT_EQ(line(0).requests.size(), 1u);
  line(0).answer(1, "first");
  until_done(first);
  runner.until([&] { return line(0).closed; });
  line(1).answer(1, "post");
  line(2).answer(1, "later");
  line(2).answer(2, "latest");
  for (TestExchange* exchange : {&post, &later, &latest}) until_done(*exchange);
  EXPECT_EQ(post.writer.content + later.writer.content + latest.writer.content, "postlaterlatest");
}

}  // namespace
}  // namespace cutwater::handler

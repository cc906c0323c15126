// Requests that share a connection to a FastCGI program: what one client gets when another's answer, or the connection
// itself, breaks.
#include "handler/gateway_multiplex_test_support.h"

namespace cutwater::handler {
namespace {

TEST_F(SharedGateway, ManyRequestsOnOneConnection) {
  make_shared();
  for (int i = 0; i < 10; ++i) start(i % 2 ? "HEAD" : "GET");
  until_asked(0, 10);
  EXPECT_EQ(program.lines.size(), 1u);
  for (uint16_t id = 10; id >= 1; --id) line(0).answer(id, std::to_string(id));
  for (size_t i = 0; i < 10; ++i) {
    until_done(*exchanges[i]);
    EXPECT_EQ(exchanges[i]->writer.status(), 200);
    if (i % 2 == 0) {
      EXPECT_EQ(exchanges[i]->writer.content, std::to_string(i + 1));
    }
  }
  EXPECT_EQ(line(0).asked, 1u);
  EXPECT_TRUE(line(0).aborted.empty());
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(SharedGateway, ManyThatBeginAtOnceOpenOneMore) {
  make_shared();
  for (size_t i = 0; i < upstream::SharedConnection::kMostAtOnce + 5; ++i) start();
  until_asked(0, upstream::SharedConnection::kMostAtOnce);
  runner.until([&] {
    return std::any_of(program.lines.begin() + 1, program.lines.end(),
                       [](const auto& one) { return one->requests.size() == 5; });
  });
  EXPECT_EQ(peer().multiplexing().connections(), 2u);
}

TEST_F(SharedGateway, WhoLeavesEndsHisOwnRequest) {
  make_shared();
  TestExchange& leaves = start();
  TestExchange& stays = start();
  until_asked(0, 2);
  leaves.leave(true);
  until_done(leaves);
  runner.until([&] { return line(0).aborted.size() == 1; });
  EXPECT_EQ(line(0).aborted[0], 1);
  line(0).end(1);
  line(0).answer(2, "stays");
  until_done(stays);
  EXPECT_EQ(stays.writer.content, "stays");
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(SharedGateway, ThreeThatBreakOffAreOneFailure) {
  make_shared();
  for (int i = 0; i < 3; ++i) start();
  until_asked(0, 3);
  for (uint16_t id : std::vector<uint16_t>{1, 2, 3}) line(0).output(id, "Status: 200\n\nhalf");
  runner.until([&] {
    return std::all_of(exchanges.begin(), exchanges.end(), [](auto& e) { return e->writer.content == "half"; });
  });
  line(0).hang_up();
  for (const auto& exchange : exchanges) {
    until_done(*exchange);
    EXPECT_TRUE(exchange->writer.aborted);
  }
  EXPECT_FALSE(peer().is_down());
  EXPECT_EQ(std::count_if(log.lines.begin(), log.lines.end(), [](auto& text) { return text.starts_with("CW0604"); }),
            1);
  // The next one has a connection of its own to begin with.
  TestExchange& next = start();
  until_asked(1, 1);
  line(1).answer(1, "next");
  until_done(next);
  EXPECT_EQ(next.writer.content, "next");
}

TEST_F(SharedGateway, ThreeThatWaitForADeadConnectionAreOneFailure) {
  options.timeout = std::chrono::milliseconds(300);
  make_shared();
  for (int i = 0; i < 3; ++i) start();
  until_asked(0, 3);
  for (const auto& exchange : exchanges) {
    until_done(*exchange);
    EXPECT_EQ(exchange->writer.status(), 504);
  }
  EXPECT_FALSE(peer().is_down());
  EXPECT_EQ(std::count_if(log.lines.begin(), log.lines.end(), [](auto& text) { return text.starts_with("CW0605"); }),
            1);
  start();
  until_asked(1, 1);
}

TEST_F(SharedGateway, UploadsAndPostsHaveAConnectionOfTheirOwn) {
  make_shared();
  TestExchange upload("POST", "/");
  upload.with_body({std::string(60'000, 'x'), std::string(60'000, 'x')});
  upload.start(gateway());
  until_asked(0, 1);
  TestExchange& other = start();
  until_asked(1, 1);
  line(1).answer(1, "other");
  line(0).answer(1, "upload");
  until_done(upload);
  until_done(other);
  EXPECT_EQ(other.writer.content + upload.writer.content, "otherupload");
}

// What must not be sent twice shares with nobody: whatever ends a shared connection, each on it goes to another.
TEST_F(SharedGateway, WhatIsIdleMakesRoomForWhoWaits) {
  make_shared();
  TestExchange& get = start();
  until_asked(0, 1);
  TestExchange& post = start("POST");
  until_asked(1, 1);
  line(0).answer(1, "first");
  until_done(get);
  EXPECT_FALSE(line(0).closed);
  runner.until([&] { return line(0).closed; });  // the program may take no more than one at a time
  line(1).answer(1, "then");
  until_done(post);
  EXPECT_EQ(post.writer.content, "then");
}

TEST_F(SharedGateway, OneThatEndsCostsNobodyHisRequest) {
  make_shared();
  TestExchange& one = start();
  TestExchange& two = start();
  TestExchange& post = start("POST");
  until_asked(0, 2);
  until_asked(1, 1);
  line(0).hang_up();
  runner.until([&] {
    return program.lines.size() == 4 && !program.lines[2]->requests.empty() && !program.lines[3]->requests.empty();
  });
  for (const size_t number : {size_t{1}, size_t{2}, size_t{3}}) line(number).answer(1, "there");
  for (TestExchange* exchange : {&one, &two, &post}) {
    until_done(*exchange);
    EXPECT_EQ(exchange->writer.content, "there");
  }
  EXPECT_FALSE(peer().is_down());
}

TEST_F(SharedGateway, NonsenseIsSaidOnceAndCostsNobodyHisRequest) {
  make_shared();
  start();
  start();
  until_asked(0, 2);
  line(0).output(9, "nobody's");
  until_asked(1, 1);
  until_asked(2, 1);
  line(1).answer(1, "again");
  line(2).answer(1, "again");
  for (const auto& exchange : exchanges) {
    until_done(*exchange);
    EXPECT_EQ(exchange->writer.content, "again");
  }
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_NE(log.lines[0].find("a record for a request that was not made"), std::string::npos) << log.lines[0];
}

TEST_F(SharedGateway, NonsenseInAnswerToAPostIsItsOwn) {
  make_shared();
  TestExchange& post = start("POST");
  until_asked(0, 1);
  TestExchange& get = start();
  until_asked(1, 1);
  line(0).output(9, "nobody's");
  until_done(post);
  EXPECT_EQ(post.writer.status(), 502);
  line(1).answer(1, "there");
  until_done(get);
  EXPECT_EQ(get.writer.content, "there");
}

TEST_F(SharedGateway, WhoCannotAfterAllIsAskedAgainOneByOne) {
  make_shared();
  TestExchange& first = start();
  TestExchange& second = start();
  until_asked(0, 2);
  line(0).end(2, ProtocolStatus::kCannotMultiplex);
  until_asked(1, 1);
  line(1).answer(1, "second");
  until_done(second);
  EXPECT_EQ(second.writer.content, "second");
  line(0).answer(1, "first");
  until_done(first);
  EXPECT_EQ(first.writer.content, "first");
  EXPECT_EQ(peer().multiplexing().connections(), 0u);
  EXPECT_EQ(line(1).asked, 0u);
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(SharedGateway, WhoIsOverloadedOnOneConnectionIsAskedOnAnother) {
  make_shared();
  TestExchange& lucky = start("POST");
  until_asked(0, 1);
  line(0).end(1, ProtocolStatus::kOverloaded);
  until_asked(1, 1);
  line(1).answer(1, "there");
  until_done(lucky);
  EXPECT_EQ(lucky.writer.content, "there");
  EXPECT_TRUE(log.lines.empty());
  TestExchange& unlucky = start("POST");
  until_asked(1, 2);
  line(1).end(1, ProtocolStatus::kOverloaded);
  until_asked(2, 1);
  line(2).end(1, ProtocolStatus::kOverloaded);
  until_done(unlucky);
  EXPECT_EQ(unlucky.writer.status(), 503);
  EXPECT_EQ(program.lines.size(), 3u);
  EXPECT_TRUE(logged("CW0604"));
}

TEST_F(SharedGateway, WhoIsOverloadedWithWhatCannotBeSentAgainSaysSo) {
  make_shared();
  TestExchange upload("POST", "/");
  upload.with_body({std::string(60'000, 'x'), std::string(60'000, 'x')});
  upload.start(gateway());
  until_asked(0, 1);
  line(0).end(1, ProtocolStatus::kOverloaded);
  until_done(upload);
  EXPECT_EQ(upload.writer.status(), 503);
  EXPECT_EQ(program.lines.size(), 1u);
  EXPECT_TRUE(logged("CW0604"));
}

TEST_F(SharedGateway, WhatMustNotBeSentTwiceIsNotSentOnAnOldOne) {
  make_shared();
  runner.turns(std::chrono::milliseconds(1100));
  TestExchange& post = start("POST");
  until_asked(1, 1);
  EXPECT_TRUE(line(0).requests.empty());
  runner.until([&] { return line(0).closed; });
  line(1).answer(1, "new");
  until_done(post);
  EXPECT_EQ(post.writer.content, "new");
}

TEST_F(SharedGateway, AHeadRequestIsNotAbortedForItsBody) {
  make_shared();
  TestExchange& head = start("HEAD");
  until_asked(0, 1);
  line(0).output(1, "Status: 200\n\nbody");
  until_done(head);
  TestExchange& next = start();
  until_asked(0, 2);
  line(0).end(1);
  line(0).answer(2, "x");
  until_done(next);
  EXPECT_TRUE(line(0).aborted.empty());
}

TEST_F(SharedGateway, ASlowClientHarmsNoOther) {
  make_shared();
  TestExchange& slow = start();
  TestExchange& quick = start();
  slow.writer.held = true;
  until_asked(0, 2);
  // More than a client's buffer and the memory before a file hold, and there is no file here.
  line(0).output(1, "Status: 200\nX-Accel-Buffering: no\n\n");
  for (int i = 0; i < 20; ++i) line(0).output(1, std::string(10'000, 'x'));
  line(0).answer(2, "quick");
  until_done(quick);
  EXPECT_EQ(quick.writer.content, "quick");
  line(0).end(1);
  slow.writer.release();
  until_done(slow);
  EXPECT_EQ(slow.writer.content.size(), 200'000u);
  EXPECT_TRUE(slow.writer.finished);
}

TEST_F(SharedGateway, WithoutKeepaliveNobodyShares) {
  peer_options.keepalive = 0;
  add_peer(program.address);
  for (int i = 0; i < 2; ++i) {
    TestExchange& one = start();
    until_asked(static_cast<size_t>(i), 1);
    line(static_cast<size_t>(i)).answer(1, "x");
    until_done(one);
  }
  EXPECT_EQ(line(0).asked + line(1).asked, 0u);
}

}  // namespace
}  // namespace cutwater::handler

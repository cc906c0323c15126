#include "upstream/pool.h"

#include "io/watch.h"
#include "upstream/upstream_test_support.h"

namespace cutwater::upstream {
namespace {

constexpr base::Duration kEver = base::Duration::max();

struct PoolTest : testing::Test {
  io::Loop loop;
  LoopRunner runner{loop};
  Pool pool{loop, {2, std::chrono::seconds(60)}};
};

TEST_F(PoolTest, GivesTheLastUsedFirst) {
  FarEnd one(loop), two(loop);
  io::Stream* first = one.stream.get();
  io::Stream* second = two.stream.get();
  pool.keep({std::move(one.stream)});
  pool.keep({std::move(two.stream)});
  const PooledConnection taken = pool.take(kEver);
  EXPECT_EQ(taken.stream.get(), second);
  EXPECT_EQ(pool.take(kEver).stream.get(), first);
  EXPECT_EQ(pool.take(kEver).stream, nullptr);
}

TEST_F(PoolTest, ClosesTheOldestBeyondTheMost) {
  FarEnd one(loop), two(loop), three(loop);
  pool.keep({std::move(one.stream)});
  pool.keep({std::move(two.stream)});
  pool.keep({std::move(three.stream)});
  EXPECT_EQ(pool.size(), 2u);
  char byte;
  EXPECT_EQ(recv(one.peer.get(), &byte, 1, 0), 0);
}

TEST_F(PoolTest, AnIdleConnectionThatEndsOrSpeaksIsClosed) {
  FarEnd ends(loop), speaks(loop);
  pool.keep({std::move(ends.stream)});
  pool.keep({std::move(speaks.stream)});
  runner.turns(std::chrono::milliseconds(2));
  EXPECT_EQ(pool.size(), 2u);
  ends.hang_up();
  speaks.say("HTTP/1.1 200 OK\r\n\r\n");
  runner.until([&] { return pool.size() == 0; });
  EXPECT_EQ(pool.take(kEver).stream, nullptr);
}

// faults.md 108: before the loop could tell of it.
TEST_F(PoolTest, AnAnswerNobodyAskedForIsNeverGivenOut) {
  FarEnd quiet(loop), speaks(loop);
  io::Stream* kept = quiet.stream.get();
  pool.keep({std::move(quiet.stream)});
  pool.keep({std::move(speaks.stream)});
  speaks.say("x");
  EXPECT_EQ(pool.take(kEver).stream.get(), kept);
  EXPECT_EQ(pool.take(kEver).stream, nullptr);
}

// Of one that waited through a turn the loop has told already what came.
TEST_F(PoolTest, OneThatRestedForATurnComesFirstWhereThatIsKnowledgeEnough) {
  FarEnd rested(loop), just_now(loop);
  io::Stream* first = rested.stream.get();
  pool.keep({std::move(rested.stream)});
  runner.turns(std::chrono::milliseconds(2));
  io::Stream* second = just_now.stream.get();
  pool.keep({std::move(just_now.stream)});
  EXPECT_EQ(pool.take(kEver, Pool::Silence::kSinceLastTurn).stream.get(), first);
  EXPECT_EQ(pool.take(kEver, Pool::Silence::kSinceLastTurn).stream.get(), second);
}

TEST_F(PoolTest, WhatCameInAnEarlierTurnIsSeenWithoutALook) {
  FarEnd speaks(loop);
  pool.keep({std::move(speaks.stream)});
  runner.turns(std::chrono::milliseconds(2));
  speaks.say("x");
  runner.turns(std::chrono::milliseconds(2));
  EXPECT_EQ(pool.take(kEver, Pool::Silence::kSinceLastTurn).stream, nullptr);
}

TEST_F(PoolTest, WhatTheWatchIsAboutToBeToldIsSeenToo) {
  FarEnd speaks(loop), other(loop);
  pool.keep({std::move(speaks.stream)});
  PooledConnection taken;
  bool asked = false;
  const io::CallbackWatcher before(loop, other.stream->descriptor(), EPOLLIN, [&](uint32_t) {
    if (!asked) taken = pool.take(kEver, Pool::Silence::kSinceLastTurn);
    asked = true;
  });
  runner.turns(std::chrono::milliseconds(2));
  other.say("now");
  speaks.say("x");
  runner.until([&] { return asked; });
  EXPECT_EQ(taken.stream, nullptr);
}

TEST_F(PoolTest, ALookIsTakenAtOneOfThisTurn) {
  FarEnd speaks(loop);
  pool.keep({std::move(speaks.stream)});
  speaks.say("x");
  EXPECT_EQ(pool.take(kEver, Pool::Silence::kSinceLastTurn).stream, nullptr);
}

TEST_F(PoolTest, EndsAfterItsTime) {
  Pool brief(loop, {2, std::chrono::milliseconds(5)});
  FarEnd one(loop);
  brief.keep({std::move(one.stream)});
  EXPECT_EQ(brief.size(), 1u);
  runner.until([&] { return brief.size() == 0; });
}

TEST_F(PoolTest, ALifeIsCountedFromTheOpening) {
  Pool brief(loop, {2, std::chrono::seconds(60), std::chrono::milliseconds(20)});
  FarEnd young(loop), old(loop), late(loop);
  const base::Instant opened = loop.now();
  brief.keep({std::move(young.stream), opened});
  brief.keep({std::move(old.stream), opened - std::chrono::milliseconds(20)});
  EXPECT_EQ(brief.size(), 1u);
  char byte;
  EXPECT_EQ(recv(old.peer.get(), &byte, 1, 0), 0);
  PooledConnection taken = brief.take(kEver);
  ASSERT_NE(taken.stream, nullptr);
  EXPECT_TRUE(taken.used_before);
  EXPECT_EQ(taken.opened, opened);
  brief.keep(std::move(taken));
  runner.until([&] { return brief.size() == 0; });
  EXPECT_GE(loop.now() - opened, std::chrono::milliseconds(20));
}

TEST_F(PoolTest, FreshnessIsAskedFor) {
  FarEnd one(loop);
  pool.keep({std::move(one.stream)});
  runner.turns(std::chrono::milliseconds(5));
  EXPECT_EQ(pool.take(std::chrono::milliseconds(1)).stream, nullptr);
  EXPECT_NE(pool.take(std::chrono::seconds(5)).stream, nullptr);
}

TEST_F(PoolTest, NoneIsKeptWhenNoneShallBe) {
  Pool none(loop, {0, std::chrono::seconds(60)});
  FarEnd one(loop);
  none.keep({std::move(one.stream)});
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(none.take(kEver).stream, nullptr);
}

}  // namespace
}  // namespace cutwater::upstream

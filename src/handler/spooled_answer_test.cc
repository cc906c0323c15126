#include "handler/spooled_answer.h"

#include <gtest/gtest.h>

#include <string>

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

using message::WriteStatus;

struct SpooledAnswerTest : testing::Test {
  // What a gateway does: the head with `first`, then the pieces; an answer that breaks off is not `complete`.
  base::Task<void> relay(SpooledAnswer& to, std::string first, std::vector<std::string> pieces, bool complete) {
    auto beginning = to.write(&response, first, false);
    status = co_await beginning;
    for (size_t i = 0; i < pieces.size() && status == WriteStatus::kWritten; ++i) {
      auto writing = to.write(nullptr, pieces[i], complete && i + 1 == pieces.size());
      status = co_await writing;
      ++given;
    }
    all_given = true;
    auto draining = to.drained();
    status = co_await draining;
    done = true;
  }
  void start(std::vector<std::string> pieces, bool complete = true) { start(std::move(pieces), complete, answer); }
  void start(std::vector<std::string> pieces, bool complete, SpooledAnswer& to) {
    response.status = 200;
    for (const std::string& piece : pieces) expected += piece;
    expected = "first" + expected;
    tasks.start(relay(to, "first", std::move(pieces), complete));
  }
  void until_given() {
    runner.until([&] { return all_given; });
  }
  void until_done() {
    runner.until([&] { return done; });
  }

  io::Loop loop;
  LoopRunner runner{loop};
  io::Offload offload{loop, 1};
  std::string folder = find_spool_directory();
  SpoolArea area{offload, folder};
  NotingWriter writer;
  message::Response response;
  SpooledAnswer answer{writer, area, loop};
  std::string expected;
  WriteStatus status = WriteStatus::kWritten;
  size_t given = 0;
  bool all_given = false;
  bool done = false;
  base::TaskSet tasks;
};

std::vector<std::string> megabytes(size_t count) {
  std::vector<std::string> pieces;
  for (size_t i = 0; i < 16 * count; ++i) pieces.push_back(std::string(64 * 1024, static_cast<char>('a' + i % 26)));
  return pieces;
}

TEST_F(SpooledAnswerTest, GoesStraightToAClientThatKeepsUp) {
  start({"one", "two", "three"});
  EXPECT_TRUE(done);
  EXPECT_EQ(writer.pieces, (std::vector<std::string>{"first", "one", "two", "three"}));
  EXPECT_TRUE(writer.finished);
  EXPECT_EQ(area.answers.used(), 0u);
}

TEST_F(SpooledAnswerTest, ASlowClientHoldsNobodyBack) {
  writer.held = true;
  start(megabytes(8));
  until_given();
  EXPECT_EQ(writer.content, "first");
  EXPECT_GE(area.answers.used(), uint64_t{7} << 20);
  EXPECT_FALSE(done);
  writer.release();
  until_done();
  EXPECT_EQ(writer.content, expected);
  EXPECT_TRUE(writer.finished);
  EXPECT_EQ(status, WriteStatus::kWritten);
}

TEST_F(SpooledAnswerTest, SmallRestsStayInMemory) {
  writer.held = true;
  start({"one", "two", ""});
  until_given();
  EXPECT_EQ(area.answers.used(), 0u);
  writer.release();
  until_done();
  EXPECT_EQ(writer.content, expected);
  EXPECT_TRUE(writer.finished);
}

TEST_F(SpooledAnswerTest, WhatBreaksOffIsDeliveredButNotCompleted) {
  writer.held = true;
  start(megabytes(1), false);
  until_given();
  writer.release();
  until_done();
  EXPECT_EQ(writer.content, expected);
  EXPECT_FALSE(writer.finished);
}

TEST_F(SpooledAnswerTest, WithoutRoomTheClientHoldsTheServerBack) {
  ASSERT_TRUE(area.answers.take(area.shares.total / 2 - (1 << 20)));
  writer.held = true;
  start(megabytes(4));
  runner.turns(std::chrono::milliseconds(50));
  EXPECT_LE(given, 20u);
  EXPECT_FALSE(all_given);
  writer.release();
  until_done();
  EXPECT_EQ(writer.content, expected);
  EXPECT_TRUE(writer.finished);
}

TEST_F(SpooledAnswerTest, TheTotalOfAllBodiesCountsToo) {
  ASSERT_TRUE(area.total.take(area.shares.total));
  writer.held = true;
  start(megabytes(1));
  runner.turns(std::chrono::milliseconds(20));
  EXPECT_FALSE(all_given);
  writer.release();
  until_done();
  EXPECT_EQ(writer.content, expected);
  area.total.give_back(area.shares.total);
}

// Its server must not lose patience while a long answer goes to a slow client.
TEST_F(SpooledAnswerTest, MoreThanTheFileHoldsComesAsRoomIsMade) {
  constexpr uint64_t kInFile = 1 << 20;
  SpooledAnswer small(writer, area, loop, {64 * 1024, kInFile, 128 * 1024});
  writer.held = true;
  start(megabytes(8), true, small);
  runner.until([&] { return area.answers.used() > kInFile - 128 * 1024; });
  runner.turns(std::chrono::milliseconds(20));
  size_t most_at_once = 0;
  while (!all_given && !testing::Test::HasFailure()) {
    const size_t given_before = given;
    const size_t sent_before = writer.content.size();
    while (given == given_before && !all_given && !testing::Test::HasFailure()) {
      runner.until([&] { return writer.waits(); });
      writer.take_one();
      runner.turns(std::chrono::milliseconds(1));
      EXPECT_LE(area.answers.used(), kInFile);
      most_at_once = std::max(most_at_once, writer.content.size() - sent_before);
    }
  }
  EXPECT_LE(most_at_once, kInFile / 2);
  EXPECT_FALSE(done);
  writer.release();
  until_done();
  EXPECT_EQ(writer.content, expected);
  EXPECT_TRUE(writer.finished);
  EXPECT_EQ(area.answers.used(), 0u);
}

TEST_F(SpooledAnswerTest, WhatWasOverBudgetGoesOnWhenItIsNot) {
  const uint64_t others = area.shares.total / 2 - (1 << 20);
  ASSERT_TRUE(area.answers.take(others));
  writer.held = true;
  start(megabytes(4));
  runner.turns(std::chrono::milliseconds(50));
  EXPECT_FALSE(all_given);
  area.answers.give_back(others);
  while (writer.content.size() < size_t{1} << 19 && !testing::Test::HasFailure()) {
    runner.until([&] { return writer.waits(); });
    writer.take_one();
  }
  until_given();
  EXPECT_FALSE(done);
  writer.release();
  until_done();
  EXPECT_EQ(writer.content, expected);
}

TEST_F(SpooledAnswerTest, AClientThatLeavesEndsIt) {
  writer.held = true;
  start(megabytes(2));
  until_given();
  writer.gone = true;
  writer.release();
  until_done();
  EXPECT_EQ(status, WriteStatus::kClientGone);
  EXPECT_EQ(writer.content, "first");
}

TEST_F(SpooledAnswerTest, RoomIsGivenBackWhenAllWasTaken) {
  for (int round = 0; round < 3; ++round) {
    NotingWriter slow;
    slow.held = true;
    SpooledAnswer another(slow, area, loop);
    base::TaskSet running;
    bool ended = false;
    const auto run = [](SpooledAnswer& to, const message::Response& head, bool& over) -> base::Task<void> {
      const std::string piece(256 * 1024, 'x');
      auto beginning = to.write(&head, "", false);
      co_await beginning;
      for (int i = 0; i < 4; ++i) {
        auto writing = to.write(nullptr, piece, false);
        co_await writing;
      }
      over = true;
    };
    running.start(run(another, response, ended));
    runner.until([&] { return ended; });
    EXPECT_EQ(area.answers.used(), uint64_t{1} << 20);
  }
  EXPECT_EQ(area.answers.used(), 0u);
  EXPECT_EQ(area.total.used(), 0u);
}

}  // namespace
}  // namespace cutwater::handler

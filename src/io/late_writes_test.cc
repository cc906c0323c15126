#include "io/late_writes.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "io/loop.h"

namespace cutwater::io {
namespace {

struct NotedWrite : LateWrite {
  NotedWrite(
      std::string name, std::string& notes, std::function<void()> then = [] {})
      : name_(std::move(name)), notes_(notes), then_(std::move(then)) {}
  void write_late() override { notes_ += "write " + name_ + ";"; }
  void written_late() override {
    notes_ += "told " + name_ + ";";
    then_();
  }
  std::string name_;
  std::string& notes_;
  std::function<void()> then_;
};

TEST(LateWrites, AllAreWrittenBeforeTheFirstIsTold) {
  std::string notes;
  LateWrites late;
  NotedWrite one("1", notes);
  NotedWrite two("2", notes);
  late.add(one);
  late.add(two);
  late.add(one);
  EXPECT_TRUE(late.any() && LateWrites::has(one));
  EXPECT_TRUE(late.flush());
  EXPECT_EQ(notes, "write 1;write 2;told 1;told 2;");
  EXPECT_FALSE(late.any() || LateWrites::has(one));
  EXPECT_FALSE(late.flush());
}

TEST(LateWrites, TakenBackIsForgottenAlsoWhenItWasWritten) {
  std::string notes;
  LateWrites late;
  auto last = std::make_unique<NotedWrite>("last", notes);
  NotedWrite first("first", notes, [&] {
    late.take_back(*last);
    last.reset();
  });
  NotedWrite never("never", notes);
  late.add(never);
  late.add(first);
  late.add(*last);
  late.take_back(never);
  late.take_back(never);
  EXPECT_TRUE(late.flush());
  EXPECT_EQ(notes, "write first;write last;told first;");
}

TEST(LateWrites, WhoIsToldMayWriteAgain) {
  std::string notes;
  LateWrites late;
  int left = 2;
  NotedWrite one("1", notes, [&] {
    if (--left > 0) late.add(one);
  });
  late.add(one);
  EXPECT_TRUE(late.flush());
  EXPECT_TRUE(late.any());
  EXPECT_TRUE(late.flush());
  EXPECT_EQ(notes, "write 1;told 1;write 1;told 1;");
}

// What another one writes for it, after its own turn to write and before it is told, is not forgotten.
TEST(LateWrites, OneThatWasWrittenAndHasMoreIsToldBehindThat) {
  std::string notes;
  LateWrites late;
  NotedWrite second("2", notes);
  NotedWrite first("1", notes, [&] { late.add(second); });
  late.add(first);
  late.add(second);
  EXPECT_TRUE(late.flush());
  EXPECT_EQ(notes, "write 1;write 2;told 1;");
  EXPECT_TRUE(late.flush());
  EXPECT_EQ(notes, "write 1;write 2;told 1;write 2;told 2;");
}

// Before the loop blocks, whoever asked for it last; what comes of it is the hooks' to see.
TEST(LateWrites, TheLoopWritesBeforeItWaits) {
  struct Hook : TurnHook {
    bool end_of_turn() override {
      if (rounds++ == 0) loop->late_writes().add(*write);
      return false;
    }
    Loop* loop = nullptr;
    LateWrite* write = nullptr;
    int rounds = 0;
  };
  std::string notes;
  Loop loop;
  NotedWrite write("1", notes, [&] { loop.stop(); });
  Hook hook;
  hook.loop = &loop;
  hook.write = &write;
  loop.add_hook(hook);
  loop.post([] {});
  loop.run();
  EXPECT_EQ(notes, "write 1;told 1;");
  EXPECT_EQ(hook.rounds, 2);
  loop.remove_hook(hook);
}

}  // namespace
}  // namespace cutwater::io

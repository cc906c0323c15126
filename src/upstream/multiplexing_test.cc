// Whether a peer multiplexes is asked once, and what it says decides where its connections go.
#include "upstream/multiplexing.h"

#include <deque>

#include "codec/fastcgi/name_value.h"
#include "upstream/pool.h"
#include "upstream/shared_test_support.h"

namespace cutwater::upstream {
namespace {

using codec::fastcgi::RecordType;

constexpr base::Duration kEver = base::Duration::max();

std::string values(std::initializer_list<std::pair<std::string_view, std::string_view>> list) {
  std::string pairs;
  for (const auto& [name, value] : list) codec::fastcgi::append_pair(pairs, name, value);
  return said(RecordType::kGetValuesResult, 0, pairs);
}
std::string yes(std::string_view most = "100") {
  return values({{"FCGI_MPXS_CONNS", "1"}, {"FCGI_MAX_REQS", most}});
}

class MultiplexingTest : public testing::Test {
 protected:
  Multiplexing& multiplexing() {
    if (!made_)
      made_.emplace(
          loop_, most_idle_, longest_idle_,
          [this](PooledConnection connection) {
            if (keeps_) pool_.keep(std::move(connection));
          },
          [this] { ++became_idle_; });
    return *made_;
  }
  FarEnd& far() { return far_.emplace_back(loop_); }
  // A connection whose request is over, and the question, if it was asked.
  FarEnd& keep() {
    FarEnd& end = far();
    multiplexing().keep({std::move(end.stream)});
    return end;
  }
  static bool was_asked(FarEnd& end) { return RecordEar(end).count(RecordType::kGetValues, 0) == 1; }
  FarEnd& make_shared() {
    FarEnd& end = keep();
    end.say(yes(most_requests_));
    runner_.until([this] { return multiplexing().connections() == 1; });
    return end;
  }
  Asked& ask(std::unique_ptr<SharedRequest> request) {
    asked_.push_back(std::make_unique<Asked>(loop_, std::move(request)));
    return *asked_.back();
  }
  bool is_closed(FarEnd& end) {
    end.hear();
    char byte;
    return ::recv(end.peer.get(), &byte, 1, 0) == 0;
  }

  io::Loop loop_;
  LoopRunner runner_{loop_};
  Pool pool_{loop_, {8, std::chrono::seconds(60)}};
  size_t most_idle_ = 8;
  base::Duration longest_idle_ = std::chrono::seconds(60);
  std::string most_requests_ = "100";
  bool keeps_ = true;
  std::deque<FarEnd> far_;
  unsigned became_idle_ = 0;
  std::optional<Multiplexing> made_;
  std::deque<std::unique_ptr<Asked>> asked_;
};

TEST_F(MultiplexingTest, WhoSaysYesIsSharedFromThenOn) {
  EXPECT_EQ(multiplexing().take(kEver), nullptr);
  FarEnd& end = keep();
  EXPECT_TRUE(was_asked(end));
  EXPECT_EQ(multiplexing().take(kEver), nullptr);  // not given out meanwhile
  EXPECT_EQ(pool_.size(), 0u);
  end.say(yes());
  runner_.until([&] { return multiplexing().connections() == 1; });
  Asked& one = ask(multiplexing().take(kEver));
  Asked& two = ask(multiplexing().take(kEver));
  RecordEar ear(end);
  runner_.until([&] { return ear.count(RecordType::kStdin, 2) == 1; });
  end.say(answered(2, "b") + answered(1, "a"));
  runner_.until([&] { return one.done && two.done; });
  EXPECT_EQ(one.seen + two.seen, "ab");
  EXPECT_EQ(ear.count(RecordType::kGetValues, 0), 0u);
}

// Go's net/http/fcgi.
TEST_F(MultiplexingTest, TheAnswerMayBeFollowedByAnEmptyOne) {
  const std::string empty = said(RecordType::kGetValuesResult, 0, "");
  for (const bool at_once : {true, false}) {
    made_.reset();
    FarEnd& end = keep();
    end.say(at_once ? yes() + empty : yes());
    runner_.until([&] { return multiplexing().connections() == 1; });
    Asked& one = ask(multiplexing().take(kEver));
    if (!at_once) end.say(empty);
    RecordEar ear(end);
    end.hear();  // the question
    runner_.turns(std::chrono::milliseconds(1));
    end.say(answered(1, "x"));
    runner_.until([&] { return one.done; });
    EXPECT_EQ(one.seen, "x");
    asked_.clear();
  }
}

TEST_F(MultiplexingTest, WhatRunsOnAClosedConnectionIsNotCounted) {
  most_requests_ = "1";
  FarEnd& end = make_shared();
  Asked& one = ask(multiplexing().take(kEver));
  auto stream = std::move(far().stream);
  EXPECT_EQ(multiplexing().share(stream), nullptr);
  end.hang_up();
  runner_.until([&] { return one.done; });
  EXPECT_NE(multiplexing().share(stream), nullptr);
}

TEST_F(MultiplexingTest, WhoSaysNoIsKeptAsBeforeAndNotAskedAgain) {
  FarEnd& end = keep();
  EXPECT_TRUE(was_asked(end));
  end.say(values({{"FCGI_MPXS_CONNS", "0"}, {"FCGI_MAX_REQS", "1"}}));
  runner_.until([&] { return pool_.size() == 1; });
  FarEnd& another = keep();
  EXPECT_FALSE(was_asked(another));
  EXPECT_EQ(pool_.size(), 2u);
  auto stream = std::move(far().stream);
  EXPECT_EQ(multiplexing().share(stream), nullptr);
  EXPECT_NE(stream, nullptr);
}

TEST_F(MultiplexingTest, ANoThatOthersWaitBehindIsNotKept) {
  FarEnd& end = keep();
  keeps_ = false;
  end.say(values({}));
  runner_.until([&] { return is_closed(end); });
  EXPECT_EQ(pool_.size(), 0u);
}

TEST_F(MultiplexingTest, ConnectionsThatEndMeanwhileAreKeptAsBefore) {
  keep();
  FarEnd& another = keep();
  EXPECT_FALSE(was_asked(another));
  EXPECT_EQ(pool_.size(), 1u);
}

TEST_F(MultiplexingTest, NoAnswerIsANo) {
  for (const std::string said : {"", "HTTP/1.1 400 Bad Request\r\n\r\n", "hang up", "more"}) {
    made_.reset();
    FarEnd& end = keep();
    EXPECT_TRUE(was_asked(end));
    if (said == "hang up") {
      end.hang_up();
    } else if (said == "more") {
      end.say(yes() + "behind");
    } else if (!said.empty()) {
      end.say(said);
    }
    runner_.until([&] { return !end.peer.valid() || is_closed(end); });  // within a second
    runner_.turns(std::chrono::milliseconds(1));
    EXPECT_EQ(multiplexing().connections(), 0u);
    EXPECT_EQ(pool_.size(), 0u);
    FarEnd& another = keep();
    EXPECT_FALSE(was_asked(another));
    EXPECT_EQ(pool_.size(), 1u);
    pool_.close_all();
  }
}

TEST_F(MultiplexingTest, AfterItWasDownItIsAskedAgain) {
  FarEnd& first = make_shared();
  multiplexing().forget();
  EXPECT_TRUE(is_closed(first));
  EXPECT_EQ(multiplexing().take(kEver), nullptr);
  EXPECT_TRUE(was_asked(keep()));
  multiplexing().forget();  // while it is being asked
  EXPECT_TRUE(was_asked(keep()));
}

TEST_F(MultiplexingTest, WithoutKeptConnectionsItIsNeverAsked) {
  most_idle_ = 0;
  FarEnd& end = keep();
  EXPECT_TRUE(is_closed(end));
  EXPECT_EQ(end.hear(), "");
}

TEST_F(MultiplexingTest, NoMoreRequestsThanThePeerSays) {
  most_requests_ = "2";
  make_shared();
  ask(multiplexing().take(kEver));
  Asked& two = ask(multiplexing().take(kEver));
  EXPECT_EQ(multiplexing().take(kEver), nullptr);
  auto stream = std::move(far().stream);
  EXPECT_EQ(multiplexing().share(stream), nullptr);
  RecordEar ear(far_.front());
  runner_.until([&] { return ear.count(RecordType::kStdin, 2) == 1; });
  far_.front().say(answered(2, ""));
  runner_.until([&] { return two.done; });
  EXPECT_NE(multiplexing().take(kEver), nullptr);
}

TEST_F(MultiplexingTest, APeerWithoutRoomForOneDoesNot) {
  most_requests_ = "0";
  FarEnd& end = keep();
  end.say(yes("0"));
  runner_.until([&] { return pool_.size() == 1; });
}

TEST_F(MultiplexingTest, BeyondTheMostAnotherConnectionIsOpened) {
  make_shared();
  for (size_t i = 0; i < SharedConnection::kMostAtOnce; ++i) ask(multiplexing().take(kEver));
  EXPECT_EQ(multiplexing().take(kEver), nullptr);
  auto stream = std::move(far().stream);
  ask(multiplexing().share(stream));
  EXPECT_EQ(multiplexing().connections(), 2u);
  ask(multiplexing().take(kEver));
  RecordEar ear(far_.back());
  runner_.until([&] { return ear.count(RecordType::kStdin, 2) == 1; });
}

TEST_F(MultiplexingTest, WhoRefusesToIsNoMore) {
  FarEnd& end = make_shared();
  Asked& one = ask(multiplexing().take(kEver));
  multiplexing().turn_off();
  EXPECT_EQ(multiplexing().take(kEver), nullptr);
  end.say("");
  RecordEar ear(end);
  runner_.until([&] { return ear.count(RecordType::kStdin, 1) == 1; });
  end.say(answered(1, "still"));
  runner_.until([&] { return one.done; });
  EXPECT_EQ(one.seen, "still");
  runner_.until([&] { return is_closed(end); });
  FarEnd& another = keep();
  EXPECT_FALSE(was_asked(another));
  EXPECT_EQ(pool_.size(), 1u);
}

TEST_F(MultiplexingTest, AnIdleOneMayBeTooOldForWhatCannotBeSentTwice) {
  make_shared();
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_EQ(multiplexing().take(std::chrono::milliseconds(5)), nullptr);
  Asked& one = ask(multiplexing().take(kEver));
  EXPECT_NE(multiplexing().take(base::Duration(0)), nullptr);  // where another runs it is known to live
  EXPECT_FALSE(one.done);
}

TEST_F(MultiplexingTest, AnIdleOneThatHasEndedIsNotGivenOut) {
  FarEnd& first = make_shared();
  runner_.turns(std::chrono::milliseconds(1));
  first.hang_up();  // the loop has not told of it yet
  EXPECT_EQ(multiplexing().take(kEver), nullptr);
  EXPECT_EQ(multiplexing().connections(), 0u);
}

TEST_F(MultiplexingTest, WhoIsToBeAloneIs) {
  make_shared();
  Asked& one = ask(multiplexing().take(kEver));
  EXPECT_EQ(multiplexing().take(kEver, true), nullptr);
  auto stream = std::move(far().stream);
  ask(multiplexing().share(stream, true));
  RecordEar ear(far_.front());
  runner_.until([&] { return ear.count(RecordType::kStdin, 1) == 1; });
  far_.front().say(answered(1, ""));
  runner_.until([&] { return one.done; });
  EXPECT_NE(multiplexing().take(kEver, true), nullptr);
  ask(multiplexing().take(kEver));
  RecordEar second(far_.back());
  runner_.turns(std::chrono::milliseconds(1));
  EXPECT_EQ(second.count(RecordType::kBeginRequest, 2), 0u);
}

TEST_F(MultiplexingTest, NoMoreIdleOnesThanMayBeKept) {
  most_idle_ = 1;
  FarEnd& first = make_shared();
  for (size_t i = 0; i < SharedConnection::kMostAtOnce; ++i) ask(multiplexing().take(kEver));
  FarEnd& second = far();
  Asked& on_second = ask(multiplexing().share(second.stream));
  RecordEar ear(second);
  runner_.until([&] { return ear.count(RecordType::kStdin, 1) == 1; });
  second.say(answered(1, ""));
  runner_.until([&] { return on_second.done; });
  runner_.turns(std::chrono::milliseconds(1));
  EXPECT_EQ(multiplexing().connections(), 2u);
  asked_.clear();
  runner_.turns(std::chrono::milliseconds(1));
  RecordEar first_ear(first);
  runner_.until([&] { return first_ear.count(RecordType::kAbortRequest, 16) == 1; });
  for (uint16_t id = 1; id <= SharedConnection::kMostAtOnce; ++id) first.say(ended(id));
  runner_.until([&] { return multiplexing().connections() == 1; });
  EXPECT_TRUE(is_closed(second));
  EXPECT_FALSE(is_closed(first));
}

TEST_F(MultiplexingTest, AConnectionTooMuchIsNotKept) {
  make_shared();
  FarEnd& another = keep();
  EXPECT_TRUE(is_closed(another));
  EXPECT_EQ(multiplexing().connections(), 1u);
}

}  // namespace
}  // namespace cutwater::upstream

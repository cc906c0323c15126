// Requests that run at once on one connection, whose far end is the test: whatever becomes of one, and of the
// connection, harms no other more than it must.
#include "upstream/shared_connection.h"

#include <deque>

#include "upstream/shared_test_support.h"

namespace cutwater::upstream {
namespace {

using codec::fastcgi::ProtocolStatus;
using codec::fastcgi::RecordType;

class SharedConnectionTest : public testing::Test, public SharedConnectionOwner {
 protected:
  SharedConnection& connection() {
    if (!connection_) connection_ = std::make_shared<SharedConnection>(loop_, std::move(far_.stream), options_, this);
    return *connection_;
  }
  Asked& ask(bool has_body = false, base::Duration silence = std::chrono::seconds(60)) {
    asked_.push_back(std::make_unique<Asked>(loop_, connection().add(), has_body, silence));
    return *asked_.back();
  }
  void drop(Asked& asked) {
    std::erase_if(asked_, [&](const auto& one) { return one.get() == &asked; });
  }
  void until_heard(RecordType type, uint16_t request_id, size_t count = 1) {
    runner_.until([=, this] { return ear_.count(type, request_id) >= count; });
  }
  void until_done(Asked& asked) {
    runner_.until([&] { return asked.done; });
  }
  bool is_closed() {
    ear_.listen();
    char byte;
    return ::recv(far_.peer.get(), &byte, 1, 0) == 0;
  }
  void on_idle() override { ++idle_; }

  io::Loop loop_;
  LoopRunner runner_{loop_};
  FarEnd far_{loop_};
  RecordEar ear_{far_};
  SharedConnectionOptions options_;
  int idle_ = 0;
  std::shared_ptr<SharedConnection> connection_;
  std::deque<std::unique_ptr<Asked>> asked_;
};

TEST_F(SharedConnectionTest, AnswersAreSortedByTheirIds) {
  Asked& one = ask();
  Asked& two = ask();
  Asked& three = ask();
  until_heard(RecordType::kStdin, 3);
  far_.say(output(2, "Status: 202\n") + output(3, "Status: 203\n\nth") + said(RecordType::kStderr, 2, "careful"));
  far_.say(output(2, "\ntwo") + ended(2) + output(3, "ree") + output(1, "Status: 201\n\none") + ended(1) + ended(3));
  until_done(one);
  until_done(two);
  until_done(three);
  EXPECT_EQ(one.seen + " " + two.seen + " " + three.seen, "one two three");
  EXPECT_TRUE(one.fine() && two.fine() && three.fine());
  EXPECT_EQ(two.errors.text, "careful");
  EXPECT_EQ(three.errors.text, "");
  EXPECT_EQ(connection_->running(), 0u);
  EXPECT_TRUE(connection_->is_open());
}

TEST_F(SharedConnectionTest, RecordsMayBeCutAnywhere) {
  Asked& one = ask();
  Asked& two = ask();
  until_heard(RecordType::kStdin, 2);
  std::string answers = output(2, "Status: 200\n\nsecond") + output(1, "Status: 200\n\nfirst");
  answers += said(RecordType::kStderr, 1, "oops") + ended(2) + ended(1);
  for (char c : answers) {
    far_.say({&c, 1});
    runner_.turns(base::Duration(0));
  }
  until_done(one);
  until_done(two);
  EXPECT_EQ(one.seen + two.seen, "firstsecond");
}

TEST_F(SharedConnectionTest, AnIdIsUsedAgainOnceItHasEnded) {
  Asked& one = ask();
  ask();
  until_heard(RecordType::kStdin, 2);
  far_.say(answered(1, "x"));
  until_done(one);
  EXPECT_FALSE(one.stream->used_before());
  Asked& again = ask();
  EXPECT_TRUE(again.stream->used_before());
  until_heard(RecordType::kBeginRequest, 1, 2);
  far_.say(answered(1, "again"));
  until_done(again);
  EXPECT_EQ(again.seen, "again");
}

TEST_F(SharedConnectionTest, NoMoreThanTheMostAtOnce) {
  for (size_t i = 0; i < SharedConnection::kMostAtOnce; ++i) {
    EXPECT_TRUE(connection().takes_requests());
    ask();
  }
  EXPECT_FALSE(connection().takes_requests());
  until_heard(RecordType::kStdin, 16);
  far_.say(answered(9, ""));
  until_done(*asked_[8]);
  EXPECT_TRUE(connection().takes_requests());
}

TEST_F(SharedConnectionTest, AnUploadLeavesRoomForOthers) {
  Asked& large = ask(true);
  for (int i = 0; i < 40; ++i) large.source.send(std::string(60'000, 'x'));
  runner_.turns(std::chrono::milliseconds(5));
  ask();
  // What the kernel and the output have already is ahead of it, no more.
  until_heard(RecordType::kStdin, 2);
  EXPECT_LT(ear_.stream(RecordType::kStdin, 1).size(), 2'000'000u);
  large.source.finish();
  runner_.until([&] { return ear_.stream(RecordType::kStdin, 1).size() == 2'400'000; });
  EXPECT_EQ(ear_.stream(RecordType::kStdin, 1), std::string(2'400'000, 'x'));
  far_.say(answered(1, "got it"));
  until_done(large);
  EXPECT_EQ(large.seen, "got it");
}

TEST_F(SharedConnectionTest, UploadsTakeTurns) {
  for (int upload = 0; upload < 6; ++upload) {
    Asked& asked = ask(true);
    for (int i = 0; i < 40; ++i) asked.source.send(std::string(60'000, 'x'));
    asked.source.finish();
  }
  // From a peer that is slower than any; the first was alone for a moment.
  const auto is_served = [&](uint16_t id) { return ear_.bytes(RecordType::kStdin, id) >= 1'200'000; };
  runner_.until([&] {
    ear_.listen_slowly(60'000);
    return is_served(1);
  });
  for (uint16_t id = 2; id <= 6; ++id) EXPECT_GE(ear_.bytes(RecordType::kStdin, id), 700'000u) << id;
}

TEST_F(SharedConnectionTest, WhoLeavesIsAbortedAndWhatComesForItDropped) {
  Asked& leaves = ask();
  Asked& stays = ask();
  until_heard(RecordType::kStdin, 2);
  far_.say(output(1, "Status: 200\n\nhalf"));
  leaves.call.abandon();
  until_done(leaves);
  EXPECT_EQ(leaves.status, CallStatus::kClientFailed);
  until_heard(RecordType::kAbortRequest, 1);
  drop(leaves);
  // The id is not free before the peer says so.
  Asked& next = ask();
  until_heard(RecordType::kBeginRequest, 3);
  far_.say(output(1, "late") + said(RecordType::kStderr, 1, "late") + ended(1) + answered(2, "b") + answered(3, "c"));
  until_done(stays);
  until_done(next);
  EXPECT_EQ(stays.seen + next.seen, "bc");
  EXPECT_EQ(ear_.count(RecordType::kAbortRequest, 1), 1u);
  EXPECT_EQ(ear_.count(RecordType::kAbortRequest, 2), 0u);
  // Nor after that: it may say that before the request has stopped, and what comes then must not meet another.
  Asked& last = ask();
  until_heard(RecordType::kBeginRequest, 2, 2);
  far_.say(output(1, "later still") + ended(1) + answered(2, "last"));
  until_done(last);
  EXPECT_EQ(last.seen, "last");
  EXPECT_TRUE(connection_->is_open());
  EXPECT_EQ(ear_.count(RecordType::kBeginRequest, 1), 1u);
}

TEST_F(SharedConnectionTest, WhoHasLostManyIdsIsRetired) {
  for (uint16_t id = 1; id <= SharedConnection::kMostSpent; ++id) {
    EXPECT_TRUE(connection().takes_requests());
    Asked& leaves = ask();
    until_heard(RecordType::kStdin, id);
    drop(leaves);
    until_heard(RecordType::kAbortRequest, id);
    far_.say(ended(id));
    runner_.until([&] { return connection_->running() == 0; });
  }
  EXPECT_FALSE(connection_->takes_requests());
  runner_.until([&] { return is_closed(); });
}

TEST_F(SharedConnectionTest, WhoIsAnsweredBeforeItsBodyHasEndedStillEndsIt) {
  Asked& upload = ask(true);
  upload.source.send("half");
  runner_.until([&] { return ear_.stream(RecordType::kStdin, 1) == "half"; });
  far_.say(answered(1, "enough"));
  until_done(upload);
  EXPECT_EQ(upload.seen, "enough");
  runner_.until([&] { return ear_.listen().back().type == RecordType::kStdin && ear_.records.back().content.empty(); });
  EXPECT_EQ(ear_.records.back().request_id, 1);
  ask();
  until_heard(RecordType::kBeginRequest, 2);
  EXPECT_EQ(ear_.count(RecordType::kBeginRequest, 1), 1u);
  EXPECT_EQ(ear_.count(RecordType::kAbortRequest, 1), 0u);
}

TEST_F(SharedConnectionTest, WhoseRestNobodyNeedsIsNotAborted) {
  Asked& one = ask();
  until_heard(RecordType::kStdin, 1);
  far_.say(output(1, "Status: 200\n\n"));
  runner_.until([&] { return one.has_head; });
  one.stream->let_end();
  drop(one);
  EXPECT_EQ(connection_->running(), 1u);
  far_.say(ended(1));
  runner_.until([&] { return idle_ == 1; });
  EXPECT_EQ(ear_.count(RecordType::kAbortRequest, 1), 0u);
}

TEST_F(SharedConnectionTest, WhoseRestNobodyNeedsHoldsUpNobody) {
  Asked& one = ask();
  Asked& two = ask();
  one.paused = true;
  until_heard(RecordType::kStdin, 2);
  far_.say(output(1, "Status: 200\n\n"));
  runner_.until([&] { return one.has_head; });
  one.stream->let_end();  // but not dropped: a slow client has to take it
  const std::string rest = output(1, std::string(60'000, 'x'));
  for (size_t sent = 0; sent < 2 * SharedRequest::kMostUnread; sent += rest.size()) {
    far_.say(rest);
    runner_.turns(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(connection_->takes_requests());
  far_.say(ended(1) + answered(2, "two"));
  until_done(two);
  EXPECT_EQ(two.seen, "two");
}

TEST_F(SharedConnectionTest, UnlessItDoesNotEnd) {
  options_.longest_end = std::chrono::milliseconds(20);
  Asked& one = ask();
  until_heard(RecordType::kStdin, 1);
  one.stream->let_end();
  drop(one);
  until_heard(RecordType::kAbortRequest, 1);
  far_.say(ended(1));
  runner_.until([&] { return idle_ == 1; });
}

TEST_F(SharedConnectionTest, OneThatDoesNotEndKeepsNewOnesAway) {
  options_.longest_end = std::chrono::milliseconds(20);
  Asked& leaves = ask();
  Asked& stays = ask();
  until_heard(RecordType::kStdin, 2);
  drop(leaves);
  EXPECT_TRUE(connection_->takes_requests());
  runner_.until([&] { return !connection_->takes_requests(); });
  EXPECT_TRUE(connection_->is_open());
  // It did, if late.
  far_.say(ended(1));
  runner_.until([&] { return connection_->takes_requests(); });
  far_.say(answered(2, "fine"));
  until_done(stays);
  EXPECT_EQ(stays.seen, "fine");
}

TEST_F(SharedConnectionTest, OneThatDoesNotEndCostsTheConnectionWhenNobodyElseIsOnIt) {
  options_.longest_end = std::chrono::milliseconds(20);
  Asked& leaves = ask();
  Asked& stays = ask();
  until_heard(RecordType::kStdin, 2);
  drop(leaves);
  runner_.until([&] { return !connection_->takes_requests(); });
  EXPECT_FALSE(is_closed());
  far_.say(answered(2, "fine"));
  until_done(stays);
  EXPECT_TRUE(stays.fine());
  runner_.until([&] { return is_closed(); });
}

TEST_F(SharedConnectionTest, WhatWasNotSentYetIsNotAborted) {
  Asked& large = ask(true);
  for (int i = 0; i < 60; ++i) large.source.send(std::string(60'000, 'x'));
  runner_.turns(std::chrono::milliseconds(5));  // until nothing more fits
  Asked& two = ask();
  drop(two);
  large.source.finish();
  runner_.until([&] { return ear_.stream(RecordType::kStdin, 1).size() == 3'600'000; });
  EXPECT_EQ(ear_.count(RecordType::kAbortRequest, 2), ear_.count(RecordType::kBeginRequest, 2));
}

TEST_F(SharedConnectionTest, AnUnknownIdBreaksIt) {
  Asked& one = ask();
  Asked& two = ask();
  until_heard(RecordType::kStdin, 2);
  far_.say(output(2, "Status: 200\n\nhalf"));
  runner_.until([&] { return two.has_head; });
  far_.say(output(7, "whose?") + answered(1, "x"));
  until_done(one);
  until_done(two);
  EXPECT_EQ(one.status, CallStatus::kNoAnswer);
  EXPECT_EQ(two.status, CallStatus::kTruncated);
  EXPECT_STREQ(one.stream->reason(), "a record for a request that was not made");
  EXPECT_TRUE(is_closed());
  EXPECT_FALSE(connection_->takes_requests());
  EXPECT_TRUE(one.stream->broke() && two.stream->broke());
  EXPECT_TRUE(two.stream->take_blame());
  EXPECT_FALSE(one.stream->take_blame());
}

TEST_F(SharedConnectionTest, GarbageBreaksIt) {
  Asked& one = ask();
  until_heard(RecordType::kStdin, 1);
  far_.say("HTTP/1.1 400 Bad Request\r\n");
  until_done(one);
  EXPECT_EQ(one.status, CallStatus::kNoAnswer);
  EXPECT_TRUE(one.stream->broke());
  EXPECT_STREQ(one.stream->reason(), "a record of another version than 1");
}

TEST_F(SharedConnectionTest, ItsEndIsEverybodys) {
  Asked& one = ask();
  Asked& two = ask();
  Asked& three = ask();
  until_heard(RecordType::kStdin, 3);
  far_.say(output(2, "Status: 200\n\nhalf") + answered(3, "all"));
  far_.hang_up();
  until_done(one);
  until_done(two);
  until_done(three);
  EXPECT_EQ(one.status, CallStatus::kNoAnswer);
  EXPECT_EQ(two.status, CallStatus::kTruncated);
  EXPECT_EQ(two.seen, "half");
  EXPECT_EQ(three.seen, "all");
  EXPECT_TRUE(three.fine());
  EXPECT_FALSE(three.stream->broke());
  EXPECT_STREQ(one.stream->reason(), "");
}

TEST_F(SharedConnectionTest, WhatIsBegunOnADeadOneWasNotDelivered) {
  connection();
  runner_.turns(base::Duration(0));
  far_.hang_up();
  Asked& one = ask();
  until_done(one);
  EXPECT_EQ(one.status, CallStatus::kNoAnswer);
  EXPECT_TRUE(one.call.delivered_nothing());
}

TEST_F(SharedConnectionTest, AnAnswerThatIsNoneHarmsNoOther) {
  Asked& bad = ask();
  Asked& good = ask();
  until_heard(RecordType::kStdin, 2);
  far_.say(output(1, "no head at all\n\n"));
  until_done(bad);
  EXPECT_EQ(bad.status, CallStatus::kBroken);
  EXPECT_FALSE(bad.stream->broke());
  drop(bad);
  until_heard(RecordType::kAbortRequest, 1);
  far_.say(ended(1) + answered(2, "good"));
  until_done(good);
  EXPECT_EQ(good.seen, "good");
}

TEST_F(SharedConnectionTest, RefusalsAreOfOneRequest) {
  Asked& one = ask();
  Asked& two = ask();
  Asked& three = ask();
  until_heard(RecordType::kStdin, 3);
  far_.say(ended(1, ProtocolStatus::kCannotMultiplex) + ended(2, ProtocolStatus::kOverloaded) + answered(3, "x"));
  until_done(one);
  until_done(two);
  until_done(three);
  EXPECT_EQ(one.status, CallStatus::kCannotMultiplex);
  EXPECT_EQ(two.status, CallStatus::kOverloaded);
  EXPECT_TRUE(three.fine());
}

class FullTest : public SharedConnectionTest {
 protected:
  // More than may lie there unread.
  void fill(Asked& asked, uint16_t request_id) {
    asked.paused = true;
    until_heard(RecordType::kStdin, request_id);
    std::string bytes = output(request_id, "Status: 200\n\n");
    while (bytes.size() < kSize) bytes += output(request_id, std::string(8000, 'y'));
    size_t sent = 0;
    runner_.until([&] {
      const std::string_view rest = std::string_view(bytes).substr(sent);
      const ssize_t count = ::send(far_.peer.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (count > 0) sent += static_cast<size_t>(count);
      return sent == bytes.size();
    });
  }
  static constexpr size_t kSize = SharedRequest::kMostUnread + 80'000;
};

TEST_F(FullTest, NothingIsReadWhileOneIsFullAndNoNewOnesCome) {
  Asked& slow = ask();
  Asked& quick = ask();
  fill(slow, 1);
  runner_.until([&] { return !connection_->takes_requests(); });
  far_.say(answered(2, "quick"));
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_FALSE(quick.done);
  slow.go_on();
  until_done(quick);
  EXPECT_FALSE(connection_->takes_requests());  // for a while: it may be slow again
  far_.say(ended(1));
  until_done(slow);
  EXPECT_TRUE(slow.fine());
  EXPECT_GT(slow.seen.size(), SharedRequest::kMostUnread);
}

TEST_F(FullTest, NobodysSilenceIsCountedMeanwhile) {
  Asked& slow = ask();
  Asked& patient = ask(false, std::chrono::milliseconds(250));
  fill(slow, 1);
  runner_.until([&] { return !connection_->takes_requests(); });
  runner_.turns(std::chrono::milliseconds(400));
  EXPECT_FALSE(patient.done);
  slow.go_on();
  until_done(patient);
  EXPECT_EQ(patient.status, CallStatus::kTimedOut);
}

TEST_F(FullTest, WhoHoldsUpOthersForLongIsCut) {
  options_.longest_held_up = std::chrono::milliseconds(30);
  Asked& slow = ask();
  Asked& quick = ask();
  fill(slow, 1);
  far_.say(answered(2, "quick"));
  until_done(quick);
  EXPECT_EQ(quick.seen, "quick");
  EXPECT_TRUE(slow.stream->was_cut_off());
  EXPECT_FALSE(slow.stream->broke());
  until_heard(RecordType::kAbortRequest, 1);
  runner_.turns(std::chrono::milliseconds(5));
  EXPECT_EQ(ear_.count(RecordType::kAbortRequest, 1), 1u);
  far_.say(ended(1));
  slow.go_on();
  until_done(slow);
  EXPECT_EQ(slow.status, CallStatus::kTruncated);
}

TEST_F(FullTest, WhoTakesALittleNowAndThenHoldsUpOthersAllTheSame) {
  options_.longest_held_up = std::chrono::milliseconds(200);
  Asked& slow = ask();
  Asked& quick = ask();
  fill(slow, 1);
  quick.paused = true;
  char taken[60'000];
  // Each time less than may be too long.
  for (int i = 0; i < 6 && !slow.stream->was_cut_off(); ++i) {
    runner_.turns(std::chrono::milliseconds(60));
    for (int part = 0; part < 3; ++part) slow.stream->read(taken);
    std::string more;
    for (int part = 0; part < 22; ++part) more += output(1, std::string(8000, 'y'));
    far_.say(more);
  }
  EXPECT_TRUE(slow.stream->was_cut_off());
}

TEST_F(FullTest, WhatWasHeldUpIsForgiven) {
  options_.longest_held_up = std::chrono::milliseconds(100);
  Asked& slow = ask();
  fill(slow, 1);
  runner_.until([&] { return !connection_->takes_requests(); });
  slow.go_on();
  far_.say(ended(1));
  until_done(slow);
  EXPECT_FALSE(connection_->takes_requests());
  runner_.until([&] { return connection_->takes_requests(); });
}

TEST_F(SharedConnectionTest, APeerThatReadsNoMoreGetsNoNewOnes) {
  Asked& large = ask(true);
  for (int i = 0; i < 60; ++i) large.source.send(std::string(60'000, 'x'));
  runner_.until([&] { return !connection_->takes_requests(); });
  large.source.finish();
  runner_.until([&] { return ear_.stream(RecordType::kStdin, 1).size() == 3'600'000; });
  EXPECT_TRUE(connection_->takes_requests());
}

TEST_F(SharedConnectionTest, APeerThatSaysNothingForLongGetsNoNewOnes) {
  options_.longest_quiet = std::chrono::milliseconds(20);
  ask();
  EXPECT_TRUE(connection_->takes_requests());
  runner_.until([&] { return !connection_->takes_requests(); });
  far_.say(output(1, "Status: 200\n\n"));
  runner_.until([&] { return connection_->takes_requests(); });
}

TEST_F(FullTest, WhoHoldsUpNobodyIsNot) {
  options_.longest_held_up = std::chrono::milliseconds(5);
  Asked& slow = ask();
  fill(slow, 1);
  runner_.until([&] { return !connection_->takes_requests(); });
  runner_.turns(std::chrono::milliseconds(30));
  EXPECT_FALSE(slow.stream->was_cut_off());
  slow.go_on();
  far_.say(ended(1));
  until_done(slow);
  EXPECT_TRUE(slow.fine());
}

TEST_F(SharedConnectionTest, IdleOnesAreTold) {
  options_.longest_idle = std::chrono::milliseconds(20);
  Asked& one = ask();
  until_heard(RecordType::kStdin, 1);
  EXPECT_EQ(idle_, 0);
  far_.say(answered(1, "x"));
  until_done(one);
  runner_.until([&] { return idle_ == 1; });
  runner_.until([&] { return !connection_->is_open(); });
  EXPECT_TRUE(is_closed());
}

TEST_F(SharedConnectionTest, AnIdleOneThatSpeaksIsClosed) {
  connection();
  runner_.until([&] { return idle_ == 1; });
  far_.say(ended(1));
  runner_.until([&] { return is_closed(); });
  EXPECT_FALSE(connection_->takes_requests());
}

TEST_F(SharedConnectionTest, ARetiredOneFinishesWhatRuns) {
  Asked& one = ask();
  until_heard(RecordType::kStdin, 1);
  connection_->retire();
  EXPECT_FALSE(connection_->takes_requests());
  connection_.reset();  // its requests hold it
  far_.say(answered(1, "done"));
  until_done(one);
  EXPECT_EQ(one.seen, "done");
  runner_.until([&] { return is_closed(); });
  EXPECT_EQ(idle_, 0);
}

TEST_F(SharedConnectionTest, WhoReadsItsLastMayGoWithTheConnection) {
  Asked& one = ask();
  until_heard(RecordType::kStdin, 1);
  connection_.reset();
  drop(one);
  EXPECT_TRUE(is_closed());
  EXPECT_EQ(ear_.count(RecordType::kAbortRequest, 1), 1u);
}

}  // namespace
}  // namespace cutwater::upstream

// SCGI and FastCGI answers on a connection whose far end is the test: faults.md 104, 107, 108, 110, 116.
#include "upstream/cgi_call.h"

#include "upstream/fastcgi_call.h"
#include "upstream/upstream_test_support.h"

namespace cutwater::upstream {
namespace {

using codec::fastcgi::RecordType;

class GivenBody final : public message::BodySource {
 public:
  base::Task<message::BodyPiece> read() override {
    if (given_) co_return message::BodyPiece{message::BodyStatus::kEnd, {}};
    given_ = true;
    co_return message::BodyPiece{message::BodyStatus::kPiece, bytes};
  }
  std::string bytes;

 private:
  bool given_ = false;
};

class NotingErrors final : public StderrSink {
 public:
  void on_stderr(std::string_view piece) override { text += piece; }
  std::string text;
};

class CgiCallTest : public testing::Test {
 protected:
  void start(bool fastcgi, std::string_view method = "GET", std::string input = "") {
    method_ = method;
    source_.bytes = std::move(input);
    const bool has_body = !source_.bytes.empty();
    body_.emplace(source_, has_body ? message::BodyFraming::kLength : message::BodyFraming::kNone,
                  source_.bytes.size());
    if (fastcgi) {
      call_ = std::make_unique<FastcgiCall>(loop_, *far_.stream, method_, *body_, options_, errors_);
    } else {
      call_ = std::make_unique<CgiCall>(loop_, *far_.stream, method_, *body_, options_);
    }
    tasks_.start(ask());
  }
  base::Task<void> ask() {
    call_->begin("HEAD");
    auto reading_head = call_->read_head();
    status_ = co_await reading_head;
    if (status_ == CallStatus::kFine) {
      seen_ = std::to_string(call_->response().status) + " ";
      CallPiece piece = call_->take_body();
      while (true) {
        seen_ += piece.bytes;
        status_ = piece.status;
        if (piece.complete || piece.status != CallStatus::kFine) break;
        auto reading = call_->read_body();
        piece = co_await reading;
        ++reads_;
      }
    }
    done_ = true;
  }
  std::string finish() {
    runner_.until([this] { return done_; });
    return seen_;
  }
  void say_apart(std::string_view bytes) {
    for (char c : bytes) {
      far_.say({&c, 1});
      runner_.turns(base::Duration(0));
    }
  }

  io::Loop loop_;
  LoopRunner runner_{loop_};
  FarEnd far_{loop_};
  GivenBody source_;
  NotingErrors errors_;
  CallOptions options_;
  std::string_view method_;
  std::optional<RequestBody> body_;
  std::unique_ptr<Call> call_;
  std::string seen_;
  unsigned reads_ = 0;
  CallStatus status_ = CallStatus::kFine;
  bool done_ = false;
  base::TaskSet tasks_;
};

std::string out(std::string_view content) {
  std::string bytes;
  codec::fastcgi::append_stream(bytes, RecordType::kStdout, kFastcgiRequestId, content);
  return bytes;
}
std::string err(std::string_view content) {
  std::string bytes;
  codec::fastcgi::append_record(bytes, RecordType::kStderr, kFastcgiRequestId, content);
  return bytes;
}
std::string end(codec::fastcgi::EndRequest end = {}) {
  std::string bytes;
  codec::fastcgi::append_end_request(bytes, kFastcgiRequestId, end);
  return bytes;
}

TEST_F(CgiCallTest, ScgiEndsWithTheConnection) {
  start(false, "POST", "hello");
  std::string heard;
  runner_.until([&] { return (heard += far_.hear()) == "HEADhello"; });
  far_.say("Status: 201 Made\nA: b\n\nbo");
  runner_.turns(std::chrono::milliseconds(1));
  EXPECT_FALSE(done_);
  far_.say("dy");
  far_.hang_up();
  EXPECT_EQ(finish(), "201 body");
  EXPECT_EQ(status_, CallStatus::kFine);
  EXPECT_EQ(call_->response().headers.get("a"), "b");
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(CgiCallTest, ScgiWithALengthNeedsNoEnd) {
  start(false);
  far_.say("Content-Length: 4\n\nbody and more");
  EXPECT_EQ(finish(), "200 body");
  EXPECT_EQ(call_->excess(), Excess::kMore);
}

TEST_F(CgiCallTest, ScgiShortOfItsLength) {
  start(false);
  far_.say("Content-Length: 5\n\nbody");
  far_.hang_up();
  finish();
  EXPECT_EQ(status_, CallStatus::kTruncated);
}

TEST_F(CgiCallTest, NothingAtAll) {
  start(false);
  far_.hang_up();
  finish();
  EXPECT_EQ(status_, CallStatus::kNoAnswer);
}

TEST_F(CgiCallTest, EndWithinTheHead) {
  start(true);
  far_.say(out("Status: 200 OK\r\nX-"));
  runner_.turns(std::chrono::milliseconds(1));
  far_.hang_up();
  finish();
  EXPECT_EQ(status_, CallStatus::kCutHead);
}

TEST_F(CgiCallTest, FastcgiByteByByte) {
  start(true);
  say_apart(err("one") + out("Status: 200\r\nX: y\r\n") + out("\r\nhel") + err("two") + out("lo") + end());
  EXPECT_EQ(finish(), "200 hello");
  EXPECT_EQ(errors_.text, "onetwo");
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(CgiCallTest, FastcgiAtOnceInManyRecords) {
  start(true);
  std::string bytes = out("A: b\r\n\r\n");
  std::string whole;
  for (int i = 0; i < 500; ++i) {
    bytes += out(std::to_string(i)) + (i % 7 == 0 ? err("x") : "");
    whole += std::to_string(i);
  }
  far_.say(bytes + end());
  EXPECT_EQ(finish(), "200 " + whole);
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(CgiCallTest, FastcgiHeadInTwoRecordsAndTheBodyAtOnce) {
  start(true);
  far_.say(out("A: b\r\n") + out("\r\nhel") + out("lo") + end());
  EXPECT_EQ(finish(), "200 hello");
}

TEST_F(CgiCallTest, FastcgiSendsTheBodyInRecords) {
  const std::string input(100'000, 'i');
  start(true, "POST", input);
  std::string heard;
  const size_t framing = 4 + 2 * 8 + 8;
  runner_.until([&] { return (heard += far_.hear()).size() == framing + input.size(); });
  std::string expected = "HEAD";
  codec::fastcgi::append_stream(expected, RecordType::kStdin, kFastcgiRequestId, input);
  codec::fastcgi::append_record(expected, RecordType::kStdin, kFastcgiRequestId, {});
  EXPECT_EQ(heard, expected);
  far_.say(out("\n") + end());
  EXPECT_EQ(finish(), "200 ");
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(CgiCallTest, FastcgiAnswerBeforeTheEndOfTheRequest) {
  start(true, "POST", std::string(4 << 20, 'i'));
  far_.say(out("\nearly") + end());
  EXPECT_EQ(finish(), "200 early");
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(CgiCallTest, FastcgiWithoutAnEnd) {
  start(true);
  far_.say(out("A: b\n\nbody"));
  far_.hang_up();
  finish();
  EXPECT_EQ(status_, CallStatus::kTruncated);
}

// faults.md 110.
TEST_F(CgiCallTest, FastcgiWithoutAnEndButWithAllItAnnounced) {
  start(true);
  far_.say(out("Content-Length: 4\n\nbody"));
  far_.hang_up();
  finish();
  EXPECT_EQ(status_, CallStatus::kTruncated);
  EXPECT_STREQ(call_->reason(), "the connection ended before the answer did");
}

TEST_F(CgiCallTest, FastcgiGoesOnBehindItsLength) {
  start(true);
  far_.say(out("Content-Length: 4\n\nbo") + out("dy and more") + end());
  finish();
  EXPECT_EQ(status_, CallStatus::kBroken);
  EXPECT_STREQ(call_->reason(), "it went on after its Content-Length");
  EXPECT_EQ(call_->excess(), Excess::kMore);
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(CgiCallTest, FastcgiGoesOnLater) {
  start(true);
  say_apart(out("Content-Length: 4\n\nbody"));
  EXPECT_EQ(seen_, "200 bod");
  say_apart(out("x"));
  EXPECT_EQ(finish(), "200 bod");
  EXPECT_EQ(status_, CallStatus::kBroken);
}

// Who works on behind what he has announced keeps nobody waiting for it.
TEST_F(CgiCallTest, AnEndThatDoesNotFollowIsNotWaitedForWithTheAnswer) {
  for (const std::string& body : {std::string(), std::string("body")}) {
    start(true);
    far_.say(out("Content-Length: " + std::to_string(body.size()) + "\n\n" + body));
    runner_.turns(std::chrono::milliseconds(20));
    EXPECT_EQ(seen_, "200 ");
    runner_.until([&] { return seen_ == "200 " + body; });
    runner_.turns(std::chrono::milliseconds(100));
    EXPECT_FALSE(done_);
    far_.say(err("still there") + end());
    EXPECT_EQ(finish(), "200 " + body);
    EXPECT_EQ(status_, CallStatus::kFine);
    EXPECT_TRUE(call_->connection_reusable());
    done_ = false;
  }
}

// What comes meanwhile makes nobody wait for longer, nor is an answer with a short deadline late for it.
TEST_F(CgiCallTest, WhatIsHeldBackIsHeldBackNoLonger) {
  options_.silence = std::chrono::milliseconds(60);
  start(true);
  far_.say(out("Content-Length: 0\n\n"));
  const base::Instant began = base::monotonic_now();
  bool came_back = false;
  runner_.until([&] {
    far_.say(err("x"));
    came_back = reads_ > 0;
    return came_back || base::monotonic_now() - began > std::chrono::seconds(2);
  });
  EXPECT_TRUE(came_back);
  EXPECT_LT(base::monotonic_now() - began, std::chrono::seconds(1));
  far_.say(end());
  EXPECT_EQ(finish(), "200 ");
  EXPECT_EQ(status_, CallStatus::kFine);
}

TEST_F(CgiCallTest, AnEndThatFollowsCompletesTheAnswerAtOnce) {
  start(true);
  far_.say(out("Content-Length: 4\n\nbody"));
  runner_.turns(std::chrono::milliseconds(1));
  EXPECT_EQ(seen_, "200 ");
  far_.say(end());
  EXPECT_EQ(finish(), "200 body");
  EXPECT_TRUE(call_->connection_reusable());
}

// What stands behind the last "?>" of a script that announced the length of a file.
TEST_F(CgiCallTest, SpaceBehindItsLengthIsDropped) {
  start(true);
  far_.say(out("Content-Length: 4\n\nbody\r\n") + out(" \n") + end());
  EXPECT_EQ(finish(), "200 body");
  EXPECT_EQ(call_->excess(), Excess::kSpace);
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(CgiCallTest, WhoLetsSomebodyInMustEndWhatItSays) {
  options_.authorizes = true;
  start(true);
  far_.say(out("Status: 200\nContent-Length: 0\n\n"));
  far_.hang_up();
  finish();
  EXPECT_EQ(status_, CallStatus::kTruncated);
}

TEST_F(CgiCallTest, NeitherDoesAHeadRequestLetSomebodyInBeforeTheEnd) {
  options_.authorizes = true;
  start(true, "HEAD");
  far_.say(out("Status: 200\n\n"));
  runner_.turns(std::chrono::milliseconds(1));
  EXPECT_FALSE(done_);
  far_.say(end({1, codec::fastcgi::ProtocolStatus::kRequestComplete}));
  finish();
  EXPECT_EQ(status_, CallStatus::kBroken);
}

TEST_F(CgiCallTest, NorDoesAProgramThatPrintsItsOwnErrorFirst) {
  options_.authorizes = true;
  start(true);
  far_.say(out("\nno database\n") + end());
  finish();
  EXPECT_EQ(status_, CallStatus::kBroken);
}

TEST_F(CgiCallTest, FastcgiRefuses) {
  start(true);
  far_.say(end({0, codec::fastcgi::ProtocolStatus::kOverloaded}));
  finish();
  EXPECT_EQ(status_, CallStatus::kOverloaded);
}

TEST_F(CgiCallTest, NobodyWaitsForTheBodyOfAHead) {
  start(true, "HEAD");
  far_.say(out("Content-Length: 5\r\n\r\n") + end());
  EXPECT_EQ(finish(), "200 ");
  EXPECT_EQ(call_->response().content_length, 5u);
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(CgiCallTest, WhatBreaksBehindAHeadBreaksTheAnswer) {
  start(true, "HEAD");
  far_.say(out("Content-Length: 5\r\n\r\n") + "no record");
  EXPECT_EQ(finish(), "200 ");
  EXPECT_EQ(status_, CallStatus::kBroken);
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(CgiCallTest, AHeadWhoseEndCameWithItKeepsTheConnection) {
  start(true, "HEAD");
  far_.say(out("Content-Length: 5\r\n\r\nhello") + end());
  EXPECT_EQ(finish(), "200 ");
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(CgiCallTest, WhatComesBehindTheEndKeepsNobodysConnection) {
  start(true);
  far_.say(out("\nbody") + end() + out("smuggled"));
  EXPECT_EQ(finish(), "200 body");
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(CgiCallTest, Silence) {
  options_.silence = std::chrono::milliseconds(5);
  start(true);
  finish();
  EXPECT_EQ(status_, CallStatus::kTimedOut);
}

TEST_F(CgiCallTest, Abandoned) {
  start(true);
  runner_.turns(std::chrono::milliseconds(1));
  call_->abandon();
  finish();
  EXPECT_EQ(status_, CallStatus::kClientFailed);
}

}  // namespace
}  // namespace cutwater::upstream

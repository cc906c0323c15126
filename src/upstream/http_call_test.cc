#include "upstream/http_call.h"

#include "upstream/upstream_test_support.h"

namespace cutwater::upstream {
namespace {

using message::BodyFraming;
using message::BodyStatus;

constexpr std::string_view kHead = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

class HttpCallTest : public testing::Test {
 protected:
  void start(std::string_view head = kHead, std::string_view method = "GET") {
    request_.method = method;
    body_.emplace(source_, request_);
    call_.emplace(loop_, *far_.stream, request_.method, *body_, options_, offer_);
    tasks_.start(ask(std::string(head)));
  }
  base::Task<void> ask(std::string head) {
    if (body_->is_small()) {
      auto collecting = body_->collect();
      co_await collecting;
    }
    call_->begin(head);
    do {
      auto reading = call_->read_head();
      status_ = co_await reading;
      if (status_ == CallStatus::kFine) seen_ += std::to_string(call_->response().status) + " ";
    } while (status_ == CallStatus::kFine && call_->response().status < 200 && call_->response().status != 101);
    if (status_ == CallStatus::kFine && call_->response().status == 101) {
      content_ = call_->behind_switch();
    } else if (status_ == CallStatus::kFine) {
      CallPiece piece = call_->take_body();
      while (true) {
        content_ += piece.bytes;
        status_ = piece.status;
        if (piece.complete || piece.status != CallStatus::kFine) break;
        auto reading = call_->read_body();
        piece = co_await reading;
      }
    }
    done_ = true;
  }
  void finish() {
    runner_.until([this] { return done_; });
  }
  // Byte by byte, until the call has ended.
  void drip(const std::string& bytes, base::Duration pause) {
    for (dripped_ = 0; dripped_ < bytes.size() && !done_; ++dripped_) {
      far_.say({&bytes[dripped_], 1});
      const base::Instant next = base::monotonic_now() + pause;
      runner_.until([&] { return done_ || base::monotonic_now() >= next; });
    }
  }
  std::string heard_until(size_t size) {
    std::string heard;
    runner_.until([&] {
      heard += far_.hear();
      return heard.size() >= size;
    });
    return heard;
  }

  io::Loop loop_;
  LoopRunner runner_{loop_};
  FarEnd far_{loop_};
  message::Request request_;
  PacedBody source_;
  CallOptions options_;
  UpgradeOffer offer_;
  std::optional<RequestBody> body_;
  std::optional<HttpCall> call_;
  std::string seen_, content_;
  CallStatus status_ = CallStatus::kFine;
  bool done_ = false;
  size_t dripped_ = 0;
  base::TaskSet tasks_;
};

TEST_F(HttpCallTest, AnswerInOnePiece) {
  start();
  EXPECT_EQ(far_.hear(), kHead);
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello");
  finish();
  EXPECT_EQ(seen_ + content_, "200 hello");
  EXPECT_EQ(status_, CallStatus::kFine);
  EXPECT_EQ(call_->response().headers.get("a"), "b");
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(HttpCallTest, AnswerByteByByte) {
  start();
  constexpr std::string_view kAnswer =
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
  for (char byte : kAnswer) {
    far_.say(std::string_view(&byte, 1));
    runner_.turns(base::Duration(0));
  }
  finish();
  EXPECT_EQ(seen_ + content_, "103 200 abcd");
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(HttpCallTest, InterimAnswersTogetherWithTheFinalOne) {
  start();
  far_.say(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 "
      "OK\r\nContent-Length: 2\r\n\r\nhi");
  finish();
  EXPECT_EQ(seen_ + content_, "103 200 hi");
}

TEST_F(HttpCallTest, NoEndOfInterimAnswers) {
  start();
  for (unsigned i = 0; i <= HttpCall::kMostInterim; ++i) far_.say("HTTP/1.1 102 Processing\r\n\r\n");
  finish();
  EXPECT_EQ(status_, CallStatus::kBroken);
}

TEST_F(HttpCallTest, SwitchingProtocolsUnasked) {
  start();
  far_.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
  finish();
  EXPECT_EQ(status_, CallStatus::kBroken);
}

TEST_F(HttpCallTest, SwitchingToWhatWasOffered) {
  offer_.protocols = "other, echo/1";
  start();
  EXPECT_EQ(far_.hear(), kHead);
  far_.say(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching\r\nUpgrade: Echo/1\r\nConnection: upgrade\r\n\r\nHTTP/1.1 "
      "no");
  finish();
  EXPECT_EQ(status_, CallStatus::kFine);
  EXPECT_EQ(seen_ + content_, "101 HTTP/1.1 no");
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(HttpCallTest, SwitchingByteByByte) {
  offer_.protocols = "echo";
  start();
  for (char byte : std::string_view("HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")) {
    far_.say(std::string_view(&byte, 1));
    runner_.turns(base::Duration(0));
  }
  finish();
  EXPECT_EQ(status_, CallStatus::kFine);
  EXPECT_EQ(seen_ + content_, "101 ");
}

TEST_F(HttpCallTest, SwitchingToSomethingElse) {
  offer_.protocols = "echo";
  start();
  far_.say("HTTP/1.1 101 Switching\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n");
  finish();
  EXPECT_EQ(status_, CallStatus::kBroken);
}

TEST_F(HttpCallTest, AnOrdinaryAnswerToAnOffer) {
  offer_.protocols = "echo";
  start();
  far_.say("HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nContent-Length: 2\r\n\r\nno");
  finish();
  EXPECT_EQ(status_, CallStatus::kFine);
  EXPECT_EQ(seen_ + content_, "426 no");
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(HttpCallTest, EndBeforeAnything) {
  start();
  far_.hang_up();
  finish();
  EXPECT_EQ(status_, CallStatus::kNoAnswer);
}

TEST_F(HttpCallTest, EndWithinTheHead) {
  start();
  far_.say("HTTP/1.1 200 OK\r\nContent-");
  runner_.turns(std::chrono::milliseconds(1));
  far_.hang_up();
  finish();
  EXPECT_EQ(status_, CallStatus::kCutHead);
}

TEST_F(HttpCallTest, EndWithinTheBody) {
  start();
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
  far_.hang_up();
  finish();
  EXPECT_EQ(content_, "hel");
  EXPECT_EQ(status_, CallStatus::kTruncated);
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(HttpCallTest, EndBeforeTheLastChunk) {
  start();
  far_.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  far_.hang_up();
  finish();
  EXPECT_EQ(status_, CallStatus::kTruncated);
}

TEST_F(HttpCallTest, BrokenChunk) {
  start();
  far_.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX");
  finish();
  EXPECT_EQ(status_, CallStatus::kBroken);
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(HttpCallTest, BodyUntilTheEnd) {
  start();
  EXPECT_EQ(far_.hear(), kHead);  // who closes with bytes unread resets
  far_.say("HTTP/1.1 200 OK\r\n\r\nall of it");
  far_.hang_up();
  finish();
  EXPECT_EQ(content_, "all of it");
  EXPECT_EQ(status_, CallStatus::kFine);
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(HttpCallTest, BytesBehindTheAnswer) {
  start();
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n");
  finish();
  EXPECT_EQ(content_, "hi");
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(HttpCallTest, BodiesWhereNoneIsAllowed) {
  start(kHead, "HEAD");
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  finish();
  EXPECT_EQ(content_, "");
  EXPECT_EQ(call_->response().content_length, 2u);
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(HttpCallTest, SilenceBeforeTheHeadAndInTheBody) {
  options_.silence = std::chrono::milliseconds(20);
  start();
  finish();
  EXPECT_EQ(status_, CallStatus::kTimedOut);
}

TEST_F(HttpCallTest, SilenceInTheBody) {
  options_.silence = std::chrono::milliseconds(20);
  start();
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
  finish();
  EXPECT_EQ(content_, "hel");
  EXPECT_EQ(status_, CallStatus::kTimedOut);
}

// Each byte ends a silence, but a head has one deadline.
TEST_F(HttpCallTest, AHeadThatDrips) {
  options_.silence = std::chrono::milliseconds(50);
  start();
  drip("HTTP/1.1 200 OK\r\nX-Long: " + std::string(1000, 'x'), std::chrono::milliseconds(5));
  EXPECT_EQ(status_, CallStatus::kTimedOut);
  EXPECT_LT(dripped_, 100u);
}

TEST_F(HttpCallTest, AHeadHasItsTimeFromTheEndOfTheRequestOn) {
  options_.silence = std::chrono::milliseconds(50);
  request_.framing = BodyFraming::kChunked;
  start("POST / HTTP/1.1\r\n\r\n", "POST");
  for (int i = 0; i < 8; ++i) {
    runner_.turns(std::chrono::milliseconds(15));
    source_.send("x");
  }
  source_.finish();
  runner_.turns(std::chrono::milliseconds(15));
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  finish();
  EXPECT_EQ(status_, CallStatus::kFine);
}

TEST_F(HttpCallTest, ABodyThatDrips) {
  options_.silence = std::chrono::milliseconds(100);
  start();
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  drip(std::string(1000, 'x'), std::chrono::milliseconds(30));
  EXPECT_EQ(status_, CallStatus::kTimedOut);
  EXPECT_STRNE(call_->reason(), "");
  EXPECT_GT(dripped_, 3u) << "the first span is free";
  EXPECT_LT(dripped_, 50u);
}

TEST_F(HttpCallTest, WhatKeepsTheLeastRateMayTakeItsTime) {
  options_.silence = std::chrono::milliseconds(40);
  start();
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  for (int i = 0; i < 20; ++i) {
    runner_.turns(std::chrono::milliseconds(10));
    far_.say(std::string(50, 'x'));
  }
  finish();
  EXPECT_EQ(status_, CallStatus::kFine);
}

TEST_F(HttpCallTest, WhatHasNoLengthMayShowHowFarItIs) {
  options_.silence = std::chrono::milliseconds(40);
  start();
  far_.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  drip("5\r\n.....\r\n0\r\n\r\n", std::chrono::milliseconds(20));
  finish();
  EXPECT_EQ(status_, CallStatus::kFine);
}

TEST_F(HttpCallTest, TheRateCountsWhatEndedTheWait) {
  options_.silence = std::chrono::milliseconds(300);
  start();
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 1006\r\n\r\n");
  drip(std::string(6, 'x'), std::chrono::milliseconds(100));
  runner_.turns(std::chrono::milliseconds(25));
  far_.say(std::string(1000, 'x'));
  finish();
  EXPECT_EQ(status_, CallStatus::kFine);
}

TEST_F(HttpCallTest, EventsMayBeRare) {
  options_.silence = std::chrono::milliseconds(40);
  for (const char* field : {"Content-Type: text/event-stream; charset=utf-8", "X-Accel-Buffering: no"}) {
    FarEnd other(loop_);
    std::swap(far_.stream, other.stream);
    std::swap(far_.peer, other.peer);
    done_ = false;
    start();
    far_.say(std::string("HTTP/1.1 200 OK\r\n") + field + "\r\nContent-Length: 10\r\n\r\n");
    drip(std::string(10, 'x'), std::chrono::milliseconds(20));
    finish();
    EXPECT_EQ(status_, CallStatus::kFine) << field;
    tasks_.cancel_all();
    call_.reset();
  }
}

TEST_F(HttpCallTest, SmallBodyGoesOutWithTheHead) {
  request_.framing = BodyFraming::kLength;
  request_.content_length = 4;
  source_.send("ab");
  start("POST / HTTP/1.1\r\n\r\n", "POST");
  EXPECT_EQ(far_.hear(), "");  // nothing, until it is complete
  source_.send("cd");
  source_.finish();
  EXPECT_EQ(far_.hear(), "POST / HTTP/1.1\r\n\r\nabcd");
  far_.say("HTTP/1.1 204 No Content\r\n\r\n");
  finish();
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(HttpCallTest, ChunkedBodyIsFramedAnewAndStreamed) {
  request_.framing = BodyFraming::kChunked;
  start("POST / HTTP/1.1\r\n\r\n", "POST");
  EXPECT_EQ(far_.hear(), "POST / HTTP/1.1\r\n\r\n");
  source_.send("hello");
  EXPECT_EQ(far_.hear(), "5\r\nhello\r\n");
  source_.send(std::string(300, 'x'));
  EXPECT_EQ(far_.hear(), "12c\r\n" + std::string(300, 'x') + "\r\n");
  source_.finish();
  EXPECT_EQ(far_.hear(), "0\r\n\r\n");
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  finish();
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(HttpCallTest, LargeBodyWaitsForThePeer) {
  constexpr size_t kSize = 4 << 20;
  request_.framing = BodyFraming::kLength;
  request_.content_length = kSize;
  start("PUT / HTTP/1.1\r\n\r\n", "PUT");
  std::string sent = "PUT / HTTP/1.1\r\n\r\n";
  for (size_t i = 0; i < kSize / 65536; ++i) {
    source_.send(std::string(65536, static_cast<char>('a' + i % 26)));
    sent += std::string(65536, static_cast<char>('a' + i % 26));
  }
  source_.finish();
  EXPECT_EQ(heard_until(sent.size()), sent);
  EXPECT_FALSE(body_->replayable());
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  finish();
  EXPECT_TRUE(call_->connection_reusable());
}

// The answer is read while the request is still being sent; the connection cannot be used again (faults.md 108).
TEST_F(HttpCallTest, AnswerBeforeTheRequestIsComplete) {
  request_.framing = BodyFraming::kChunked;
  start("POST / HTTP/1.1\r\n\r\n", "POST");
  source_.send("a");
  far_.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno\n");
  finish();
  EXPECT_EQ(seen_ + content_, "413 no\n");
  EXPECT_FALSE(call_->connection_reusable());
}

TEST_F(HttpCallTest, ClientLeavesWithinItsBody) {
  request_.framing = BodyFraming::kChunked;
  start("POST / HTTP/1.1\r\n\r\n", "POST");
  source_.send("a");
  source_.finish(BodyStatus::kDisconnected);
  finish();
  EXPECT_EQ(status_, CallStatus::kClientFailed);
  EXPECT_EQ(call_->client_failure(), BodyStatus::kDisconnected);
}

TEST_F(HttpCallTest, AbandonedWhileThePeerThinks) {
  start();
  runner_.turns(std::chrono::milliseconds(1));
  call_->abandon();
  finish();
  EXPECT_EQ(status_, CallStatus::kClientFailed);
  EXPECT_EQ(call_->client_failure(), BodyStatus::kDisconnected);
}

TEST_F(HttpCallTest, AClientThatIsSlowInSendingIsNoFaultOfThePeer) {
  options_.silence = std::chrono::milliseconds(20);
  request_.framing = BodyFraming::kChunked;
  start("POST / HTTP/1.1\r\n\r\n", "POST");
  runner_.turns(std::chrono::milliseconds(60));
  EXPECT_FALSE(done_);
  source_.finish();
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  finish();
  EXPECT_EQ(status_, CallStatus::kFine);
}

TEST_F(HttpCallTest, APeerThatTakesNothing) {
  options_.silence = std::chrono::milliseconds(30);
  request_.framing = BodyFraming::kLength;
  request_.content_length = 8 << 20;
  start("PUT / HTTP/1.1\r\n\r\n", "PUT");
  for (int i = 0; i < 128; ++i) source_.send(std::string(65536, 'x'));
  finish();
  EXPECT_EQ(status_, CallStatus::kTimedOut);
}

// It answers already, and waits itself until its answer is read.
TEST_F(HttpCallTest, APeerThatTakesNothingSinceTheClientDoesNotRead) {
  options_.silence = std::chrono::milliseconds(20);
  request_.framing = BodyFraming::kLength;
  request_.content_length = 8 << 20;
  request_.method = "PUT";
  body_.emplace(source_, request_);
  call_.emplace(loop_, *far_.stream, request_.method, *body_, options_, offer_);
  for (int i = 0; i < 128; ++i) source_.send(std::string(65536, 'x'));
  call_->begin("PUT / HTTP/1.1\r\n\r\n");
  far_.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok");
  runner_.turns(std::chrono::milliseconds(60));  // nobody reads it
  far_.say("ay");
  const auto read = [](HttpCall& call, CallStatus& status, bool& done) -> base::Task<void> {
    auto reading = call.read_head();
    status = co_await reading;
    done = true;
  };
  tasks_.start(read(*call_, status_, done_));
  finish();
  EXPECT_EQ(status_, CallStatus::kFine);
}

TEST_F(HttpCallTest, LargeAnswer) {
  start();
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + std::string(1000000, 'x');
  size_t sent = 0;
  runner_.until([&] {
    const ssize_t count = ::send(far_.peer.get(), answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<size_t>(count);
    return done_;
  });
  EXPECT_EQ(content_.size(), 1000000u);
  EXPECT_TRUE(call_->connection_reusable());
}

TEST_F(HttpCallTest, ManySmallChunks) {
  start();
  std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 1000; ++i) answer += "2\r\nab\r\n";
  far_.say(answer + "0\r\n\r\n");
  finish();
  std::string expected;
  for (int i = 0; i < 1000; ++i) expected += "ab";
  EXPECT_EQ(content_, expected);
}

}  // namespace
}  // namespace cutwater::upstream

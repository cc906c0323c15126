#include "upstream/fastcgi_rest.h"

#include "codec/fastcgi/record.h"
#include "upstream/fastcgi_call.h"
#include "upstream/upstream_test_support.h"

namespace cutwater::upstream {
namespace {

using codec::fastcgi::RecordType;

class NoErrors final : public StderrSink {
 public:
  void on_stderr(std::string_view) override {}
};

class FastcgiRestTest : public testing::Test {
 protected:
  void start(uint64_t body) {
    rest_ = std::make_unique<FastcgiRest>(codec::fastcgi::ResponseReader(), FastcgiRest::Limits{body, true});
    tasks_.start(wait());
  }
  base::Task<void> wait() {
    const base::Instant deadline = base::monotonic_now() + std::chrono::seconds(5);
    auto running = rest_->run(loop_, *far_.stream, errors_, deadline);
    outcome_ = co_await running;
  }
  CallRest::Outcome finish() {
    runner_.until([this] { return outcome_.has_value(); });
    return outcome_.value_or(CallRest::Outcome::kTimedOut);
  }
  static std::string out(size_t bytes) {
    std::string record;
    codec::fastcgi::append_stream(record, RecordType::kStdout, kFastcgiRequestId, std::string(bytes, 'x'));
    return record;
  }
  static std::string end() {
    std::string record;
    codec::fastcgi::append_end_request(record, kFastcgiRequestId, {});
    return record;
  }

  io::Loop loop_;
  LoopRunner runner_{loop_};
  FarEnd far_{loop_};
  NoErrors errors_;
  std::unique_ptr<FastcgiRest> rest_;
  std::optional<CallRest::Outcome> outcome_;
  base::TaskSet tasks_;
};

TEST_F(FastcgiRestTest, ABodyThatNobodyReadsIsWaitedThrough) {
  start(30'000);
  far_.say(out(30'000) + end());
  EXPECT_EQ(finish(), CallRest::Outcome::kReusable);
  EXPECT_FALSE(rest_->went_on());
}

TEST_F(FastcgiRestTest, MoreThanWasAnnouncedEndsTheConnection) {
  start(10);
  far_.say(out(11) + end());
  EXPECT_EQ(finish(), CallRest::Outcome::kEnded);
  EXPECT_TRUE(rest_->went_on());
}

// Announced or not: a program that never ends must not be read until it does.
TEST_F(FastcgiRestTest, AnEndlessBodyIsGivenUp) {
  start(UINT64_MAX);
  far_.say(out(60'000));
  runner_.turns(std::chrono::milliseconds(5));
  EXPECT_FALSE(outcome_);
  far_.say(out(6'000));
  EXPECT_EQ(finish(), CallRest::Outcome::kGivenUp);
}

}  // namespace
}  // namespace cutwater::upstream

// What is kept of an answer for a client that does not read, and what holds its worker back instead.
#include "handler/app_answer.h"

#include "handler/app_test_support.h"

namespace cutwater::handler {
namespace {

class KeptAnswers : public AppTest {
 protected:
  static constexpr size_t kPiece = 16 * 1024;
  static constexpr size_t kFirst = 20;  // pieces: more than AppAnswer::kSentAtOnce
  static constexpr size_t kRest = 44;   // more than the worker has credit for

  // What the client takes, before it stops reading.
  TestExchange& begin(link::WorkerLink& worker, link::Claim& claimed, const message::Response& head) {
    auto& exchange = get("/long");
    claimed = claim(worker);
    worker.send_response(claimed, head, "", 0);
    EXPECT_TRUE(send(worker, claimed, kFirst));
    runner_.until([&] { return exchange.writer.content.size() == kFirst * kPiece; });
    exchange.writer.held = true;
    return exchange;
  }
  // False: the worker gets no credit for all of them.
  bool send(link::WorkerLink& worker, const link::Claim& claimed, size_t pieces) {
    for (; pieces > 0; --pieces) {
      for (int tries = 0; credit_ < kPiece; ++tries) {
        if (tries == 100) return false;
        runner_.turns(std::chrono::milliseconds(2));
        while (auto frame = worker.receive()) credit_ += frame->header.value;
      }
      size_t sent = 0;
      while (sent == 0) {
        sent = worker.send_body(claimed, std::string(kPiece, 'x'), 0).body_bytes;
        worker.wake_fronts();
        if (sent == 0) runner_.turns(std::chrono::milliseconds(2));
      }
      credit_ -= sent;
    }
    return true;
  }
  // Once there is room for it in the ring.
  void end(link::WorkerLink& worker, const link::Claim& claimed, link::UpKind how = link::UpKind::kEnd) {
    while (!worker.send_up(claimed, how, link::kReleases, "")) {
      runner_.turns(std::chrono::milliseconds(2));
    }
    worker.wake_fronts();
  }

  size_t credit_ = link::kInitialCredit;
};

class KeptAnswersOfAnyLength : public KeptAnswers, public testing::WithParamInterface<bool> {};

TEST_P(KeptAnswersOfAnyLength, FreeTheWorkerOfAClientThatDoesNotRead) {
  auto& worker = start_one_worker();
  link::Claim claimed;
  const std::string whole((kFirst + kRest) * kPiece, 'x');
  auto& slow = begin(worker, claimed, GetParam() ? plain(whole.size()) : plain());
  ASSERT_TRUE(send(worker, claimed, kRest));
  end(worker, claimed);
  auto& other = get("/other");
  answer(worker, claim(worker), "free");
  until_done(other);
  EXPECT_FALSE(slow.done);
  EXPECT_GT(area_.answers.used(), 0u);
  slow.writer.release();
  until_done(slow);
  EXPECT_TRUE(slow.writer.content == whole);
  EXPECT_TRUE(slow.writer.finished);
  EXPECT_EQ(area_.answers.used(), 0u);
}

INSTANTIATE_TEST_SUITE_P(KnownAndUnknown, KeptAnswersOfAnyLength, testing::Bool());

// The first bytes of a short one too, where others have filled the connection.
TEST_F(KeptAnswers, AreThoseThatASharedConnectionHasNoRoomFor) {
  constexpr size_t kPieces = 12;  // more than the worker has credit for, less than AppAnswer::kSentAtOnce
  auto& worker = start_one_worker();
  auto& crowded = get("/crowded");
  crowded.writer.room_left = 0;
  crowded.writer.held = true;
  link::Claim claimed = claim(worker);
  worker.send_response(claimed, plain(), "", 0);
  ASSERT_TRUE(send(worker, claimed, kPieces));
  end(worker, claimed);
  auto& other = get("/other");
  answer(worker, claim(worker), "free");
  until_done(other);
  EXPECT_FALSE(crowded.done);
  crowded.writer.release();
  until_done(crowded);
  EXPECT_EQ(crowded.writer.content, std::string(kPieces * kPiece, 'x'));
  EXPECT_TRUE(crowded.writer.finished);
}

TEST_F(KeptAnswers, AreCutBehindWhatCameBefore) {
  auto& worker = start_one_worker();
  link::Claim claimed;
  auto& slow = begin(worker, claimed, plain());
  ASSERT_TRUE(send(worker, claimed, kRest));
  end(worker, claimed, link::UpKind::kAbort);
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_FALSE(slow.done);
  slow.writer.release();
  until_done(slow);
  EXPECT_EQ(slow.writer.content.size(), (kFirst + kRest) * kPiece);
  EXPECT_TRUE(slow.writer.aborted);
}

using Field = std::pair<const char*, const char*>;
class LiveAnswers : public KeptAnswers, public testing::WithParamInterface<Field> {};

TEST_P(LiveAnswers, AreNotKept) {
  auto& worker = start_one_worker();
  message::Response head;
  head.headers.add(GetParam().first, GetParam().second);
  link::Claim claimed;
  auto& slow = begin(worker, claimed, head);
  EXPECT_FALSE(send(worker, claimed, kRest));
  EXPECT_EQ(area_.answers.used(), 0u);
  slow.writer.release();
  end(worker, claimed);
  until_done(slow);
}

INSTANTIATE_TEST_SUITE_P(ByTheirFields, LiveAnswers,
                         testing::Values(Field("X-Accel-Buffering", "no"), Field("Content-Type", "Text/Event-Stream"),
                                         Field("Content-Type", "multipart/x-mixed-replace; boundary=x")));

class KeptAsynchronousAnswers : public KeptAnswers {
 protected:
  KeptAsynchronousAnswers() { options_.asynchronous = true; }
};

TEST_F(KeptAsynchronousAnswers, AreNone) {
  auto& worker = start_one_worker();
  link::Claim claimed;
  auto& slow = begin(worker, claimed, plain());
  EXPECT_FALSE(send(worker, claimed, kRest));
  slow.writer.release();
  end(worker, claimed);
  until_done(slow);
}

}  // namespace
}  // namespace cutwater::handler

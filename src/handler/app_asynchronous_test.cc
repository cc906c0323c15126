// Apps whose workers run many requests at once: bodies that are streamed to them, time limits, the queue, trailers.
#include <sys/mman.h>

#include "handler/app_test_support.h"

namespace cutwater::handler {
namespace {

using link::DownKind;
using link::UpKind;

class AsynchronousAppTest : public AppTest, public testing::WithParamInterface<uint32_t> {
 protected:
  AsynchronousAppTest() : AppTest(GetParam()) {
    options_.asynchronous = true;
    options_.requests_per_worker = 4;
  }
  std::optional<link::DownFrame> frame(link::WorkerLink& worker) {
    std::optional<link::DownFrame> frame;
    runner_.until([&] { return (frame = worker.receive()).has_value(); });
    return frame;
  }
  // For so long the worker's event loop turns, and nothing comes but probes.
  void turn_loop(link::WorkerLink& worker, base::Duration time) {
    for (const base::Instant end = base::monotonic_now() + time; base::monotonic_now() < end;) {
      EXPECT_FALSE(worker.receive());
      worker.prepare_to_wait();
      worker.awake();
      runner_.turns(std::chrono::milliseconds(50));
    }
  }
  // What it was: "disconnect", or a piece's bytes.
  DownKind kind(link::WorkerLink& worker) { return static_cast<DownKind>(frame(worker)->header.kind); }
  void want(link::WorkerLink& worker, const link::Claim& claim, uint32_t credit = 0) {
    EXPECT_TRUE(worker.send_up(claim, credit == 0 ? UpKind::kBodyWanted : UpKind::kCredit, credit, ""));
    worker.wake_fronts();
  }
  void end(link::WorkerLink& worker, const link::Claim& claim) {
    worker.send_up(claim, UpKind::kEnd, link::kReleases, "");
    worker.wake_fronts();
  }
  static std::string fields(std::string_view name, std::string_view value) {
    message::Headers headers;
    headers.add(name, value);
    std::string record(value.size() + 100, '\0');
    base::ByteWriter writer(record);
    record.resize(link::encode_fields(headers, writer));
    return record;
  }
  TestExchange& post(std::vector<std::string> pieces) {
    auto& exchange = *exchanges_.emplace_back(std::make_unique<TestExchange>("POST", "/upload"));
    exchange.with_body(std::move(pieces));
    return exchange;
  }
};

TEST_P(AsynchronousAppTest, AShortBodyComesWithTheRequest) {
  auto& worker = start_one_worker();
  auto& exchange = post({"a=1", "&b=2"});
  exchange.start(app_);
  auto claimed = claim(worker);
  EXPECT_EQ(claimed.inline_body, "a=1&b=2");
  answer(worker, claimed, "ok");
  until_done(exchange);
}

TEST_P(AsynchronousAppTest, ALongBodyFollowsWhenItIsWantedWithinTheCredit) {
  auto& worker = start_one_worker();
  auto& exchange = post(std::vector<std::string>(10, std::string(20'000, 'u')));
  exchange.start(app_);
  auto claimed = claim(worker);
  message::Request request;
  link::RequestExtras extras;
  ASSERT_TRUE(link::decode_request(claimed.record, request, extras));
  EXPECT_EQ(extras.body_place, link::BodyPlace::kStreamed);
  EXPECT_EQ(extras.body_length, 200'000u);
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_FALSE(worker.receive());
  EXPECT_EQ(exchange.body.pieces.size(), 10u);
  want(worker, claimed);
  std::string received;
  bool ended = false;
  auto take = [&](size_t size) {
    runner_.until([&] {
      while (auto piece = worker.receive()) {
        ended = static_cast<DownKind>(piece->header.kind) == DownKind::kBodyEnd;
        received += piece->payload;
      }
      return received.size() >= size;
    });
  };
  take(link::kInitialBodyCredit);
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_FALSE(worker.receive());
  EXPECT_EQ(received.size(), link::kInitialBodyCredit);
  EXPECT_GE(exchange.body.pieces.size(), 8u);  // the client is held back
  while (received.size() < 200'000) {
    want(worker, claimed, 50'000);
    take(std::min<size_t>(received.size() + 50'000, 200'000));
  }
  if (!ended) {
    EXPECT_EQ(kind(worker), DownKind::kBodyEnd);
  }
  EXPECT_EQ(received, std::string(200'000, 'u'));
  answer(worker, claimed, "ok");
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "ok");
}

TEST_P(AsynchronousAppTest, AFullRingHoldsTheBodyUp) {
  auto& worker = start_one_worker();
  auto& exchange = post(std::vector<std::string>(100, std::string(10'000, 'u')));
  exchange.start(app_);
  auto claimed = claim(worker);
  want(worker, claimed, 100'000'000);
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_GE(exchange.body.pieces.size(), 90u);
  size_t received = 0;
  bool ended = false;
  runner_.until([&] {
    for (int i = 0; i < 2; ++i) {
      auto piece = worker.receive();
      if (!piece) {
        worker.prepare_to_wait();
        worker.awake();
        break;
      }
      received += piece->payload.size();
      ended = static_cast<DownKind>(piece->header.kind) == DownKind::kBodyEnd;
    }
    worker.wake_fronts();
    return ended;
  });
  EXPECT_EQ(received, 1'000'000u);
  answer(worker, claimed, "ok");
  until_done(exchange);
}

// Who waits for room is not asked any more once its request is over.
TEST_P(AsynchronousAppTest, ARequestThatEndsBeforeThereIsRoomIsForgotten) {
  auto* worker = &start_one_worker();
  auto fill_the_ring = [&](const link::Claim& claimed) {
    want(*worker, claimed, 100'000'000);
    runner_.turns(std::chrono::milliseconds(20));
    want(*worker, claimed, 1);  // tries again
    runner_.turns(std::chrono::milliseconds(20));
  };
  auto make_room = [&] {
    while (worker->receive()) {
    }
    worker->prepare_to_wait();
    worker->awake();
    worker->wake_fronts();
    runner_.turns(std::chrono::milliseconds(20));
  };
  for (bool dies : {false, true, false}) {
    auto& exchange = post(std::vector<std::string>(50, std::string(10'000, 'u')));
    exchange.start(app_);
    auto claimed = claim(*worker);
    fill_the_ring(claimed);
    EXPECT_FALSE(exchange.body.pieces.empty());
    if (dies) {
      generations_[0]->processes[0]->kill();
      until_done(exchange);
      EXPECT_EQ(exchange.writer.status(), 502);
      runner_.until([&] { return noted("free 1/0"); });
      worker = &add_worker(*generations_[0], 0);
    } else {
      answer(*worker, claimed, "enough");
      until_done(exchange);
      EXPECT_EQ(exchange.writer.content, "enough");
      make_room();
    }
  }
}

TEST_P(AsynchronousAppTest, AnAnswerMayComeBeforeTheBodyWasRead) {
  auto& worker = start_one_worker();
  auto& exchange = post(std::vector<std::string>(10, std::string(20'000, 'u')));
  exchange.start(app_);
  auto claimed = claim(worker);
  want(worker, claimed);
  EXPECT_EQ(kind(worker), DownKind::kBodyPiece);
  answer(worker, claimed, "enough");
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "enough");
  EXPECT_FALSE(exchange.body.pieces.empty());
}

TEST_P(AsynchronousAppTest, ABodyThatBreaksOffEndsTheRequest) {
  const std::pair<message::BodyStatus, int> kCases[] = {{message::BodyStatus::kTooLarge, 413},
                                                        {message::BodyStatus::kMalformed, 400},
                                                        {message::BodyStatus::kTimedOut, 408},
                                                        {message::BodyStatus::kDisconnected, 0}};
  auto& worker = start_one_worker();
  for (auto [status, answer] : kCases) {
    auto& exchange = post({"piece"});
    exchange.request.framing = message::BodyFraming::kChunked;
    exchange.body.end = status;
    exchange.start(app_);
    auto claimed = claim(worker);
    want(worker, claimed);
    until_done(exchange);
    EXPECT_EQ(exchange.writer.status(), answer);
    EXPECT_EQ(kind(worker), DownKind::kBodyPiece);
    EXPECT_EQ(kind(worker), DownKind::kDisconnect);
    worker.release(claimed);
    worker.wake_fronts();
  }
  EXPECT_TRUE(reports_.notes.empty());
}

TEST_P(AsynchronousAppTest, ASlowHeadIsCancelledAndItsWorkerLives) {
  options_.timeout = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  auto& slow = get("/slow");
  auto claimed = claim(worker);
  until_done(slow);
  EXPECT_EQ(slow.writer.status(), 504);
  EXPECT_EQ(kind(worker), DownKind::kCancel);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_TRUE(log_.lines[0].starts_with("CW0501 shop: GET /slow took longer than timeout = 0.15 s")) << log_.lines[0];
  worker.release(claimed);
  worker.wake_fronts();
  auto& next = get();
  answer(worker, claim(worker), "next");
  until_done(next);
  EXPECT_TRUE(reports_.notes.empty());
}

TEST_P(AsynchronousAppTest, AWorkerThatKeepsWhatWasCancelledIsStuck) {
  options_.timeout = options_.cancel_grace = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  auto& slow = get("/slow");
  claim(worker);
  until_done(slow);
  EXPECT_TRUE(reports_.notes.empty());
  runner_.until([&] { return noted("stuck 1/0 GET /slow 504"); });
}

TEST_P(AsynchronousAppTest, AnAnswerMayLastAsLongAsItLikes) {
  options_.timeout = options_.cancel_grace = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  auto& exchange = get("/events");
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "x", 0);
  worker.wake_fronts();
  turn_loop(worker, std::chrono::milliseconds(600));
  EXPECT_FALSE(exchange.done);
  end(worker, claimed);
  until_done(exchange);
  EXPECT_TRUE(exchange.writer.finished);
  EXPECT_TRUE(reports_.notes.empty());
}

TEST_P(AsynchronousAppTest, ASlowClientsUploadIsNotTheWorkersTime) {
  options_.timeout = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  auto& exchange = post({});
  exchange.request.framing = message::BodyFraming::kChunked;
  exchange.body.held = true;
  exchange.start(app_);
  auto claimed = claim(worker);
  want(worker, claimed);
  runner_.turns(std::chrono::milliseconds(500));
  EXPECT_FALSE(exchange.done);
  exchange.body.release();
  EXPECT_EQ(kind(worker), DownKind::kBodyEnd);
  answer(worker, claimed, "ok");
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "ok");
}

TEST_P(AsynchronousAppTest, ARunningRequestHearsOfAClientThatLeft) {
  auto& worker = start_one_worker();
  auto& exchange = get("/events");
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "x", 0);
  worker.wake_fronts();
  runner_.turns(std::chrono::milliseconds(250));  // its deadline is not looked at any more
  exchange.exchange.gone_listener->on_client_gone(false);
  EXPECT_EQ(kind(worker), DownKind::kDisconnect);
  EXPECT_FALSE(exchange.done);  // it may have closed one half only
  worker.send_body(claimed, "last", link::kComplete | link::kReleases);
  worker.wake_fronts();
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "xlast");
  EXPECT_FALSE(worker.receive());
}

// The app does not listen, and writes for ever.
TEST_P(AsynchronousAppTest, WhatNobodyReadsIsCancelled) {
  options_.timeout = options_.cancel_grace = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  auto& leaver = get("/left");
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "x", 0);
  worker.wake_fronts();
  runner_.until([&] { return leaver.writer.head_sent(); });
  leaver.leave(true);
  EXPECT_EQ(kind(worker), DownKind::kDisconnect);
  EXPECT_EQ(kind(worker), DownKind::kCancel);
  runner_.until([&] { return noted("stuck 1/0 GET /left none"); });
}

TEST_P(AsynchronousAppTest, LoopThatLooksAtNothingHangs) {
  options_.timeout = std::chrono::milliseconds(300);
  auto& worker = start_one_worker();
  auto& exchange = get("/endless");
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "x", 0);
  worker.wake_fronts();
  runner_.until([&] { return exchange.writer.head_sent(); });
  turn_loop(worker, std::chrono::seconds(1));
  EXPECT_TRUE(reports_.notes.empty());
  runner_.until([&] { return noted("stuck 1/0   cut"); });
  end(worker, claimed);
  until_done(exchange);
}

TEST_P(AsynchronousAppTest, TrailersStandBehindTheBody) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "body", 0);
  message::Headers fields;
  fields.add("Digest", "x");
  char record[100];
  base::ByteWriter writer(record);
  ASSERT_GT(link::encode_fields(fields, writer), 0u);
  worker.send_up(claimed, UpKind::kTrailers, 0, {record, writer.used()});
  end(worker, claimed);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "body");
  EXPECT_TRUE(exchange.writer.finished);
  ASSERT_EQ(exchange.writer.trailer_fields.size(), 1u);
  EXPECT_EQ(exchange.writer.trailer_fields[0], (std::pair<std::string, std::string>("Digest", "x")));
}

// What costs no credit is bounded all the same.
TEST_P(AsynchronousAppTest, EarlyHintsThatNobodyTakesAreDropped) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  exchange.writer.held = true;
  auto claimed = claim(worker);
  auto send = [&](size_t size, int count) {
    const std::string hint = fields("Link", std::string(size, 'l'));
    for (int i = 0; i < count; ++i) {
      runner_.until([&] { return worker.send_up(claimed, UpKind::kEarlyHints, 0, hint); });
      worker.wake_fronts();
    }
    runner_.turns(std::chrono::milliseconds(20));
  };
  auto taken = [&] {
    const size_t before = exchange.writer.hints.size();
    exchange.writer.release();
    runner_.turns(std::chrono::milliseconds(20));
    exchange.writer.held = true;
    return exchange.writer.hints.size() - before;
  };
  send(10, 40);
  EXPECT_EQ(exchange.writer.hints.size(), 1u);
  EXPECT_EQ(taken(), 16u);
  send(20'000, 10);
  EXPECT_EQ(taken(), 3u);
  send(10, 3);
  EXPECT_EQ(taken(), 2u);
  exchange.writer.held = false;
  answer(worker, claimed, "ok");
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "ok");
  EXPECT_TRUE(reports_.notes.empty());
}

TEST_P(AsynchronousAppTest, MoreFilesThanAClientTakesAreRefused) {
  auto& worker = start_one_worker();
  const base::FileDescriptor file(memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(write(file.get(), "f", 1), 1);
  for (int count : {8, 30}) {
    auto& exchange = get();
    exchange.writer.held = true;
    auto claimed = claim(worker);
    worker.send_response(claimed, plain(), "x", 0);
    worker.wake_fronts();
    runner_.until([&] { return exchange.writer.head_sent(); });
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(worker.send_file(claimed, file.get(), 0, 1), link::SendResult::kSent);
      worker.wake_fronts();
      runner_.turns(std::chrono::milliseconds(2));
    }
    EXPECT_LE(static_cast<AppRequest*>(exchange.exchange.gone_listener)->kept_items(), 9u);
    EXPECT_EQ(reports_.notes.size(), count == 8 ? 0u : 1u);
    EXPECT_EQ(log_.lines.size(), count == 8 ? 0u : 1u);
    exchange.writer.release();
    end(worker, claimed);
    until_done(exchange);
    EXPECT_EQ(exchange.writer.content, "xffffffff");
    EXPECT_EQ(exchange.writer.aborted, count != 8);
  }
  EXPECT_TRUE(noted("broken 1/0"));
}

TEST_P(AsynchronousAppTest, TrailersWithoutEndEndTheAnswer) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  exchange.writer.held = true;
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "x", 0);
  for (int i = 0; i < 100; ++i) worker.send_up(claimed, UpKind::kTrailers, 0, fields("Digest", "x"));
  worker.wake_fronts();
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_LE(static_cast<AppRequest*>(exchange.exchange.gone_listener)->kept_items(), 17u);
  exchange.writer.release();
  until_done(exchange);
  EXPECT_TRUE(exchange.writer.aborted);
  EXPECT_TRUE(reports_.notes.empty());  // the app's fault, not its worker's
}

TEST_P(AsynchronousAppTest, TheQueueIsWhatWorkersCannotRun) {
  options_.queue = 2;
  options_.requests_per_worker = 1;
  auto& worker = start_one_worker();
  auto& running = get();
  auto first = claim(worker);
  auto& one = get();
  auto& two = get();
  auto& refused = get();
  EXPECT_FALSE(one.done || two.done);
  EXPECT_EQ(refused.writer.status(), 503);
  // It claims more than one all the same: then those do not wait.
  auto second = claim(worker);
  auto third = claim(worker);
  auto& welcome = get();
  EXPECT_FALSE(welcome.done);
  for (const link::Claim& claimed : {first, second, third}) answer(worker, claimed, "x");
  answer(worker, claim(worker), "x");
  for (TestExchange* exchange : {&running, &one, &two, &welcome}) until_done(*exchange);
}

// The new code is WSGI: it cannot have a body that is still to come.
TEST_P(AsynchronousAppTest, AStreamedRequestCannotGoToWorkersOfAnotherKind) {
  auto& asynchronous = add_generation(1);
  add_worker(asynchronous, 0);
  app_.swap_to(1);
  auto& exchange = post({"piece"});
  exchange.request.framing = message::BodyFraming::kChunked;
  exchange.start(app_);
  options_.asynchronous = false;
  auto& next = add_generation(2);
  add_worker(next, 0);
  app_.swap_to(2);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 503);
}

// Its event loop has said that it sleeps, and then a task keeps it.
TEST_P(AsynchronousAppTest, WhatTheWokenWorkerDoesNotClaimIsSoonAnothers) {
  auto& generation = add_generation(1);
  auto& one = add_worker(generation, 0);
  auto& other = add_worker(generation, 1);
  app_.swap_to(1);
  runner_.turns(std::chrono::milliseconds(2));
  for (uint32_t lane : {0u, 1u}) link::take_count(generation.world.lane_wake(lane));  // what their coming has caused
  ASSERT_TRUE(one.prepare_to_sleep() && other.prepare_to_sleep());
  const base::Instant asked = base::monotonic_now();
  auto& exchange = get();
  uint32_t woken = 0;
  runner_.until([&] {
    for (uint32_t lane : {0u, 1u}) woken += link::take_count(generation.world.lane_wake(lane)) > 0 ? 1u : 0u;
    return woken == 2;
  });
  EXPECT_LT(base::monotonic_now() - asked, std::chrono::milliseconds(95));  // before the tick
  answer(other, claim(other), "x");
  until_done(exchange);
}

INSTANTIATE_TEST_SUITE_P(Fronts, AsynchronousAppTest, testing::Values(1, 2));

}  // namespace
}  // namespace cutwater::handler

// AppHandler with a real FrontLink; the worker's end is played by the test, step by step, in this process.
#include "handler/app.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "handler/handler_test_support.h"
#include "link/link_test_support.h"

namespace cutwater::handler {
namespace {

class NotingReports final : public AppReports {
 public:
  void lane_free(const GenerationOptions& generation, uint32_t lane) override {
    notes.push_back("free " + std::to_string(generation.number) + "/" + std::to_string(lane));
  }
  void worker_stuck(const GenerationOptions& generation, uint32_t lane, std::string_view method,
                    std::string_view path, StuckClient client) override {
    const char* got = client == StuckClient::k504 ? "504" : client == StuckClient::kCut ? "cut" : "none";
    notes.push_back("stuck " + std::to_string(generation.number) + "/" + std::to_string(lane) + " " +
                    std::string(method) + " " + std::string(path) + " " + got);
  }
  void worker_broken(const GenerationOptions& generation, uint32_t lane, std::string_view) override {
    notes.push_back("broken " + std::to_string(generation.number) + "/" + std::to_string(lane));
  }
  void generation_drained(const GenerationOptions& generation) override {
    notes.push_back("drained " + std::to_string(generation.number));
  }
  std::vector<std::string> notes;
};

// A process that only exists to be watched through its pidfd.
class Sleeper {
 public:
  Sleeper() : pid_(fork()) {
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      pause();
      _exit(0);
    }
  }
  ~Sleeper() {
    kill();
    waitpid(pid_, nullptr, 0);
  }
  void kill() { ::kill(pid_, SIGKILL); }
  base::FileDescriptor watch() const { return base::FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0))); }

 private:
  pid_t pid_;
};

// One generation with the workers' ends.
struct TestGeneration {
  explicit TestGeneration(uint64_t id, const link::Layout& layout) : number(id), world(layout) {}
  uint64_t number;
  link::World world;
  std::map<uint32_t, std::unique_ptr<link::WorkerLink>> workers;
  std::map<uint32_t, std::unique_ptr<Sleeper>> processes;
};

class AppTest : public testing::Test {
 protected:
  static link::Layout layout() {
    link::Layout layout = link::World::small_layout();
    layout.slots = 4;
    return layout;
  }
  TestGeneration& add_generation(uint64_t number) {
    auto& generation = *generations_.emplace_back(std::make_unique<TestGeneration>(number, layout()));
    GenerationOptions options = options_;
    options.number = number;
    auto added = app_.add_generation(options, {base::FileDescriptor(dup(generation.world.memory())),
                                               base::FileDescriptor(dup(generation.world.front_wake(0))),
                                               base::FileDescriptor(dup(generation.world.front_alarm(0)))});
    EXPECT_TRUE(added) << added.error().message;
    return generation;
  }
  link::WorkerLink& add_worker(TestGeneration& generation, uint32_t lane) {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    link::WorkerLink::Descriptors descriptors;
    descriptors.wake = base::FileDescriptor(dup(generation.world.lane_wake(lane)));
    descriptors.front_wakes.emplace_back(dup(generation.world.front_wake(0)));
    descriptors.front_alarms.emplace_back(dup(generation.world.front_alarm(0)));
    descriptors.lane_sockets.emplace_back(pair[0]);
    auto& process = generation.processes[lane] = std::make_unique<Sleeper>();
    app_.attach_worker(generation.number, lane,
                       {base::FileDescriptor(dup(generation.world.lane_wake(lane))), base::FileDescriptor(pair[1]),
                        process->watch()});
    auto segment = link::Segment::map(generation.world.memory());
    EXPECT_TRUE(segment);
    auto& worker = generation.workers[lane] =
        std::make_unique<link::WorkerLink>(std::move(*segment), lane, std::move(descriptors));
    return *worker;
  }
  link::WorkerLink& start_one_worker() {
    auto& generation = add_generation(1);
    auto& worker = add_worker(generation, 0);
    app_.swap_to(1);
    return worker;
  }
  TestExchange& get(std::string_view path = "/hello") {
    auto& exchange = *exchanges_.emplace_back(std::make_unique<TestExchange>("GET", path));
    exchange.start(app_);
    return exchange;
  }
  link::Claim claim(link::WorkerLink& worker) {
    link::Claim claim;
    runner_.until([&] { return worker.claim(claim); });
    return claim;
  }
  static std::string path_of(const link::Claim& claim) {
    message::Request request;
    link::RequestExtras extras;
    EXPECT_TRUE(link::decode_request(claim.record, request, extras));
    return std::string(request.path);
  }
  static message::Response plain(std::optional<uint64_t> length = std::nullopt) {
    message::Response response;
    response.headers.add("Content-Type", "text/plain");
    response.content_length = length;
    return response;
  }
  void answer(link::WorkerLink& worker, const link::Claim& claim, std::string_view text) {
    auto sent = worker.send_response(claim, plain(text.size()), text, link::kComplete | link::kReleases);
    EXPECT_EQ(sent.status, link::SendResult::kSent);
    worker.wake_fronts(false);
  }
  void until_done(TestExchange& exchange) {
    if (!exchange.done) runner_.until([&] { return exchange.done; });
  }
  bool noted(const std::string& note) const {
    return std::find(reports_.notes.begin(), reports_.notes.end(), note) != reports_.notes.end();
  }

  GenerationOptions options_{"shop", 0, "", std::chrono::seconds(60), 100, std::chrono::seconds(10)};
  io::Loop loop_;
  io::Offload offload_{loop_, 1};
  SpoolArea area_{offload_, find_spool_directory()};
  NotingLog log_;
  NotingReports reports_;
  std::vector<std::unique_ptr<TestGeneration>> generations_;
  AppHandler app_{"shop", {loop_, offload_, area_, log_, reports_, 0}};
  std::vector<std::unique_ptr<TestExchange>> exchanges_;
  LoopRunner runner_{loop_};
};

TEST_F(AppTest, WithoutAGenerationItIs503) {
  auto& early = get();
  EXPECT_TRUE(early.done);
  EXPECT_EQ(early.writer.status(), 503);
  EXPECT_EQ(early.writer.header("Retry-After"), "2");
  add_generation(1);
  EXPECT_EQ(get().writer.status(), 503);  // not before the swap
}

TEST_F(AppTest, RequestsWaitForTheFirstGeneration) {
  app_.expect_generation({2, std::chrono::seconds(10)});
  auto& early = get("/early");
  auto& second = get("/second");
  EXPECT_EQ(get("/third").writer.status(), 503);
  runner_.turns(std::chrono::milliseconds(150));
  EXPECT_FALSE(early.done);
  auto& worker = start_one_worker();
  for (TestExchange* exchange : {&early, &second}) {
    auto claimed = claim(worker);
    EXPECT_EQ(path_of(claimed), exchange->request.path);
    answer(worker, claimed, "hello");
    until_done(*exchange);
    EXPECT_EQ(exchange->writer.status(), 200);
  }
}

TEST_F(AppTest, NobodyWaitsForAGenerationThatFailed) {
  app_.expect_generation({100, std::chrono::seconds(10)});
  auto& early = get();
  app_.set_failed();
  until_done(early);
  EXPECT_EQ(early.writer.status(), 503);
  EXPECT_EQ(get().writer.status(), 503);
}

TEST_F(AppTest, SmallAnswerIsOneWrite) {
  auto& worker = start_one_worker();
  auto& exchange = get("/shop");
  EXPECT_FALSE(exchange.done);
  auto claimed = claim(worker);
  EXPECT_EQ(path_of(claimed), "/shop");
  answer(worker, claimed, "hello");
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 200);
  EXPECT_EQ(exchange.writer.pieces, std::vector<std::string>{"hello"});
  EXPECT_TRUE(exchange.writer.finished);
  EXPECT_TRUE(reports_.notes.empty());
  EXPECT_EQ(exchange.exchange.gone_listener, nullptr);
}

TEST_F(AppTest, StreamedPiecesGoOutOneByOne) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "one", 0);
  worker.wake_fronts(false);
  runner_.until([&] { return exchange.writer.pieces.size() == 1; });
  worker.send_body(claimed, "two", 0);
  worker.wake_fronts(false);
  runner_.until([&] { return exchange.writer.pieces.size() == 2; });
  EXPECT_FALSE(exchange.done);
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts(false);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "onetwo");
  EXPECT_TRUE(exchange.writer.finished);
}

TEST_F(AppTest, SmallPiecesOfOneTurnGoOutTogether) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "head", 0);
  worker.send_body(claimed, "one", 0);
  worker.send_body(claimed, "two", 0);
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts(false);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.pieces, (std::vector<std::string>{"head", "onetwo"}));
  EXPECT_TRUE(exchange.writer.finished);
}

TEST_F(AppTest, HeadAloneIsSentWithTheTurn) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "", 0);
  worker.wake_fronts(false);
  runner_.until([&] { return exchange.writer.head_sent(); });
  EXPECT_FALSE(exchange.done);
  worker.send_body(claimed, "x", link::kComplete | link::kReleases);
  worker.wake_fronts(false);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "x");
}

TEST_F(AppTest, CreditComesBackOnlyWhenTheClientHasTaken) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  exchange.writer.held = true;
  auto claimed = claim(worker);
  const std::string piece(32 * 1024, 'x');
  ASSERT_EQ(worker.send_response(claimed, plain(), piece, 0).body_bytes, piece.size());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(worker.send_body(claimed, piece, 0).body_bytes, piece.size());
  worker.wake_fronts(false);
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_FALSE(worker.receive());
  exchange.writer.release();
  std::optional<link::DownFrame> credit;
  runner_.until([&] { return (credit = worker.receive()).has_value(); });
  EXPECT_EQ(static_cast<link::DownKind>(credit->header.kind), link::DownKind::kCredit);
  EXPECT_GE(credit->header.value, link::kInitialCredit / 2);
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts(false);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content.size(), 4 * piece.size());
}

TEST_F(AppTest, MoreThanItsCreditIsRefused) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  exchange.writer.held = true;
  auto claimed = claim(worker);
  const std::string piece(32 * 1024, 'x');
  worker.send_response(claimed, plain(), piece, 0);
  for (int i = 0; i < 4; ++i) {
    while (worker.send_body(claimed, piece, 0).body_bytes == 0) runner_.turns(std::chrono::milliseconds(2));
  }
  worker.wake_fronts(false);
  runner_.turns(std::chrono::milliseconds(20));
  exchange.writer.release();
  until_done(exchange);
  EXPECT_TRUE(exchange.writer.aborted);
}

TEST_F(AppTest, AbortBeforeTheHeadIs500AndAfterItACut) {
  auto& worker = start_one_worker();
  auto& early = get();
  auto claimed = claim(worker);
  worker.send_up(claimed, link::UpKind::kAbort, link::kBeforeHead | link::kReleases, "");
  worker.wake_fronts(false);
  until_done(early);
  EXPECT_EQ(early.writer.status(), 500);
  auto& late = get();
  claimed = claim(worker);
  worker.send_response(claimed, plain(100), "begun", 0);
  worker.send_up(claimed, link::UpKind::kAbort, link::kReleases, "");
  worker.wake_fronts(false);
  until_done(late);
  EXPECT_EQ(late.writer.status(), 200);
  EXPECT_TRUE(late.writer.aborted);
  EXPECT_FALSE(late.writer.finished);
}

TEST_F(AppTest, EarlyHintsComeBeforeTheHead) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  auto claimed = claim(worker);
  message::Headers hints;
  hints.add("Link", "</a.css>; rel=preload");
  char record[200];
  base::ByteWriter writer(record);
  ASSERT_GT(link::encode_fields(hints, writer), 0u);
  worker.send_up(claimed, link::UpKind::kEarlyHints, 0, {record, writer.used()});
  answer(worker, claimed, "x");
  until_done(exchange);
  ASSERT_EQ(exchange.writer.hints.size(), 1u);
  EXPECT_EQ(exchange.writer.hints[0].second, "</a.css>; rel=preload");
  EXPECT_EQ(exchange.writer.status(), 200);
}

TEST_F(AppTest, FileAnswersAreSentFromTheDescriptor) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  auto claimed = claim(worker);
  base::FileDescriptor file(memfd_create("file", MFD_CLOEXEC));
  const std::string content(200'000, 'f');
  ASSERT_EQ(write(file.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  worker.send_response(claimed, plain(), "", 0);
  EXPECT_EQ(worker.send_file(claimed, file.get(), 10, UINT64_MAX), link::SendResult::kSent);
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts(false);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, content.substr(10));
  EXPECT_EQ(exchange.writer.content_length, content.size() - 10);
}

TEST_F(AppTest, OnlyRegularFilesAreFileAnswers) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  auto claimed = claim(worker);
  base::FileDescriptor device(open("/dev/zero", O_RDONLY | O_CLOEXEC));
  worker.send_response(claimed, plain(), "", 0);
  EXPECT_EQ(worker.send_file(claimed, device.get(), 0, 100), link::SendResult::kSent);
  worker.wake_fronts(false);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 200);
  EXPECT_TRUE(exchange.writer.aborted || exchange.writer.status() == 502);
  EXPECT_TRUE(noted("broken 1/0"));
}

TEST_F(AppTest, BodiesAreCompleteBeforeAWorkerSeesThem) {
  auto& worker = start_one_worker();
  TestExchange post("POST", "/form");
  post.with_body({"a=1", "&b=2"});
  post.start(app_);
  auto claimed = claim(worker);
  EXPECT_EQ(claimed.inline_body, "a=1&b=2");
  answer(worker, claimed, "ok");
  until_done(post);
  EXPECT_EQ(post.writer.status(), 200);
}

TEST_F(AppTest, LargeBodiesGoByDescriptor) {
  auto& worker = start_one_worker();
  TestExchange post("POST", "/upload");
  post.with_body(std::vector<std::string>(20, std::string(30'000, 'u')));
  post.start(app_);
  auto claimed = claim(worker);
  message::Request request;
  link::RequestExtras extras;
  ASSERT_TRUE(link::decode_request(claimed.record, request, extras));
  EXPECT_EQ(extras.body_place, link::BodyPlace::kDescriptor);
  EXPECT_EQ(extras.body_length, 600'000u);
  worker.send_up(claimed, link::UpKind::kBodyWanted, 0, "");
  worker.wake_fronts(false);
  base::FileDescriptor body;
  runner_.until([&] { return (body = worker.receive_body_descriptor(claimed)).valid(); });
  std::string content(600'001, '\0');
  EXPECT_EQ(pread(body.get(), content.data(), content.size(), 0), 600'000);
  EXPECT_EQ(write(body.get(), "x", 1), -1);
  answer(worker, claimed, "ok");
  until_done(post);
  EXPECT_EQ(post.writer.status(), 200);
}

TEST_F(AppTest, BodiesThatNeverArriveWholeReachNoWorker) {
  auto& worker = start_one_worker();
  const std::pair<message::BodyStatus, int> kCases[] = {{message::BodyStatus::kTooLarge, 413},
                                                        {message::BodyStatus::kMalformed, 400},
                                                        {message::BodyStatus::kTimedOut, 408},
                                                        {message::BodyStatus::kDisconnected, 0}};
  for (auto [status, answer] : kCases) {
    TestExchange post("POST", "/form");
    post.with_body({"12345"});
    post.request.content_length = 10;
    post.body.end = status;
    post.start(app_);
    EXPECT_TRUE(post.done);
    EXPECT_EQ(post.writer.status(), answer);
  }
  runner_.turns(std::chrono::milliseconds(5));
  link::Claim claimed;
  EXPECT_FALSE(worker.claim(claimed));
}

TEST_F(AppTest, BeyondTheSlotsRequestsWaitInOrder) {
  auto& worker = start_one_worker();
  std::vector<TestExchange*> asked;
  for (int i = 0; i < 7; ++i) asked.push_back(&get("/" + std::to_string(i)));  // 4 slots
  for (int i = 0; i < 7; ++i) {
    auto claimed = claim(worker);
    EXPECT_EQ(path_of(claimed), asked[static_cast<size_t>(i)]->request.path);
    answer(worker, claimed, "x");
    until_done(*asked[static_cast<size_t>(i)]);
  }
}

TEST_F(AppTest, OverTheQueueIs503AtOnce) {
  options_.queue = 5;
  start_one_worker();
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(get().done);  // one for the idle worker
  auto& refused = get();
  EXPECT_TRUE(refused.done);
  EXPECT_EQ(refused.writer.status(), 503);
  EXPECT_EQ(refused.writer.header("Retry-After"), "2");
  ASSERT_FALSE(log_.lines.empty());
  EXPECT_TRUE(log_.lines[0].starts_with("CW0511"));
}

TEST_F(AppTest, WaitingTooLongIs503) {
  options_.queue_timeout = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  for (int i = 0; i < 6; ++i) get();
  for (auto& exchange : exchanges_) until_done(*exchange);
  for (auto& exchange : exchanges_) EXPECT_EQ(exchange->writer.status(), 503);
  link::Claim claimed;
  EXPECT_FALSE(worker.claim(claimed));
}

TEST_F(AppTest, AClientThatLeavesTheQueueCostsNothing) {
  auto& worker = start_one_worker();
  auto& leaver = get("/left");
  auto& stays = get("/stays");
  leaver.leave();
  until_done(leaver);
  EXPECT_FALSE(leaver.writer.head_sent());
  auto claimed = claim(worker);
  EXPECT_EQ(path_of(claimed), "/stays");
  answer(worker, claimed, "x");
  until_done(stays);
}

TEST_F(AppTest, AClientThatLeavesARunningRequestIsToldToTheWorker) {
  auto& worker = start_one_worker();
  auto& leaver = get();
  auto claimed = claim(worker);
  leaver.leave();
  // It may have closed one half only: the first write that fails decides.
  worker.send_response(claimed, plain(), "x", 0);
  worker.wake_fronts(false);
  until_done(leaver);
  std::optional<link::DownFrame> frame;
  runner_.until([&] { return (frame = worker.receive()).has_value(); });
  EXPECT_EQ(static_cast<link::DownKind>(frame->header.kind), link::DownKind::kDisconnect);
  // What the worker still sends is dropped, with credit so that it can come to its end.
  worker.send_body(claimed, std::string(1000, 'x'), 0);
  worker.wake_fronts(false);
  runner_.until([&] { return (frame = worker.receive()).has_value(); });
  EXPECT_EQ(static_cast<link::DownKind>(frame->header.kind), link::DownKind::kCredit);
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts(false);
  auto& next = get();
  answer(worker, claim(worker), "next");
  until_done(next);
  EXPECT_EQ(next.writer.content, "next");
}

TEST_F(AppTest, AClientThatIsGoneForGoodIsDroppedAtOnce) {
  auto& worker = start_one_worker();
  auto& leaver = get();
  auto claimed = claim(worker);
  leaver.leave(true);
  until_done(leaver);
  std::optional<link::DownFrame> frame;
  runner_.until([&] { return (frame = worker.receive()).has_value(); });
  EXPECT_EQ(static_cast<link::DownKind>(frame->header.kind), link::DownKind::kDisconnect);
  answer(worker, claimed, "nobody");  // dropped
  auto& next = get();
  answer(worker, claim(worker), "next");
  until_done(next);
  EXPECT_EQ(next.writer.content, "next");
}

TEST_F(AppTest, ADeadWorkerLosesOnlyWhatItRan) {
  auto& worker = start_one_worker();
  auto& running = get("/running");
  auto& begun = get("/begun");
  auto& queued = get("/queued");
  claim(worker);
  auto second = claim(worker);
  worker.send_response(second, plain(100), "part", 0);
  worker.wake_fronts(false);
  runner_.until([&] { return begun.writer.head_sent(); });
  generations_[0]->processes[0]->kill();
  until_done(running);
  until_done(begun);
  EXPECT_EQ(running.writer.status(), 502);
  EXPECT_TRUE(begun.writer.aborted);
  EXPECT_FALSE(queued.done);
  EXPECT_TRUE(noted("free 1/0"));
  auto& other = add_worker(*generations_[0], 1);
  answer(other, claim(other), "alive");
  until_done(queued);
  EXPECT_EQ(queued.writer.content, "alive");
}

TEST_F(AppTest, OverTheTimeoutIs504AndReported) {
  options_.timeout = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  auto& slow = get("/slow");
  auto claimed = claim(worker);
  until_done(slow);
  EXPECT_EQ(slow.writer.status(), 504);
  EXPECT_TRUE(noted("stuck 1/0 GET /slow 504"));
  EXPECT_EQ(reports_.notes.size(), 1u);
  answer(worker, claimed, "late");  // dropped
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_EQ(reports_.notes.size(), 1u);
}

TEST_F(AppTest, TheTimeoutCountsFromTheClaimWhateverComes) {
  options_.timeout = std::chrono::milliseconds(300);
  auto& worker = start_one_worker();
  auto& exchange = get("/endless");
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "x", 0);
  worker.wake_fronts(false);
  const base::Instant began = base::monotonic_now();
  while (!exchange.done && base::monotonic_now() - began < std::chrono::seconds(5)) {
    worker.send_body(claimed, "y", 0);
    worker.wake_fronts(false);
    runner_.turns(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(exchange.done);
  EXPECT_TRUE(exchange.writer.aborted);
  EXPECT_TRUE(noted("stuck 1/0 GET /endless cut"));
}

TEST_F(AppTest, AnAbandonedRequestHasATimeoutToo) {
  options_.timeout = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  auto& leaver = get("/left");
  auto claimed = claim(worker);
  leaver.leave();
  worker.send_response(claimed, plain(), "x", 0);
  worker.wake_fronts(false);
  until_done(leaver);
  runner_.until([&] { return noted("stuck 1/0 GET /left none"); });
}

TEST_F(AppTest, AClientThatDoesNotReadIsNotTheWorkersFault) {
  options_.timeout = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  auto& exchange = get();
  exchange.writer.held = true;
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "x", 0);
  worker.wake_fronts(false);
  runner_.turns(std::chrono::milliseconds(500));
  EXPECT_TRUE(reports_.notes.empty());
  exchange.writer.release();
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts(false);
  until_done(exchange);
}

TEST_F(AppTest, QueuedRequestsMoveToTheNewGeneration) {
  auto& old_worker = start_one_worker();
  auto& running = get("/running");
  auto claimed = claim(old_worker);
  std::vector<TestExchange*> queued;
  for (int i = 0; i < 6; ++i) queued.push_back(&get("/" + std::to_string(i)));
  auto& next = add_generation(2);
  auto& new_worker = add_worker(next, 0);
  app_.swap_to(2);
  link::Claim none;
  EXPECT_FALSE(old_worker.claim(none));
  for (TestExchange* exchange : queued) {
    auto taken = claim(new_worker);
    EXPECT_EQ(path_of(taken), exchange->request.path);
    answer(new_worker, taken, "new");
    until_done(*exchange);
  }
  EXPECT_FALSE(noted("drained 1"));
  answer(old_worker, claimed, "old");
  until_done(running);
  EXPECT_EQ(running.writer.content, "old");
  runner_.until([&] { return noted("drained 1"); });
  app_.drop_generation(1);
  EXPECT_EQ(app_.current()->options().number, 2u);
}

TEST_F(AppTest, DroppingAGenerationEndsWhatItRan) {
  auto& worker = start_one_worker();
  auto& running = get();
  claim(worker);
  app_.drop_generation(1);
  until_done(running);
  EXPECT_EQ(running.writer.status(), 502);
  EXPECT_EQ(get().writer.status(), 503);
}

TEST_F(AppTest, NobodyWaitsWhereCodeDoesNotStart) {
  auto& worker = start_one_worker();
  auto& running = get("/running");
  claim(worker);
  auto& queued = get("/queued");
  generations_[0]->processes[0]->kill();
  until_done(running);
  app_.pause(1, std::chrono::milliseconds(100), /*refuse=*/true);
  until_done(queued);
  EXPECT_EQ(queued.writer.status(), 503);
  runner_.turns(std::chrono::milliseconds(150));
  auto& late = get("/late");  // the pause is over, but nothing is known of a worker
  until_done(late);
  EXPECT_EQ(late.writer.status(), 503);
  auto& other = add_worker(*generations_[0], 1);
  auto& served = get("/served");
  answer(other, claim(other), "alive");
  until_done(served);
  EXPECT_EQ(served.writer.content, "alive");
}

TEST_F(AppTest, WhoWouldWaitInVainIsRefusedAtOnce) {
  options_.queue_timeout = std::chrono::seconds(5);
  auto& worker = start_one_worker();
  auto& running = get("/running");
  auto claimed = claim(worker);
  auto& queued = get("/queued");
  generations_[0]->processes[0]->kill();
  until_done(running);
  app_.pause(1, std::chrono::seconds(3));
  runner_.turns(std::chrono::milliseconds(250));
  EXPECT_FALSE(queued.done);  // the next worker comes in time
  app_.pause(1, std::chrono::seconds(20));
  until_done(queued);
  EXPECT_EQ(queued.writer.status(), 503);
  auto& late = get("/late");
  until_done(late);
  EXPECT_EQ(late.writer.status(), 503);
  EXPECT_EQ(late.writer.header("Retry-After"), "20");
  auto& other = add_worker(*generations_[0], 1);
  auto& served = get("/served");
  answer(other, claim(other), "alive");
  until_done(served);
  EXPECT_EQ(served.writer.content, "alive");
}

TEST_F(AppTest, AWorkerOfAnUnknownGenerationIsAnsweredFor) {
  app_.attach_worker(9, 3, {});
  EXPECT_TRUE(noted("free 9/3"));
}

TEST_F(AppTest, CancelledExchangesLeaveNothingBehind) {
  auto& worker = start_one_worker();
  for (int i = 0; i < 6; ++i) get();
  claim(worker);
  runner_.turns(std::chrono::milliseconds(5));
  exchanges_.clear();
  runner_.turns(std::chrono::milliseconds(150));
  auto& next = get("/next");
  auto claimed = claim(worker);
  EXPECT_EQ(path_of(claimed), "/next");
  answer(worker, claimed, "x");
  until_done(next);
}

TEST_F(AppTest, ManyRequestsReuseTheSlots) {
  auto& worker = start_one_worker();
  for (int i = 0; i < 2000; ++i) {
    TestExchange exchange("GET", "/");
    exchange.start(app_);
    app_.end_of_turn();
    link::Claim claimed;
    ASSERT_TRUE(worker.claim(claimed));
    answer(worker, claimed, "hello");
    app_.end_of_turn();
    ASSERT_TRUE(exchange.done);
  }
}

}  // namespace
}  // namespace cutwater::handler

// What an app's answers become, and what ends them: bodies both ways, credit, files, timeouts, clients that leave.
#include "handler/app.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "handler/app_test_support.h"

namespace cutwater::handler {
namespace {

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
  worker.wake_fronts();
  runner_.until([&] { return exchange.writer.pieces.size() == 1; });
  worker.send_body(claimed, "two", 0);
  worker.wake_fronts();
  runner_.until([&] { return exchange.writer.pieces.size() == 2; });
  EXPECT_FALSE(exchange.done);
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts();
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
  worker.wake_fronts();
  until_done(exchange);
  EXPECT_EQ(exchange.writer.pieces, (std::vector<std::string>{"head", "onetwo"}));
  EXPECT_TRUE(exchange.writer.finished);
}

TEST_F(AppTest, HeadAloneIsSentWithTheTurn) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  auto claimed = claim(worker);
  worker.send_response(claimed, plain(), "", 0);
  worker.wake_fronts();
  runner_.until([&] { return exchange.writer.head_sent(); });
  EXPECT_FALSE(exchange.done);
  worker.send_body(claimed, "x", link::kComplete | link::kReleases);
  worker.wake_fronts();
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
  worker.wake_fronts();
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_FALSE(worker.receive());
  exchange.writer.release();
  std::optional<link::DownFrame> credit;
  runner_.until([&] { return (credit = worker.receive()).has_value(); });
  EXPECT_EQ(static_cast<link::DownKind>(credit->header.kind), link::DownKind::kCredit);
  EXPECT_GE(credit->header.value, link::kInitialCredit / 2);
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts();
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
  worker.wake_fronts();
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
  worker.wake_fronts();
  until_done(early);
  EXPECT_EQ(early.writer.status(), 500);
  auto& late = get();
  claimed = claim(worker);
  worker.send_response(claimed, plain(100), "begun", 0);
  worker.send_up(claimed, link::UpKind::kAbort, link::kReleases, "");
  worker.wake_fronts();
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
  worker.wake_fronts();
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
  worker.wake_fronts();
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
  worker.wake_fronts();
  base::FileDescriptor body;
  runner_.until([&] { return (body = worker.receive_body_descriptor(claimed)).valid(); });
  std::string content(600'001, '\0');
  EXPECT_EQ(pread(body.get(), content.data(), content.size(), 0), 600'000);
  EXPECT_EQ(write(body.get(), "x", 1), -1);
  answer(worker, claimed, "ok");
  until_done(post);
  EXPECT_EQ(post.writer.status(), 200);
}

// One reason does not hide another within the second for which a fault is told once.
TEST_F(AppTest, TellsEachReasonThatABodyCannotBeSpooled) {
  start_one_worker();
  for (const char* place : {"/proc/none", "/proc/none", "/dev/null"}) {
    area_.directory = place;
    TestExchange post("POST", "/upload");
    post.with_body(std::vector<std::string>(20, std::string(30'000, 'u')));
    post.start(app_);
    until_done(post);
    EXPECT_EQ(post.writer.status(), 500);
  }
  EXPECT_EQ(log_.lines, (std::vector<std::string>{
                            "CW0513 shop: cannot spool a request body: in /proc/none: No such file or directory; "
                            "answered 500",
                            "CW0513 shop: cannot spool a request body: in /dev/null: Not a directory; "
                            "answered 500"}));
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

TEST_F(AppTest, AClientThatLeavesARunningRequestIsToldToTheWorker) {
  auto& worker = start_one_worker();
  auto& leaver = get();
  auto claimed = claim(worker);
  leaver.leave();
  // It may have closed one half only: the first write that fails decides.
  worker.send_response(claimed, plain(), "x", 0);
  worker.wake_fronts();
  until_done(leaver);
  std::optional<link::DownFrame> frame;
  runner_.until([&] { return (frame = worker.receive()).has_value(); });
  EXPECT_EQ(static_cast<link::DownKind>(frame->header.kind), link::DownKind::kDisconnect);
  // What the worker still sends is dropped, with credit so that it can come to its end.
  worker.send_body(claimed, std::string(1000, 'x'), 0);
  worker.wake_fronts();
  runner_.until([&] { return (frame = worker.receive()).has_value(); });
  EXPECT_EQ(static_cast<link::DownKind>(frame->header.kind), link::DownKind::kCredit);
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts();
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
  worker.wake_fronts();
  const base::Instant began = base::monotonic_now();
  while (!exchange.done && base::monotonic_now() - began < std::chrono::seconds(5)) {
    worker.send_body(claimed, "y", 0);
    worker.wake_fronts();
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
  worker.wake_fronts();
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
  worker.wake_fronts();
  runner_.turns(std::chrono::milliseconds(500));
  EXPECT_TRUE(reports_.notes.empty());
  exchange.writer.release();
  worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
  worker.wake_fronts();
  until_done(exchange);
}

// Of an answer that names a file nothing else is sent, however it comes.
TEST_F(AppTest, NamesAFileInsteadOfSendingIt) {
  auto& worker = start_one_worker();
  std::vector<NamedFolder> folders;
  folders.push_back({"/files/", "/proc/self", share(base::FileDescriptor(open("/proc/self", O_PATH | O_CLOEXEC)))});
  app_.send_named(std::make_unique<NamedFiles>("app shop", std::move(folders), loop_, offload_, log_));
  message::Response head = plain();
  head.headers.add("X-Sendfile", "/nowhere");
  for (int pieces = 0; pieces < 3; ++pieces) {
    auto& exchange = get();
    auto claimed = claim(worker);
    worker.send_response(claimed, head, "", 0);
    for (int sent = 0; sent < pieces; ++sent) worker.send_body(claimed, "body", 0);
    EXPECT_FALSE(exchange.done);
    worker.send_up(claimed, link::UpKind::kEnd, link::kReleases, "");
    worker.wake_fronts();
    until_done(exchange);
    EXPECT_EQ(exchange.writer.status(), 404);
    EXPECT_EQ(exchange.writer.header("X-Sendfile"), "");
    EXPECT_EQ(exchange.exchange.gone_listener, nullptr);
  }
  EXPECT_TRUE(log_.lines.front().starts_with("CW0515 app shop: the answer to GET /hello names the file /nowhere"));
  auto& plain_one = get();
  auto claimed = claim(worker);
  answer(worker, claimed, "as ever");
  until_done(plain_one);
  EXPECT_EQ(plain_one.writer.content, "as ever");
}

}  // namespace
}  // namespace cutwater::handler

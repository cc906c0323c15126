// The front's side of docs/processes.md: the test plays the master at the other end of the channel.
#include "app/front_master_link.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "control/script_messages.h"
#include "handler/handler_test_support.h"
#include "link/link_test_support.h"

namespace cutwater::app {
namespace {

// No number below the limit is free, and none above it allowed.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(base::FileDescriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)).get());
    setrlimit(RLIMIT_NOFILE, &now);
  }
  ~NoMoreDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

class FrontMasterLinkTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = control::Channel::make_pair();
    ASSERT_TRUE(pair);
    master_ = std::make_unique<control::Channel>(std::move(pair->first));
    link_ = std::make_unique<FrontMasterLink>(
        loop_, std::move(pair->second), log_,
        FrontMasterLink::Events{[this](base::Duration grace) { stops_.push_back(grace); },
                                [this](std::vector<base::FileDescriptor> files) { reopened_ = files.size(); },
                                [this] { ++renewals_; },
                                [this](uint64_t number, const base::FileDescriptor&) { roots_.push_back(number); },
                                [this] { master_gone_ = true; }, [this](base::FileDescriptor) { ++spawners_; }});
    apps_ = std::make_unique<FrontApps>(router_, handler::AppServices{loop_, offload_, spool_, log_, *link_, 0});
    config::App shop;
    shop.name = "shop";
    shop.queue_timeout = base::Duration::zero();
    apps_->add(shop);
    link_->connect(*apps_);
    folder_ = testing::TempDir() + "front-" + std::to_string(getpid());
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/a.css") << "first";
  }
  void TearDown() override {
    link_->disconnect();
    std::filesystem::remove_all(folder_);
    for (pid_t pid : sleepers_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  void send_generation(uint64_t number, link::World& world) {
    control::GenerationCreated message;
    message.app = "shop";
    message.generation = number;
    message.timeout = std::chrono::seconds(60);
    message.queue = 100;
    message.queue_timeout = std::chrono::seconds(10);
    message.static_folders.push_back({"/static/", std::nullopt});
    base::FileDescriptor folder(open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(master_->send(control::encode(message),
                              {world.memory(), world.front_wake(0), world.front_alarm(0), folder.get()}));
  }
  std::unique_ptr<link::WorkerLink> send_worker(uint64_t number, link::World& world) {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    link::WorkerLink::Descriptors descriptors;
    descriptors.wake = base::FileDescriptor(dup(world.lane_wake(0)));
    descriptors.front_wakes.emplace_back(dup(world.front_wake(0)));
    descriptors.front_alarms.emplace_back(dup(world.front_alarm(0)));
    descriptors.lane_sockets.emplace_back(pair[0]);
    base::FileDescriptor front_end(pair[1]);
    sleepers_.push_back(fork());
    if (sleepers_.back() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      pause();
      _exit(0);
    }
    base::FileDescriptor process(static_cast<int>(syscall(SYS_pidfd_open, sleepers_.back(), 0)));
    control::WorkerStarted message;
    message.app = "shop";
    message.generation = number;
    message.pid = sleepers_.back();
    EXPECT_TRUE(master_->send(control::encode(message), {world.lane_wake(0), front_end.get(), process.get()}));
    auto segment = link::Segment::map(world.memory());
    EXPECT_TRUE(segment);
    return std::make_unique<link::WorkerLink>(std::move(*segment), 0, std::move(descriptors));
  }
  template <class Message>
  void send_named(uint64_t number) {
    Message message;
    message.app = "shop";
    message.generation = number;
    ASSERT_TRUE(master_->send(control::encode(message)));
  }
  uint16_t status_of(std::string_view path, std::string* content = nullptr) {
    handler::TestExchange exchange("GET", path);
    exchange.start(router_);
    if (!exchange.done) runner_.until([&] { return exchange.done; });
    if (content) *content = exchange.writer.content;
    return exchange.writer.status();
  }
  std::string next_report() {
    control::Message message;
    runner_.until([&] { return master_->receive(message) == control::Channel::Outcome::kMessage; });
    return message.body.dump();
  }

  io::Loop loop_;
  io::Offload offload_{loop_, 1};
  handler::SpoolArea spool_{offload_, ""};
  handler::NotingLog log_;
  handler::Router router_;
  std::unique_ptr<control::Channel> master_;
  std::unique_ptr<FrontMasterLink> link_;
  std::unique_ptr<FrontApps> apps_;
  handler::LoopRunner runner_{loop_};
  std::string folder_;
  std::vector<pid_t> sleepers_;
  std::vector<base::Duration> stops_;
  size_t reopened_ = 99;
  bool master_gone_ = false;
  int spawners_ = 0;
  int renewals_ = 0;
  std::vector<uint64_t> roots_;
};

TEST_F(FrontMasterLinkTest, AGenerationsWholeLife) {
  EXPECT_EQ(status_of("/"), 503);
  EXPECT_EQ(status_of("/static/a.css"), 503);
  link::World first, second;
  send_generation(1, first);
  auto worker = send_worker(1, first);
  send_named<control::Swap>(1);
  runner_.until([&] { return router_.find("/static/a.css") != router_.find("/"); });
  std::string content;
  EXPECT_EQ(status_of("/static/a.css", &content), 200);
  EXPECT_EQ(content, "first");

  handler::TestExchange running("GET", "/x"), queued("GET", "/y");
  running.start(router_);
  queued.start(router_);
  link::Claim claimed;
  runner_.until([&] { return worker->claim(claimed); });
  send_generation(2, second);
  auto other = send_worker(2, second);
  send_named<control::Swap>(2);
  link::Claim moved;
  runner_.until([&] { return other->claim(moved); });
  link::Claim none;
  EXPECT_FALSE(worker->claim(none));
  message::Response response;
  worker->send_response(claimed, response, "old", link::kComplete | link::kReleases);
  worker->wake_fronts();
  other->send_response(moved, response, "new", link::kComplete | link::kReleases);
  other->wake_fronts();
  runner_.until([&] { return running.done && queued.done; });
  EXPECT_EQ(running.writer.content, "old");
  EXPECT_EQ(queued.writer.content, "new");
  EXPECT_EQ(next_report(), R"({"app":"shop","generation":1,"type":"generation_drained"})");

  kill(sleepers_[0], SIGKILL);
  EXPECT_EQ(next_report(), R"({"app":"shop","generation":1,"lane":0,"type":"lane_free"})");
  send_named<control::DropGeneration>(1);
  runner_.turns(std::chrono::milliseconds(10));
  EXPECT_EQ(status_of("/static/a.css"), 200);  // the new generation's
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_TRUE(log_.lines[0].starts_with("CW0511")) << log_.lines[0];  // of the one that waited for queue_timeout
}

// What another server runs may lie in a folder of files, too: its source is nobody's to read.
TEST_F(FrontMasterLinkTest, AFolderOfAnAppSendsNoScripts) {
  std::ofstream(folder_ + "/a.PHP") << "<?php";
  apps_->never_send({{".php"}, {}});
  link::World world;
  send_generation(1, world);
  send_named<control::Swap>(1);
  runner_.until([&] { return router_.find("/static/a.css") != router_.find("/"); });
  EXPECT_EQ(status_of("/static/a.css"), 200);
  EXPECT_EQ(status_of("/static/a.PHP"), 404);
}

TEST_F(FrontMasterLinkTest, HearsOfEachSpawner) {
  auto pair = control::Channel::make_pair();
  ASSERT_TRUE(pair.ok());
  master_->send(control::encode(control::SpawnerStarted{}), {pair->second.descriptor()});
  master_->send(control::encode(control::SpawnerStarted{}), {pair->second.descriptor()});
  master_->send(control::encode(control::SpawnerStarted{}));  // without its channel
  runner_.until([&] { return !log_.lines.empty(); });
  EXPECT_EQ(spawners_, 2);
}

TEST_F(FrontMasterLinkTest, HearsOfOtherFoldersOfRoutes) {
  auto pair = control::Channel::make_pair();
  ASSERT_TRUE(pair.ok());
  master_->send(control::encode(control::RootOpened{3}));  // without it
  master_->send(control::encode(control::RootOpened{7}), {pair->second.descriptor()});
  runner_.until([&] { return !roots_.empty() && !log_.lines.empty(); });
  EXPECT_EQ(roots_, std::vector<uint64_t>{7});
}

TEST_F(FrontMasterLinkTest, HearsThatPoolsAreToBeRenewed) {
  master_->send(control::encode(control::RenewPools{}));
  runner_.until([&] { return renewals_ > 0; });
  EXPECT_EQ(renewals_, 1);
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(FrontMasterLinkTest, AWorkerIsTakenInThoughEveryDescriptorIsInUse) {
  link::World world;
  send_generation(1, world);
  send_named<control::Swap>(1);
  runner_.until([&] { return router_.find("/static/a.css") != router_.find("/"); });
  auto worker = send_worker(1, world);
  handler::TestExchange served("GET", "/x");
  {
    const NoMoreDescriptors limit;  // the reserve is what is left
    served.start(router_);
    link::Claim claimed;
    runner_.until([&] { return worker->claim(claimed); });
    message::Response response;
    worker->send_response(claimed, response, "alive", link::kComplete | link::kReleases);
    worker->wake_fronts();
    runner_.until([&] { return served.done; });
  }
  EXPECT_EQ(served.writer.content, "alive");
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(FrontMasterLinkTest, AMessageWaitsForRoomForItsDescriptors) {
  link::World world;
  send_generation(1, world);
  control::ReopenLogs reopen;
  ASSERT_TRUE(master_->send(control::encode(reopen), std::vector<int>(40, 0)));
  {
    const NoMoreDescriptors limit;
    runner_.until([&] { return !log_.lines.empty(); });
    EXPECT_NE(log_.lines[0].find("too many descriptors open"), std::string::npos) << log_.lines[0];
    runner_.turns(std::chrono::milliseconds(250));
    EXPECT_EQ(reopened_, 99u);
    EXPECT_EQ(log_.lines.size(), 1u);
    EXPECT_FALSE(master_gone_);
  }
  runner_.until([&] { return reopened_ == 40; });
}

TEST_F(FrontMasterLinkTest, WhileAMessageWaitsForRoomTheMastersEndIsNoticed) {
  link::World world;
  send_generation(1, world);
  ASSERT_TRUE(master_->send(control::encode(control::ReopenLogs{}), std::vector<int>(40, 0)));
  const NoMoreDescriptors limit;
  runner_.until([&] { return !log_.lines.empty(); });
  master_.reset();
  link_->send_ready();
  runner_.until([&] { return master_gone_; });
}

TEST_F(FrontMasterLinkTest, OrdersForTheWholeFront) {
  link_->send_ready();
  EXPECT_EQ(next_report(), R"({"type":"ready"})");
  control::Stop stop;
  stop.grace = std::chrono::seconds(3);
  ASSERT_TRUE(master_->send(control::encode(stop)));
  ASSERT_TRUE(master_->send(control::encode(control::ReopenLogs{}), {0, 1}));
  runner_.until([&] { return reopened_ == 2; });
  EXPECT_EQ(stops_, std::vector<base::Duration>{std::chrono::seconds(3)});
}

TEST_F(FrontMasterLinkTest, NonsenseIsLoggedAndPassedOver) {
  ASSERT_TRUE(master_->send({{"type", "nonsense"}}));
  ASSERT_TRUE(master_->send({{"type", "swap"}, {"app", 3}}));
  link::World world;
  control::GenerationCreated message;
  message.app = "shop";
  ASSERT_TRUE(master_->send(control::encode(message), {world.memory()}));  // descriptors are missing
  ASSERT_TRUE(master_->send(control::encode(message), {0, 1}));            // no segment at all
  control::WorkerStarted worker;
  worker.app = "shop";
  ASSERT_TRUE(master_->send(control::encode(worker), {0, 1}));  // one descriptor is missing
  send_named<control::Swap>(77);
  send_named<control::DropGeneration>(77);
  runner_.until([&] { return log_.lines.size() >= 5; });
  runner_.turns(std::chrono::milliseconds(10));
  EXPECT_EQ(log_.lines.size(), 5u);
  for (const std::string& line : log_.lines) EXPECT_TRUE(line.starts_with("CW0404")) << line;
  EXPECT_EQ(status_of("/"), 503);
}

TEST_F(FrontMasterLinkTest, TheMastersEndIsNoticed) {
  master_.reset();
  runner_.until([&] { return master_gone_; });
  link_->send_ready();  // harmless
}

TEST_F(FrontMasterLinkTest, PathsInReportsAreMadeSafe) {
  handler::GenerationOptions generation;
  generation.app = "shop";
  link_->worker_stuck(generation, 2, "GET", "/\xff\n" + std::string(5000, 'a'), handler::StuckClient::kCut);
  const std::string report = next_report();
  EXPECT_NE(report.find("\"path\":\"/\?\?aaa"), std::string::npos);
  EXPECT_NE(report.find("\"client\":\"cut\""), std::string::npos);
  EXPECT_LT(report.size(), 3000u);
}

}  // namespace
}  // namespace cutwater::app

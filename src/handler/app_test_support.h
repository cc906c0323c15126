// AppHandler with a real FrontLink; the worker's end is played by the test, step by step, in this process.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "handler/app.h"
#include "handler/handler_test_support.h"
#include "link/link_test_support.h"

namespace cutwater::handler {

class NotingReports final : public AppReports {
 public:
  void lane_free(const GenerationOptions& generation, uint32_t lane) override {
    notes.push_back("free " + std::to_string(generation.number) + "/" + std::to_string(lane));
  }
  void worker_stuck(const GenerationOptions& generation, uint32_t lane, std::string_view method, std::string_view path,
                    StuckClient client) override {
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
  base::FileDescriptor watch() const {
    return base::FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  }

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
  // This front is the last of `fronts`.
  explicit AppTest(uint32_t fronts = 1) : front_(fronts - 1) { options_.app = "shop"; }

  link::Layout layout() const {
    link::Layout layout = link::World::small_layout();
    layout.fronts = front_ + 1;
    layout.slots = 4;
    return layout;
  }
  TestGeneration& add_generation(uint64_t number) {
    auto& generation = *generations_.emplace_back(std::make_unique<TestGeneration>(number, layout()));
    GenerationOptions options = options_;
    options.number = number;
    auto added = app_.add_generation(options, {base::FileDescriptor(dup(generation.world.memory())),
                                               base::FileDescriptor(dup(generation.world.front_wake(front_))),
                                               base::FileDescriptor(dup(generation.world.front_alarm(front_)))});
    EXPECT_TRUE(added) << added.error().message;
    return generation;
  }
  link::WorkerLink& add_worker(TestGeneration& generation, uint32_t lane) {
    int pair[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    link::WorkerLink::Descriptors descriptors;
    descriptors.wake = base::FileDescriptor(dup(generation.world.lane_wake(lane)));
    for (uint32_t front = 0; front <= front_; ++front) {
      descriptors.front_wakes.emplace_back(dup(generation.world.front_wake(front)));
      descriptors.front_alarms.emplace_back(dup(generation.world.front_alarm(front)));
      descriptors.lane_sockets.emplace_back(front == front_ ? pair[0] : -1);
    }
    auto& process = generation.processes[lane] = std::make_unique<Sleeper>();
    app_.attach_worker(
        generation.number, lane,
        {base::FileDescriptor(dup(generation.world.lane_wake(lane))), base::FileDescriptor(pair[1]), process->watch()});
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
    worker.wake_fronts();
  }
  void until_done(TestExchange& exchange) {
    if (!exchange.done) runner_.until([&] { return exchange.done; });
  }
  bool noted(const std::string& note) const {
    return std::find(reports_.notes.begin(), reports_.notes.end(), note) != reports_.notes.end();
  }

  const uint32_t front_;
  GenerationOptions options_;
  io::Loop loop_;
  io::Offload offload_{loop_, 1};
  SpoolArea area_{offload_, find_spool_directory()};
  NotingLog log_;
  NotingReports reports_;
  std::vector<std::unique_ptr<TestGeneration>> generations_;
  AppHandler app_{"shop", {loop_, offload_, area_, log_, reports_, front_}};
  std::vector<std::unique_ptr<TestExchange>> exchanges_;
  size_t answered_ = 0;
  LoopRunner runner_{loop_};
};

}  // namespace cutwater::handler

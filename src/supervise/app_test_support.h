// For tests of app supervision: a library folder whose `cutwater.main` plays zygote and workers as a script
// tells it, fronts that answer as real ones would, and a loop that runs until something is true.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/messages.h"
#include "io/signals.h"
#include "supervise/app_supervisor.h"

namespace cutwater::supervise {

// Reads `behaviour` (words) from the app's root when it imports; knows no app at all.
inline constexpr const char* kFakeLibrary = R"(
import json, os, signal, socket, sys, time

def run():
    channel = socket.socket(fileno=int(os.environ["CUTWATER_CONTROL_FD"]))
    def receive(at=channel):
        at.setblocking(True)
        text, fds, flags, address = socket.recv_fds(at, 65536, 64)
        if not text:
            os._exit(0)
        return json.loads(text), fds
    def send(message, at=channel):
        at.send(json.dumps(message).encode())
    start, fds = receive()
    words = open("behaviour").read().split()
    if "crash_at_import" in words:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "slow_import" in words:
        time.sleep(1)
    if "hang_at_import" in words:
        time.sleep(100)
    if "fail" in words:
        send({"type": "failed", "exit_code": 4, "code": "CW0310", "text": "no such object"})
        sys.exit(4)
    if "nonsense" in words:
        channel.send(b"nonsense")
        time.sleep(100)
    send({"type": "watch", "folders": [os.getcwd()], "templates": [], "pages": [], "left_out": "",
          "changed": os.getcwd() + "/views.py" if "stale" in words and not os.path.exists("stale") else ""})
    if "stamp" in words:
        open("stamp.py", "w").close()
    if "stale" in words:
        open("stale", "w").close()
    send({"type": "imported", "python": "3.11.2", "target": start["target"], "framework": "", "protocol": "wsgi",
          "static": [], "fork_safe": "unsafe" not in words, "fork_reason": "a thread",
          "notes": []})
    if start["mode"] == "worker":
        message, fds = receive()
        assert message["type"] == "attach", message
        work(channel, words, receive, send)
    while True:
        message, fds = receive()
        if message["type"] == "quit":
            os._exit(0)
        if "zygote_dies_at_fork" in words:
            os._exit(7)
        if "fork_fails" in open("behaviour").read():
            send({"type": "fork_failed", "worker": message["worker"], "text": "no more processes",
                  "fix": "buy some"})
            for fd in fds:
                os.close(fd)
            continue
        child = os.fork()
        if child:
            for fd in fds:
                os.close(fd)
            pid = int(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) and 0 or open("pid").read())
            send({"type": "forked", "worker": message["worker"], "pid": pid})
            continue
        pid = os.fork()
        if pid:
            open("pid", "w").write(str(pid))
            os._exit(0)
        work(socket.socket(fileno=fds[2]), words, receive, send)

def work(channel, words, receive, send):
    if "crash_at_start" in words:
        os._exit(9)
    if "ignore_quit" in words:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "never_ready" not in words:
        send({"type": "ready", "pid": os.getpid()}, channel)
    if "crash_when_ready" in words:
        os.kill(os.getpid(), signal.SIGABRT)
    if "end_by_themselves" in words:
        try:
            open("ended", "x").close()  # of two at once only one
            send({"type": "ending", "reason": "system_exit"}, channel)
        except FileExistsError:
            pass
    while True:
        message, fds = receive(channel)
        if message["type"] == "quit" and "ignore_quit" not in words:
            send({"type": "exiting", "reason": "retired"}, channel)
            os._exit(0)
)";

class RecordingLog : public base::LogSink {
 public:
  void write(base::Severity severity, std::string_view code, std::string_view text) override {
    lines.push_back((severity >= base::Severity::kWarning ? std::string(code) + " " : "") + std::string(text));
  }
  bool has(std::string_view part) const {
    for (const std::string& line : lines) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }
  std::string all() const {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }
  std::vector<std::string> lines;
};

// Fronts that watch pidfds, answer `lane_free`, and are drained as soon as a newer generation is swapped in.
class FakeFronts : public Fronts {
 public:
  FakeFronts(io::Loop& loop, unsigned count) : loop_(loop), running_(count, true) {}

  AppSupervisor* app = nullptr;
  bool answer_drained = true;
  std::vector<nlohmann::json> sent;   // of all fronts, in order
  std::map<unsigned, pid_t> workers;  // by lane, as front 0 was told last
  uint64_t swapped = 0;

  unsigned count() const override { return static_cast<unsigned>(running_.size()); }
  bool running(unsigned front) const override { return running_[front]; }
  void send(unsigned front, const nlohmann::json& body, std::vector<int> descriptors) override {
    if (!running_[front]) return;
    sent.push_back(body);
    if (body["type"] == "worker_started") on_worker(front, body, descriptors);
    if (body["type"] == "swap") on_swap(front, body);
  }
  void kill(unsigned front) {
    running_[front] = false;
    watches_[front].clear();
    app->on_front_gone(front);
  }
  void revive(unsigned front) {
    running_[front] = true;
    app->introduce_front(front);
  }
  void say(unsigned front, nlohmann::json body) {
    loop_.post([this, front, body] { app->on_front_message(front, control::Message{body, {}}); });
  }
  size_t sent_of(std::string_view type) const {
    return static_cast<size_t>(
        std::count_if(sent.begin(), sent.end(), [type](const auto& body) { return body["type"] == type; }));
  }

 private:
  struct Watch {
    base::FileDescriptor pidfd;
    std::unique_ptr<io::CallbackWatcher> watcher;
  };
  void on_worker(unsigned front, const nlohmann::json& body, const std::vector<int>& descriptors) {
    ASSERT_EQ(descriptors.size(), 3u);
    if (front == 0) workers[body["lane"]] = body["pid"];
    auto watch = std::make_unique<Watch>();
    watch->pidfd.reset(dup(descriptors[2]));
    watch->watcher = std::make_unique<io::CallbackWatcher>(loop_, watch->pidfd.get(), EPOLLIN,
                                                           [this, front, body, at = watch.get()](uint32_t) {
                                                             at->watcher->stop();
                                                             nlohmann::json answer = body;
                                                             answer["type"] = "lane_free";
                                                             say(front, answer);
                                                           });
    watches_[front].push_back(std::move(watch));
  }
  void on_swap(unsigned front, const nlohmann::json& body) {
    swapped = body["generation"];
    for (uint64_t older = 1; older < swapped && answer_drained; ++older) {
      say(front, {{"type", "generation_drained"}, {"app", body["app"]}, {"generation", older}});
    }
  }

  io::Loop& loop_;
  std::vector<bool> running_;
  std::map<unsigned, std::vector<std::unique_ptr<Watch>>> watches_;
};

class AppTest : public testing::Test {
 protected:
  AppTest() {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    char folder[] = "/tmp/cutwater-app-test-XXXXXX";
    folder_ = mkdtemp(folder);
    std::filesystem::create_directories(folder_ + "/library/cutwater");
    std::filesystem::create_directories(folder_ + "/root");
    std::ofstream(folder_ + "/library/cutwater/__init__.py");
    std::ofstream(folder_ + "/library/cutwater/main.py") << kFakeLibrary;
    behave("well");
    spec.name = "shop";
    spec.root = folder_ + "/root";
    spec.library = folder_ + "/library";
    spec.target = "shop:app";
    spec.python = "/usr/bin/python3";
    spec.preload = "auto";
    spec.watch = "off";
    spec.timeout = std::chrono::seconds(60);
    spec.grace = std::chrono::seconds(5);
    spec.start_timeout = std::chrono::seconds(20);
    spec.workers = 2;
    auto made = io::SignalWatcher::create(loop, {SIGCHLD}, [this](int) { children.reap(); });
    signals_ = std::move(*made);
  }
  ~AppTest() override {
    if (app) {
      app->end({});
      EXPECT_TRUE(run_until([this] { return app->over(); })) << log.all();
      app.reset();
    }
    std::filesystem::remove_all(folder_);
  }

  void behave(const std::string& words) {
    std::ofstream(std::filesystem::path(folder_) / "root" / "behaviour") << words;
  }

  void start(unsigned front_count = 1) {
    fronts = std::make_unique<FakeFronts>(loop, front_count);
    world = std::make_unique<World>(World{loop,
                                          log,
                                          children,
                                          *fronts,
                                          [](unsigned, unsigned, unsigned) {
                                            return base::Result<base::FileDescriptor>(
                                                base::FileDescriptor(memfd_create("segment", MFD_CLOEXEC)));
                                          },
                                          {}});
    AppSupervisor::Events events;
    events.first_served = [this] { served = true; };
    events.never_started = [this](const BootFailure& failure) { failed = failure; };
    app = std::make_unique<AppSupervisor>(*world, spec, std::move(events));
    fronts->app = app.get();
    app->start();
  }
  bool start_serving(unsigned front_count = 1) {
    start(front_count);
    return run_until([this] { return served && app->serving()->ready_workers() == spec.workers; });
  }

  template <class Condition>
  bool run_until(Condition condition, base::Duration limit = std::chrono::seconds(15)) {
    bool met = false;
    io::Timer timeout(loop.timers(), [this] { loop.stop(); });
    timeout.set(base::monotonic_now() + limit);
    struct Hook : io::TurnHook {
      std::function<void()> check;
      bool end_of_turn() override {
        check();
        return false;
      }
    } hook;
    hook.check = [&] {
      if (!met && (met = condition())) loop.stop();
    };
    loop.add_hook(hook);
    loop.post([] {});
    loop.run();
    loop.remove_hook(hook);
    return met;
  }
  void run_for(base::Duration span) {
    run_until([] { return false; }, span);
  }

  // Declared in the order of their lifetimes.
  RecordingLog log;
  io::Loop loop;
  Children children{loop};
  AppSpec spec;
  std::unique_ptr<FakeFronts> fronts;
  std::unique_ptr<World> world;
  std::unique_ptr<AppSupervisor> app;
  bool served = false;
  std::optional<BootFailure> failed;
  std::string folder_;

 private:
  std::unique_ptr<io::SignalWatcher> signals_;
};

}  // namespace cutwater::supervise

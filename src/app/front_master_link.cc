#include "app/front_master_link.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "control/messages.h"
#include "control/script_messages.h"

namespace cutwater::app {

namespace {

// Descriptors held back for messages that bring some: two new workers, and a generation with a few folders. Fewer
// where few are allowed.
constexpr size_t kReserve = 12;
constexpr size_t kLimitPerReserved = 16;
constexpr base::Duration kRoomRetry = std::chrono::milliseconds(100);

constexpr size_t kMostPathBytes = 2048;  // of a report; the channel takes 64 KiB a message

// JSON is UTF-8; a path is bytes. What is not plain ASCII is shown as '?'.
std::string shown(std::string_view text) {
  std::string safe(text.substr(0, kMostPathBytes));
  std::replace_if(
      safe.begin(), safe.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return safe;
}

const char* to_text(handler::StuckClient client) {
  switch (client) {
    case handler::StuckClient::k504:
      return "504";
    case handler::StuckClient::kCut:
      return "cut";
    case handler::StuckClient::kNone:
      break;
  }
  return "none";
}

}  // namespace

FrontMasterLink::FrontMasterLink(io::Loop& loop, control::Channel channel, base::LogSink& log, Events events)
    : loop_(loop), channel_(std::move(channel)), log_(log), events_(std::move(events)), room_(loop.timers(), [this] {
        listen();
        on_events();
      }) {}

void FrontMasterLink::connect(FrontApps& apps) {
  apps_ = &apps;
  keep_reserve();
  listen();
}

void FrontMasterLink::listen() {
  const uint32_t events = channel_.wants_write() ? EPOLLIN | EPOLLOUT : EPOLLIN;
  watcher_ =
      std::make_unique<io::CallbackWatcher>(loop_, channel_.descriptor(), events, [this](uint32_t) { on_events(); });
}

void FrontMasterLink::disconnect() {
  room_.cancel();
  watcher_.reset();
  apps_ = nullptr;
}

void FrontMasterLink::keep_reserve() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const size_t wanted = std::min<size_t>(kReserve, limit.rlim_cur / kLimitPerReserved);
  while (reserve_.size() < wanted) {
    base::FileDescriptor held(fcntl(channel_.descriptor(), F_DUPFD_CLOEXEC, 0));
    if (!held.valid()) return;
    reserve_.push_back(std::move(held));
  }
}

// The level-triggered watch would spin meanwhile.
void FrontMasterLink::wait_for_room() {
  if (!std::exchange(shortage_told_, true)) {
    log_.error("CW0404",
               "the front has too many descriptors open to be given new workers or code; it tries again every 100 ms\n"
               "fix: raise the limit of open files (ulimit -n, LimitNOFILE), or lower limits.connections");
  }
  watcher_.reset();
  room_.set(loop_.now() + kRoomRetry);
}

void FrontMasterLink::on_events() {
  if (channel_.wants_write() && channel_.flush()) watcher_->change(EPOLLIN);
  for (;;) {
    control::Message message;
    switch (channel_.receive(message)) {
      case control::Channel::Outcome::kMessage:
        on_message(std::move(message));
        if (!watcher_) return;
        break;
      case control::Channel::Outcome::kNothing:
        if (std::exchange(shortage_told_, false)) log_.info("the front has room for new workers again");
        return keep_reserve();
      case control::Channel::Outcome::kNoRoom:
        if (reserve_.empty()) return wait_for_room();
        reserve_.clear();
        break;
      case control::Channel::Outcome::kClosed:
        return lose_master();
    }
  }
}

void FrontMasterLink::lose_master() {
  if (!connected()) return;
  room_.cancel();
  watcher_.reset();
  events_.master_gone();
}

template <class Message, class Handle>
void FrontMasterLink::decoded(const control::Message& message, Handle handle) {
  auto content = control::decode<Message>(message.body);
  if (content) {
    handle(std::move(*content));
  } else {
    complain(content.error().message);
  }
}

void FrontMasterLink::on_message(control::Message message) {
  const std::string type = message.type();
  auto& descriptors = message.descriptors;
  if (type == control::GenerationCreated::kType) {
    decoded<control::GenerationCreated>(message, [&](control::GenerationCreated content) {
      auto added = apps_->add_generation(std::move(content), std::move(descriptors));
      if (!added) complain(added.error().message);
    });
  } else if (type == control::WorkerStarted::kType) {
    decoded<control::WorkerStarted>(message, [&](const control::WorkerStarted& content) {
      auto attached = apps_->attach_worker(content, std::move(descriptors));
      if (!attached) complain(attached.error().message);
    });
  } else if (type == control::Swap::kType) {
    decoded<control::Swap>(message, [&](const control::Swap& content) { apps_->swap(content); });
  } else if (type == control::AppFailed::kType) {
    decoded<control::AppFailed>(message, [&](const control::AppFailed& content) { apps_->set_failed(content); });
  } else if (type == control::RetireWorker::kType) {
    decoded<control::RetireWorker>(message,
                                   [&](const control::RetireWorker& content) { apps_->retire_worker(content); });
  } else if (type == control::WorkersPaused::kType) {
    decoded<control::WorkersPaused>(message, [&](const control::WorkersPaused& content) { apps_->pause(content); });
  } else if (type == control::DropGeneration::kType) {
    decoded<control::DropGeneration>(message,
                                     [&](const control::DropGeneration& content) { apps_->drop_generation(content); });
  } else if (type == control::Stop::kType) {
    decoded<control::Stop>(message, [&](const control::Stop& content) { events_.stop(content.grace); });
  } else if (type == control::ReopenLogs::kType) {
    events_.reopen_logs(std::move(descriptors));
  } else if (type == control::RenewPools::kType) {
    events_.renew_pools();
  } else if (type == control::RootOpened::kType && descriptors.size() == 1) {
    decoded<control::RootOpened>(message, [&](const control::RootOpened& content) {
      events_.root_opened(content.number, std::move(descriptors.front()));
    });
  } else if (type == control::SpawnerStarted::kType && descriptors.size() == 1) {
    events_.spawner_started(std::move(descriptors.front()));
  } else {
    complain("unknown message " + shown(type));
  }
}

void FrontMasterLink::complain(std::string_view what) {
  log_.error("CW0404", "the front cannot do what the master asked: " + std::string(what));
}

void FrontMasterLink::send(const nlohmann::json& body) {
  if (!connected()) return;
  if (!channel_.send(body)) {
    // From within an app's turn: the loss is handled when the loop comes to it.
    loop_.post([this] { lose_master(); });
  } else if (channel_.wants_write() && watcher_) {
    watcher_->change(EPOLLIN | EPOLLOUT);
  }
}

void FrontMasterLink::send_ready() {
  send(control::encode(control::FrontReady{}));
}

void FrontMasterLink::lane_free(const handler::GenerationOptions& generation, uint32_t lane) {
  control::LaneFree report;
  report.app = generation.app;
  report.generation = generation.number;
  report.lane = lane;
  send(control::encode(report));
}

void FrontMasterLink::worker_stuck(const handler::GenerationOptions& generation, uint32_t lane, std::string_view method,
                                   std::string_view path, handler::StuckClient client) {
  control::WorkerStuck report;
  report.app = generation.app;
  report.generation = generation.number;
  report.lane = lane;
  report.method = shown(method);
  report.path = shown(path);
  report.client = to_text(client);
  send(control::encode(report));
}

void FrontMasterLink::worker_broken(const handler::GenerationOptions& generation, uint32_t lane, std::string_view why) {
  control::WorkerBroken report;
  report.app = generation.app;
  report.generation = generation.number;
  report.lane = lane;
  report.why = shown(why);
  send(control::encode(report));
}

void FrontMasterLink::generation_drained(const handler::GenerationOptions& generation) {
  control::GenerationDrained report;
  report.app = generation.app;
  report.generation = generation.number;
  send(control::encode(report));
}

}  // namespace cutwater::app

// FrontMasterLink: the front's end of its channel to the master: the master's messages become calls, the apps'
// reports become messages (docs/processes.md).
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "app/front_apps.h"
#include "base/log.h"
#include "control/channel.h"
#include "handler/app.h"
#include "io/loop.h"
#include "io/timer.h"
#include "io/watch.h"

namespace cutwater::app {

class FrontMasterLink final : public handler::AppReports {
 public:
  struct Events {
    std::function<void(base::Duration grace)> stop;  // zero: now
    std::function<void(std::vector<base::FileDescriptor> files)> reopen_logs;
    std::function<void()> renew_pools;
    std::function<void(uint64_t number, base::FileDescriptor folder)> root_opened;
    std::function<void()> master_gone;
    std::function<void(base::FileDescriptor channel)> spawner_started;
  };
  // `loop` and `log` outlive this.
  FrontMasterLink(io::Loop& loop, control::Channel channel, base::LogSink& log, Events events);

  // Begins to listen. `apps` must stay until disconnect().
  void connect(FrontApps& apps);
  void disconnect();
  void send_ready();

  void lane_free(const handler::GenerationOptions& generation, uint32_t lane) override;
  void worker_stuck(const handler::GenerationOptions& generation, uint32_t lane, std::string_view method,
                    std::string_view path, handler::StuckClient client) override;
  void worker_broken(const handler::GenerationOptions& generation, uint32_t lane, std::string_view why) override;
  void generation_drained(const handler::GenerationOptions& generation) override;

 private:
  void on_events();
  void listen();
  void keep_reserve();
  void wait_for_room();
  bool connected() const { return watcher_ || room_.armed(); }
  void on_message(control::Message message);
  template <class Message, class Handle>
  void decoded(const control::Message& message, Handle handle);
  void complain(std::string_view what);
  void send(const nlohmann::json& body);
  void lose_master();

  io::Loop& loop_;
  control::Channel channel_;
  base::LogSink& log_;
  Events events_;
  FrontApps* apps_ = nullptr;
  std::unique_ptr<io::CallbackWatcher> watcher_;  // none: not connected, the master is gone, or no room
  std::vector<base::FileDescriptor> reserve_;
  io::Timer room_;  // while it is armed the next message waits for room for its descriptors
  bool shortage_told_ = false;
};

}  // namespace cutwater::app

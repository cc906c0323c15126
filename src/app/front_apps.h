// FrontApps: the apps of a front as the master announces them: a handler for each, its generations, the folders they
// bring, and their places in the router.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/model.h"
#include "control/channel.h"
#include "control/messages.h"
#include "handler/app.h"
#include "handler/router.h"
#include "handler/static_files.h"
#include "io/loop.h"

namespace cutwater::app {

class FrontApps : public io::TurnHook {
 public:
  // All outlive this. No exchange may be running when it ends. `some_decided` is called when an app is known to serve
  // or to have failed, each time anew.
  FrontApps(
      handler::Router& router, const handler::AppServices& services, std::function<void()> some_decided = [] {});
  ~FrontApps() override;

  // Known from the configuration: its requests wait in line until its first generation serves.
  void add(const config::App& settings);
  // For a configured route; from then on the app, and the folders it brings, answer to such routes alone. After add(),
  // before any generation.
  message::Handler& route_to(const std::string& name);
  // What others run: no folder of a generation that comes from now on sends it (faults.md 64).
  void never_send(handler::ScriptGuard scripts) { scripts_ = std::move(scripts); }
  // Files that the app may name instead of sending them.
  void send_named(const std::string& name, std::unique_ptr<handler::NamedFiles> files);
  // Of generations that come from now on.
  void limit_websockets(const config::Limits& limits);
  // No first generation will come any more: what waits for one is answered 503.
  void stop_expecting();

  base::Result<void> add_generation(control::GenerationCreated message, std::vector<base::FileDescriptor> descriptors);
  base::Result<void> attach_worker(const control::WorkerStarted& message,
                                   std::vector<base::FileDescriptor> descriptors);
  void swap(const control::Swap& message);
  void set_failed(const control::AppFailed& message);
  void retire_worker(const control::RetireWorker& message);
  void pause(const control::WorkersPaused& message);
  void drop_generation(const control::DropGeneration& message);

  bool end_of_turn() override;

 private:
  using Folders = std::vector<std::unique_ptr<handler::StaticFiles>>;
  struct Generation {
    std::string prefix;
    std::vector<std::string> folder_prefixes;  // beside `folders`
    Folders folders;
  };
  struct App {
    std::unique_ptr<handler::AppHandler> handler;
    std::unique_ptr<handler::Router> own;  // when routes name it: what they lead to
    std::map<uint64_t, Generation> generations;
    uint64_t current = 0;
  };
  App& app(const std::string& name);
  App* find(const std::string& name);
  handler::Router& router_of(App& app) { return app.own ? *app.own : router_; }
  void show(App& app, const Generation& generation);
  void hide(App& app, const Generation& generation);

  handler::Router& router_;
  handler::AppServices services_;
  std::function<void()> some_decided_;
  handler::ScriptGuard scripts_;
  handler::UnfinishedMessages unfinished_messages_;
  handler::WebSocketOptions websocket_;
  std::map<std::string, App> apps_;
  Folders retired_;  // still answering somebody
};

}  // namespace cutwater::app

#include "app/front_apps.h"

#include <algorithm>

namespace cutwater::app {

namespace {

constexpr size_t kGenerationDescriptors = 3;  // segment, wake eventfd, alarm; the folders follow
constexpr size_t kWorkerDescriptors = 3;
constexpr base::Duration kGraceToClose = std::chrono::seconds(3);

}  // namespace

FrontApps::FrontApps(handler::Router& router, const handler::AppServices& services, std::function<void()> some_decided)
    : router_(router), services_(services), some_decided_(std::move(some_decided)) {
  services_.loop.add_hook(*this);
}

FrontApps::~FrontApps() {
  services_.loop.remove_hook(*this);
}

void FrontApps::add(const config::App& settings) {
  handler::AppHandler& handler = *app(settings.name).handler;
  handler.expect_generation({settings.queue, settings.queue_timeout});
  router_.add(settings.prefix, handler);
}

message::Handler& FrontApps::route_to(const std::string& name) {
  App& routed = app(name);
  if (routed.own) return *routed.own;
  router_.remove(*routed.handler);
  routed.own = std::make_unique<handler::Router>();
  routed.own->add("", *routed.handler);
  return *routed.own;
}

void FrontApps::send_named(const std::string& name, std::unique_ptr<handler::NamedFiles> files) {
  app(name).handler->send_named(std::move(files));
}

void FrontApps::stop_expecting() {
  for (auto& [name, app] : apps_) {
    app.handler->set_failed();
    app.handler->close_sockets();
  }
}

FrontApps::App& FrontApps::app(const std::string& name) {
  App& app = apps_[name];
  if (!app.handler) app.handler = std::make_unique<handler::AppHandler>(name, services_);
  return app;
}

void FrontApps::limit_websockets(const config::Limits& limits) {
  websocket_.message_limit = limits.websocket_message;
  // One alone must not be refused for want of room.
  unfinished_messages_.set_limit(std::max(limits.websocket_unfinished, limits.websocket_message));
  websocket_.unfinished = &unfinished_messages_;
  websocket_.ping_interval = websocket_.ping_timeout = limits.websocket_ping;
}

FrontApps::App* FrontApps::find(const std::string& name) {
  auto found = apps_.find(name);
  return found == apps_.end() ? nullptr : &found->second;
}

base::Result<void> FrontApps::add_generation(control::GenerationCreated message,
                                             std::vector<base::FileDescriptor> descriptors) {
  if (descriptors.size() != kGenerationDescriptors + message.static_folders.size()) {
    return base::Error{"a generation came with the wrong number of descriptors"};
  }
  handler::GenerationOptions options;
  options.app = message.app;
  options.number = message.generation;
  options.prefix = message.prefix;
  options.timeout = message.timeout;
  options.queue = message.queue;
  options.queue_timeout = message.queue_timeout;
  options.requests_per_worker = message.requests_per_worker;
  options.asynchronous = message.asynchronous;
  options.in_turns = message.in_turns;
  options.websocket = websocket_;
  options.websocket_origins = std::move(message.websocket_origins);
  // WebSockets are closed in time for their worker to end by itself.
  options.grace = message.grace - std::min(message.grace / 4, kGraceToClose);
  App& owner = app(message.app);
  auto added = owner.handler->add_generation(
      std::move(options), {std::move(descriptors[0]), std::move(descriptors[1]), std::move(descriptors[2])});
  if (!added) return added;
  Generation& generation = owner.generations[message.generation];
  generation.prefix = message.prefix;
  for (size_t i = 0; i < message.static_folders.size(); ++i) {
    handler::StaticOptions folder;
    folder.prefix = message.static_folders[i].prefix;
    folder.cache = message.static_folders[i].cache;
    folder.scripts = scripts_;
    generation.folder_prefixes.push_back(folder.prefix);
    generation.folders.push_back(
        std::make_unique<handler::StaticFiles>(handler::share(std::move(descriptors[kGenerationDescriptors + i])),
                                               std::move(folder), services_.loop, services_.offload, services_.log));
  }
  return {};
}

base::Result<void> FrontApps::attach_worker(const control::WorkerStarted& message,
                                            std::vector<base::FileDescriptor> descriptors) {
  App* owner = find(message.app);
  if (!owner) return base::Error{"a worker came of an app that is not known: " + message.app};
  if (descriptors.size() != kWorkerDescriptors) {
    return base::Error{"a worker came with the wrong number of descriptors"};
  }
  owner->handler->attach_worker(message.generation, message.lane,
                                {std::move(descriptors[0]), std::move(descriptors[1]), std::move(descriptors[2])});
  return {};
}

void FrontApps::swap(const control::Swap& message) {
  App* owner = find(message.app);
  if (!owner || !owner->generations.contains(message.generation)) return;
  if (auto previous = owner->generations.find(owner->current); previous != owner->generations.end()) {
    hide(*owner, previous->second);
  }
  owner->current = message.generation;
  show(*owner, owner->generations[message.generation]);
  owner->handler->swap_to(message.generation);
  some_decided_();
}

void FrontApps::show(App& app, const Generation& generation) {
  handler::Router& router = router_of(app);
  router.remove(*app.handler);
  for (size_t i = 0; i < generation.folders.size(); ++i) {
    router.add(generation.folder_prefixes[i], *generation.folders[i]);
  }
  router.add(generation.prefix, *app.handler);
}

void FrontApps::hide(App& app, const Generation& generation) {
  handler::Router& router = router_of(app);
  for (const auto& folder : generation.folders) router.remove(*folder);
  router.remove(*app.handler);
}

void FrontApps::set_failed(const control::AppFailed& message) {
  app(message.app).handler->set_failed();
  some_decided_();
}

void FrontApps::retire_worker(const control::RetireWorker& message) {
  if (App* owner = find(message.app)) owner->handler->retire_worker(message.generation, message.lane);
}

void FrontApps::pause(const control::WorkersPaused& message) {
  if (App* owner = find(message.app)) owner->handler->pause(message.generation, message.pause, message.refuse);
}

void FrontApps::drop_generation(const control::DropGeneration& message) {
  App* owner = find(message.app);
  if (!owner) return;
  if (auto dropped = owner->generations.find(message.generation); dropped != owner->generations.end()) {
    for (auto& folder : dropped->second.folders) {
      router_.remove(*folder);
      retired_.push_back(std::move(folder));
    }
    owner->generations.erase(dropped);
  }
  owner->handler->drop_generation(message.generation);
}

// What a dropped generation brought goes when the last answer from it has been sent.
bool FrontApps::end_of_turn() {
  std::erase_if(retired_, [](const auto& folder) { return folder->active() == 0; });
  return false;
}

}  // namespace cutwater::app

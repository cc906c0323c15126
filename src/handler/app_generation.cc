#include "handler/app_generation.h"

#include <algorithm>
#include <utility>

#include "handler/app.h"

namespace cutwater::handler {

// The eventfd workers write when this front has announced that it sleeps, or the timerfd they set.
class AppGeneration::Wake final : public io::Watcher {
 public:
  Wake(AppHandler& app, base::FileDescriptor descriptor) : app_(app), descriptor_(std::move(descriptor)) {
    io::Loop& loop = app_.services_.loop;
    registered_ = loop.add(descriptor_.get(), EPOLLIN | EPOLLET, *this).ok();
  }
  ~Wake() override {
    if (registered_) app_.services_.loop.remove(descriptor_.get(), *this);
  }
  void on_events(uint32_t) override { app_.wake_up(); }

 private:
  AppHandler& app_;
  base::FileDescriptor descriptor_;
  bool registered_;
};

// Watches a worker's pidfd: readable once the process has ended.
class AppGeneration::WorkerProcess final : public io::Watcher {
 public:
  WorkerProcess(AppGeneration& generation, uint32_t lane, base::FileDescriptor descriptor)
      : generation_(generation), lane_(lane), descriptor_(std::move(descriptor)) {
    registered_ = loop().add(descriptor_.get(), EPOLLIN, *this).ok();
  }
  ~WorkerProcess() override {
    if (registered_) loop().remove(descriptor_.get(), *this);
  }
  void on_events(uint32_t) override { generation_.worker_ended(lane_); }

 private:
  io::Loop& loop() { return generation_.app_.services_.loop; }
  AppGeneration& generation_;
  uint32_t lane_;
  base::FileDescriptor descriptor_;
  bool registered_;
};

AppGeneration::AppGeneration(AppHandler& app, GenerationOptions options, link::Segment segment, uint32_t front_index,
                             base::FileDescriptor wake, base::FileDescriptor alarm)
    : app_(app),
      options_(std::move(options)),
      most_slots_(segment.layout().slots),
      workers_(segment.layout().lanes),
      link_(std::move(segment), front_index, *this),
      wake_(std::make_unique<Wake>(app, std::move(wake))),
      alarm_(std::make_unique<Wake>(app, std::move(alarm))) {
  slots_.reserve(most_slots_);
  if (options_.asynchronous || options_.in_turns) link_.wake_in_turns();
  retired_at_.resize(workers_.size(), base::kNever);
  silences_.resize(workers_.size());
}

AppGeneration::~AppGeneration() = default;

void AppGeneration::attach_worker(uint32_t lane, WorkerDescriptors descriptors) {
  if (lane >= workers_.size()) return;
  ++attached_;
  retired_at_[lane] = base::kNever;
  silences_[lane] = {};
  pause_until(base::Instant{0}, false);
  link_.attach_lane(lane, std::move(descriptors.wake), std::move(descriptors.socket));
  workers_[lane] = std::make_unique<WorkerProcess>(*this, lane, std::move(descriptors.process));
}

void AppGeneration::worker_ended(uint32_t lane) {
  const std::unique_ptr<WorkerProcess> ended = std::move(workers_[lane]);  // ends the watch with this call
  --attached_;
  for (link::Ticket ticket : link_.lane_died(lane)) {
    if (ticket.slot >= slots_.size() || slots_[ticket.slot].ticket != ticket) continue;
    SlotUse& use = slots_[ticket.slot];
    forget_room(use);
    AppRequest* request = std::exchange(use.request, nullptr);
    set_free(use);
    if (!request) continue;
    request->generation = nullptr;
    request->fail(502);
  }
  app_.services_.reports.lane_free(options_, lane);
}

// ---- slots

link::RequestExtras AppGeneration::extras_of(AppRequest& request) const {
  link::RequestExtras extras;
  extras.script_name = options_.prefix.empty() ? request.exchange().request.script_name : options_.prefix;
  extras.exchange_id = request.exchange().id;
  extras.websocket = options_.asynchronous && request.offers_websocket;
  extras.has_data = request.exchange().data != nullptr;
  if (request.streams()) {
    const message::Request& asked = request.exchange().request;
    extras.body_place = link::BodyPlace::kStreamed;
    extras.body_length = asked.framing == message::BodyFraming::kLength ? asked.content_length : 0;
  } else if (request.spool()) {
    extras.body_place = link::BodyPlace::kDescriptor;
    extras.body_length = request.spool()->size();
  } else if (request.body().size() > link_.maximum_body()) {
    extras.body_place = link::BodyPlace::kDescriptor;
    extras.body_length = request.body().size();
  }
  return extras;
}

bool AppGeneration::fits(AppRequest& request) const {
  return link_.fits(request.exchange().request, extras_of(request));
}

bool AppGeneration::submit(AppRequest& request) {
  const link::RequestExtras extras = extras_of(request);
  const bool by_descriptor = extras.body_place == link::BodyPlace::kDescriptor;
  const std::string_view body = by_descriptor ? std::string_view() : std::string_view(request.body());
  auto ticket = link_.submit(request.exchange().request, extras, body);
  if (!ticket) return false;
  if (ticket->slot >= slots_.size()) slots_.resize(ticket->slot + 1);
  SlotUse& use = slots_[ticket->slot];
  // Its last user may have ended without a word to us: the link frees a slot at once, we at the next tick.
  if (std::exchange(use.open_socket, false)) --open_sockets_;
  use.ticket = *ticket;
  use.state = SlotUse::State::kActive;
  use.answered = use.head_seen = use.reported_stuck = false;
  use.told_disconnect = use.answered_504 = false;
  use.request = &request;
  use.looked_at = app_.services_.loop.now();
  use.held_up = {};
  use.cancelled_at = base::kNever;
  watch(use);
  request.generation = this;
  request.ticket = *ticket;
  return true;
}

void AppGeneration::let_go(AppRequest& request) {
  SlotUse& use = use_of(request);
  forget_room(use);
  request.generation = nullptr;
  use.request = nullptr;
  if (use.state != SlotUse::State::kActive) return;  // ended: free already, or waits for its release
  if (!use.answered && link_.take_back(use.ticket)) return set_free(use);
  use.state = SlotUse::State::kAbandoned;
  use.let_go_at = app_.services_.loop.now();
  watch(use);
  use.method = request.exchange().request.method;
  use.path = request.exchange().request.path;
  const link::SlotState where = link_.state(use.ticket);
  const bool told = use.told_disconnect || use.cancelled_at != base::kNever;
  if (where.kind != link::SlotState::kClaimed || told) return;
  if (use.open_socket) {
    link_.send_down(where.lane, link::DownKind::kWebSocketClose, use.ticket, codec::websocket::kConnectionLost, {});
  } else {
    link_.send_down(where.lane, link::DownKind::kDisconnect, use.ticket, 0, {});
  }
}

bool AppGeneration::take_back(AppRequest& request) {
  SlotUse& use = use_of(request);
  if (use.state != SlotUse::State::kActive || use.answered || !link_.take_back(use.ticket)) return false;
  set_free(use);
  forget_room(use);
  use.request = nullptr;
  request.generation = nullptr;
  return true;
}

std::vector<AppRequest*> AppGeneration::take_back_all() {
  std::vector<AppRequest*> taken;
  const std::vector<uint16_t> watched = watched_;  // those who wait are among them
  for (uint16_t slot : watched) {
    AppRequest* request = slots_[slot].request;
    if (request && take_back(*request)) taken.push_back(request);
  }
  std::sort(taken.begin(), taken.end(),
            [](const AppRequest* left, const AppRequest* right) { return left->order < right->order; });
  return taken;
}

void AppGeneration::give_credit(AppRequest& request, uint32_t bytes) {
  link::SlotState where = link_.state(request.ticket);
  if (where.kind != link::SlotState::kClaimed) return;
  link_.send_down(where.lane, link::DownKind::kCredit, request.ticket, bytes, {});
}

bool AppGeneration::send(AppRequest& request, link::DownKind kind, uint32_t value, std::string_view payload) {
  const link::SlotState where = link_.state(request.ticket);
  if (kind == link::DownKind::kWebSocketClose) use_of(request).told_disconnect = true;
  if (where.kind == link::SlotState::kClaimed && link_.send_down(where.lane, kind, request.ticket, value, payload)) {
    return true;
  }
  // Once, however often it tries: credit that comes for a full ring makes it try again.
  if (!std::exchange(use_of(request).lacks_room, true)) no_room_.push_back(&request);
  return false;
}

// Wherever a request and its slot part: whoever destroys the request after that does not ask us.
void AppGeneration::forget_room(SlotUse& use) {
  if (!std::exchange(use.lacks_room, false)) return;
  std::replace(no_room_.begin(), no_room_.end(), use.request, static_cast<AppRequest*>(nullptr));
}

void AppGeneration::on_room(uint32_t lane) {
  // Those who are refused again stand behind these.
  for (size_t i = 0, count = no_room_.size(); i < count; ++i) {
    if (no_room_[i] == nullptr || link_.state(no_room_[i]->ticket).lane != lane) continue;
    AppRequest& request = *std::exchange(no_room_[i], nullptr);
    use_of(request).lacks_room = false;
    if (WorkerFeed* feed = request.feed()) feed->on_room();
  }
  std::erase(no_room_, nullptr);
}

// ---- the end of WebSockets

void AppGeneration::retire_lane(uint32_t lane) {
  if (lane >= workers_.size()) return;
  link_.retire_lane(lane);
  retired_at_[lane] = std::min(retired_at_[lane], app_.services_.loop.now());
  any_retired_ = true;
}

void AppGeneration::retire_sockets() {
  for (base::Instant& retired : retired_at_) retired = std::min(retired, app_.services_.loop.now());
  any_retired_ = true;
}

void AppGeneration::close_sockets(uint16_t code) {
  for (SlotUse& use : slots_) {
    if (use.open_socket && use.request) use.request->shut_down(code);
  }
}

void AppGeneration::close_retired_sockets(base::Instant now) {
  if (!any_retired_ || open_sockets_ == 0) return;
  for (SlotUse& use : slots_) {
    if (!use.open_socket || !use.request) continue;
    const base::Instant retired = retired_at_[link_.state(use.ticket).lane];
    if (retired != base::kNever && now - retired >= options_.grace) {
      use.request->shut_down(codec::websocket::kServiceRestart);
    }
  }
}

void AppGeneration::fail_all() {
  for (SlotUse& use : slots_) {
    forget_room(use);
    AppRequest* request = std::exchange(use.request, nullptr);
    set_free(use);
    if (!request) continue;
    request->generation = nullptr;
    request->fail(502);
  }
}

}  // namespace cutwater::handler

#include "handler/app_generation.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "handler/app.h"
#include "link/response_record.h"

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
      slots_(segment.layout().slots),
      workers_(segment.layout().lanes),
      link_(std::move(segment), front_index, *this),
      wake_(std::make_unique<Wake>(app, std::move(wake))),
      alarm_(std::make_unique<Wake>(app, std::move(alarm))) {}

AppGeneration::~AppGeneration() = default;

void AppGeneration::attach_worker(uint32_t lane, WorkerDescriptors descriptors) {
  if (lane >= workers_.size()) return;
  ++attached_;
  pause_until(base::Instant{0}, false);
  link_.attach_lane(lane, std::move(descriptors.wake), std::move(descriptors.socket));
  workers_[lane] = std::make_unique<WorkerProcess>(*this, lane, std::move(descriptors.process));
}

void AppGeneration::worker_ended(uint32_t lane) {
  const std::unique_ptr<WorkerProcess> ended = std::move(workers_[lane]);  // ends the watch with this call
  --attached_;
  for (link::Ticket ticket : link_.lane_died(lane)) {
    SlotUse& use = slots_[ticket.slot];
    if (use.ticket != ticket) continue;
    AppRequest* request = std::exchange(use.request, nullptr);
    use.state = SlotUse::State::kFree;
    if (!request) continue;
    request->generation = nullptr;
    request->fail(502);
  }
  app_.services_.reports.lane_free(options_, lane);
}

// ---- slots

bool AppGeneration::submit(AppRequest& request) {
  link::RequestExtras extras;
  extras.script_name = options_.prefix;
  extras.exchange_id = request.exchange().id;
  extras.has_data = request.exchange().data != nullptr;
  if (request.spool()) {
    extras.body_place = link::BodyPlace::kDescriptor;
    extras.body_length = request.spool()->size();
  } else if (request.body().size() > link_.maximum_body()) {
    extras.body_place = link::BodyPlace::kDescriptor;
    extras.body_length = request.body().size();
  }
  const bool by_descriptor = extras.body_place == link::BodyPlace::kDescriptor;
  const std::string_view body = by_descriptor ? std::string_view() : std::string_view(request.body());
  auto ticket = link_.submit(request.exchange().request, extras, body);
  if (!ticket) return false;
  SlotUse& use = slots_[ticket->slot];
  use.ticket = *ticket;
  use.state = SlotUse::State::kActive;
  use.answered = use.reported_stuck = false;
  use.request = &request;
  use.looked_at = app_.services_.loop.now();
  use.unread = {};
  request.generation = this;
  request.ticket = *ticket;
  return true;
}

void AppGeneration::let_go(AppRequest& request) {
  SlotUse& use = use_of(request);
  request.generation = nullptr;
  use.request = nullptr;
  if (use.state != SlotUse::State::kActive) return;  // ended: free already, or waits for its release
  if (!use.answered && link_.take_back(use.ticket)) {
    use.state = SlotUse::State::kFree;
    return;
  }
  use.state = SlotUse::State::kAbandoned;
  use.method = request.exchange().request.method;
  use.path = request.exchange().request.path;
  link::SlotState where = link_.state(use.ticket);
  if (where.kind == link::SlotState::kClaimed) {
    link_.send_down(where.lane, link::DownKind::kDisconnect, use.ticket, 0, {});
  }
}

bool AppGeneration::take_back(AppRequest& request) {
  SlotUse& use = use_of(request);
  if (use.state != SlotUse::State::kActive || use.answered || !link_.take_back(use.ticket)) return false;
  use.state = SlotUse::State::kFree;
  use.request = nullptr;
  request.generation = nullptr;
  return true;
}

std::vector<AppRequest*> AppGeneration::take_back_all() {
  std::vector<AppRequest*> taken;
  for (SlotUse& use : slots_) {
    AppRequest* request = use.request;
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

void AppGeneration::fail_all() {
  for (SlotUse& use : slots_) {
    AppRequest* request = std::exchange(use.request, nullptr);
    use.state = SlotUse::State::kFree;
    if (!request) continue;
    request->generation = nullptr;
    request->fail(502);
  }
}

// ---- deadlines

bool AppGeneration::waits_in_vain(base::Instant entered, base::Instant now) const {
  const base::Instant end = entered + options_.queue_timeout;
  return refusing_ || std::max(now, paused_until_) > end;
}

void AppGeneration::check_deadlines(base::Instant now) {
  for (SlotUse& use : slots_) {
    if (use.state != SlotUse::State::kFree) check_deadline(use, now);
  }
}

// `timeout` counts from the claim until the worker lets the slot go, however much of an answer comes meanwhile. Only
// while the client does not take what has come, it stands still: that is not the worker's fault.
void AppGeneration::check_deadline(SlotUse& use, base::Instant now) {
  const base::Duration since_last_look = now - std::exchange(use.looked_at, now);
  const link::SlotState where = link_.state(use.ticket);
  // What was claimed once and is not any more has been released.
  if (use.state != SlotUse::State::kActive && where.kind != link::SlotState::kClaimed) {
    use.state = SlotUse::State::kFree;
    return;
  }
  AppRequest* request = use.request;
  if (where.kind == link::SlotState::kQueued) {
    if (request && request->has_left(now)) return request->drop();
    if (request && waits_in_vain(request->entered, now) && take_back(*request)) request->fail(503);
    return;
  }
  if (use.answered && request && !request->waits_for_event()) use.unread += since_last_look;
  if (use.reported_stuck || now - where.claimed_at - use.unread <= options_.timeout) return;
  report_stuck(use, where.lane);
}

void AppGeneration::report_stuck(SlotUse& use, uint32_t lane) {
  use.reported_stuck = true;
  AppRequest* request = use.request;
  if (!request || use.state != SlotUse::State::kActive) {
    app_.services_.reports.worker_stuck(options_, lane, use.method, use.path, StuckClient::kNone);
    return;
  }
  const message::Request& asked = request->exchange().request;
  const auto client = request->answer_begun() ? StuckClient::kCut : StuckClient::k504;
  app_.services_.reports.worker_stuck(options_, lane, asked.method, asked.path, client);
  link_.send_down(lane, link::DownKind::kCancel, use.ticket, 0, {});
  request->fail(504);
}

// ---- frames

void AppGeneration::on_frame(uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame,
                             std::string_view payload) {
  if (ticket.slot >= slots_.size() || slots_[ticket.slot].ticket != ticket) return;
  SlotUse& use = slots_[ticket.slot];
  const auto kind = static_cast<link::UpKind>(frame.kind);
  const bool carries_flags = kind == link::UpKind::kHead || kind == link::UpKind::kBody || kind == link::UpKind::kEnd ||
                             kind == link::UpKind::kAbort;
  const bool complete = kind == link::UpKind::kEnd || kind == link::UpKind::kAbort ||
                        (carries_flags && (frame.value & link::kComplete) != 0);
  const bool abandoned = use.state != SlotUse::State::kActive || !use.request;
  use.answered = true;
  // Before the request is told: its coroutine may end, and be gone, within the call below.
  if (complete) {
    const bool released = (frame.value & link::kReleases) != 0;
    use.state = released ? SlotUse::State::kFree : SlotUse::State::kEnded;
    if (!released && use.request) {
      use.method = use.request->exchange().request.method;
      use.path = use.request->exchange().request.path;
    }
  }
  if (abandoned) return drop_frame(lane, ticket, frame, payload);
  AppRequest& request = *use.request;
  if (complete) {
    use.request = nullptr;
    request.generation = nullptr;
  }
  switch (kind) {
    case link::UpKind::kHead:
      return on_head(request, lane, payload, complete);
    case link::UpKind::kBody:
      return request.on_body(payload, complete);
    case link::UpKind::kEnd:
      return request.on_end();
    case link::UpKind::kEarlyHints:
      return on_early_hints(request, payload);
    case link::UpKind::kAbort:
      return request.fail(500);
    case link::UpKind::kFile:
      return on_file(request, lane, ticket, frame, payload);
    case link::UpKind::kBodyWanted:
      return on_body_wanted(request, lane, ticket);
    default:
      return;  // trailers have no place in HTTP/1.1 responses of ours; the rest belongs to ASGI
  }
}

void AppGeneration::on_head(AppRequest& request, uint32_t lane, std::string_view payload, bool complete) {
  ResponseHeadPool::Pointer head = app_.heads_.take();
  std::string_view body;
  if (!link::read_head_payload(payload, head->storage, head->response, body)) {
    return refuse(request, lane, "a response head that is none");
  }
  request.on_head(std::move(head), body, complete);
}

void AppGeneration::on_early_hints(AppRequest& request, std::string_view payload) {
  ResponseHeadPool::Pointer head = app_.heads_.take();
  head->storage.assign(payload);
  head->response.status = 103;
  head->response.reason = {};
  // Hints may be lost without harm: damaged ones are.
  if (link::decode_fields(head->storage, head->response.headers)) request.on_early_hints(std::move(head));
}

void AppGeneration::on_file(AppRequest& request, uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame,
                            std::string_view payload) {
  base::FileDescriptor file = link_.receive_file_descriptor(lane, ticket, frame.value);
  base::ByteReader reader(payload);
  auto offset = reader.integer<uint64_t>();
  auto length = reader.integer<uint64_t>();
  struct stat status;
  if (!file.valid() || reader.failed() || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return refuse(request, lane, "a file answer without a regular file");
  }
  auto size = static_cast<uint64_t>(status.st_size);
  const uint64_t available = size - std::min(offset, size);
  request.on_file(std::move(file), offset, std::min(length, available));
}

void AppGeneration::on_body_wanted(AppRequest& request, uint32_t lane, link::Ticket ticket) {
  auto file = request.spool() ? request.spool()->reopen_read_only() : memory_file(request.body());
  if (file.ok() && link_.send_body_descriptor(lane, ticket, file->get())) return;
  app_.log_.write(base::Severity::kError, "CW0513",
                  options_.app + ": a spooled request body could not be handed to its worker" +
                      (file.ok() ? std::string() : ": " + file.error().message),
                  app_.services_.loop.now());
  link_.send_down(lane, link::DownKind::kCancel, ticket, 0, {});
  request.fail(500);
}

// The client has left: the worker is kept from waiting for credit, descriptors are closed.
void AppGeneration::drop_frame(uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame,
                               std::string_view payload) {
  switch (static_cast<link::UpKind>(frame.kind)) {
    case link::UpKind::kHead:
      if (auto parts = link::split_head_payload(payload); parts && !parts->body.empty()) {
        link_.send_down(lane, link::DownKind::kCredit, ticket, static_cast<uint32_t>(parts->body.size()), {});
      }
      break;
    case link::UpKind::kBody:
      if ((frame.value & link::kComplete) != 0) break;
      link_.send_down(lane, link::DownKind::kCredit, ticket, static_cast<uint32_t>(payload.size()), {});
      break;
    case link::UpKind::kFile:
      link_.receive_file_descriptor(lane, ticket, frame.value);
      break;
    case link::UpKind::kBodyWanted:
      link_.send_down(lane, link::DownKind::kCancel, ticket, 0, {});
      break;
    default:
      break;
  }
}

// Nothing a worker of ours would send: the client gets 502 and the worker is replaced.
void AppGeneration::refuse(AppRequest& request, uint32_t lane, std::string_view why) {
  app_.log_.write(base::Severity::kError, "CW0514",
                  options_.app + ": a worker sent " + std::string(why) + "; answered 502", app_.services_.loop.now());
  app_.services_.reports.worker_broken(options_, lane, why);
  request.fail(502);
}

void AppGeneration::on_broken_lane(uint32_t lane, std::string_view why) {
  app_.services_.reports.worker_broken(options_, lane, why);
}

}  // namespace cutwater::handler

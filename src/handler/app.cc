#include "handler/app.h"

#include <algorithm>

#include "handler/error_pages.h"
#include "handler/kept_head.h"
#include "handler/web_server_fields.h"

namespace cutwater::handler {

namespace {

constexpr base::Duration kTick = std::chrono::milliseconds(100);
constexpr base::Duration kFastAnswers = std::chrono::milliseconds(1);
constexpr base::Duration kPatience = std::chrono::milliseconds(10);
constexpr size_t kManyForEach = 4;  // requests that wait, for each worker
// Requests that came from one sleep of the front to the next: few mean that it is woken for each.
constexpr uint64_t kFew = 4;
constexpr uint64_t kFewForThePatient = 32;
constexpr std::chrono::seconds kLeastRetryAfter{2};

}  // namespace

AppHandler::AppHandler(std::string name, const AppServices& services)
    : name_(std::move(name)),
      services_(services),
      spool_budget_(services.spool.shares.per_app),
      log_(services.log),
      tick_(services.loop.timers(), [this] { tick(); }) {
  services_.loop.add_hook(*this);
}

AppHandler::~AppHandler() {
  services_.loop.remove_hook(*this);
}

// ---- one request

base::Task<void> AppHandler::handle(message::Exchange& exchange) {
  return named_files_ ? ask_or_send_named(exchange) : ask(exchange, nullptr);
}

base::Task<void> AppHandler::ask_or_send_named(message::Exchange& exchange) {
  ResponseHeadPool::Pointer named;
  auto asking = ask(exchange, &named);
  co_await asking;
  if (!named) co_return;
  auto sending = named_files_->answer(exchange, named->response);
  co_await sending;
}

// With `named` the head of an answer that names a file is put there, once that answer is complete, and nothing sent.
base::Task<void> AppHandler::ask(message::Exchange& exchange, ResponseHeadPool::Pointer* named) {
  AppRequest request(*this, exchange);
  if (request.has_body()) {
    const bool complete = co_await request.collect_body();
    if (!complete) co_return;
  }
  if (uint16_t refusal = enqueue(request)) {
    co_await answer_failure(exchange, refusal);
    co_return;
  }
  exchange.gone_listener = &request;
  message::ResponseWriter& response = exchange.response;
  ResponseHeadPool::Pointer naming;
  for (;;) {
    const AppEvent event = co_await request.next();
    auto status = message::WriteStatus::kWritten;
    if (named && event.kind == AppEvent::Kind::kHead) {
      if (names_a_file(request.head())) naming = copy_head(request.head());
      remove_file_names(request.head().headers);
    }
    const bool goes_on = event.kind != AppEvent::Kind::kFailed && event.kind != AppEvent::Kind::kClientGone;
    if (naming && goes_on) {
      if (event.complete) *named = std::move(naming);
      if (event.complete) co_return;
      request.taken(event.bytes.size());
      continue;
    }
    switch (event.kind) {
      case AppEvent::Kind::kHead: {
        hide_web_server_fields(exchange, request.head().headers);
        const FileRange file = event.bytes.empty() ? request.take_file_behind_head() : FileRange{-1, 0, 0};
        if (file.descriptor < 0) {
          status = co_await response.head(request.head(), event.bytes, event.complete);
          break;
        }
        if (!request.head().content_length) request.head().content_length = file.length;
        status = co_await send_file(response, request.head(), services_.offload, file);
        break;
      }
      case AppEvent::Kind::kEarlyHints:
        hide_web_server_fields(exchange, request.head().headers);
        status = co_await response.informational(request.head());
        break;
      case AppEvent::Kind::kBody:
        status = co_await response.body(event.bytes, event.complete);
        break;
      case AppEvent::Kind::kFile:
        status = co_await send_file_body(response, services_.offload, event.file);
        break;
      case AppEvent::Kind::kEnd:
        co_await response.finish();
        break;
      case AppEvent::Kind::kFailed:
        co_await answer_failure(exchange, event.status);
        co_return;
      case AppEvent::Kind::kClientGone:
        co_return;
    }
    if (status != message::WriteStatus::kWritten || event.complete) co_return;
    request.taken(event.bytes.size());
  }
}

base::Task<void> AppHandler::answer_failure(message::Exchange& exchange, uint16_t status) {
  if (status != 503) {
    auto answering = answer_error(exchange, status);
    co_await answering;
    co_return;
  }
  auto wait = kLeastRetryAfter;
  if (current_)
    wait = std::max(wait, std::chrono::ceil<std::chrono::seconds>(current_->pause_left(services_.loop.now())));
  const std::string seconds = std::to_string(wait.count());
  auto answering = answer_error(exchange, status, "Retry-After", seconds);
  co_await answering;
}

// Each worker runs one request, or so many; what idle workers are about to claim does not count as waiting. What the
// other fronts have counts, as of their last turns; until a first generation serves no front knows of another's line.
bool AppHandler::queue_is_full(const WaitingLimits& limits) const {
  if (!current_) return line_.size() >= limits.queue;
  const uint64_t under_way = line_.size() + current_->link().in_use() + current_->link().load_of_others();
  return under_way >= limits.queue + current_->attached_workers() * current_->options().requests_per_worker;
}

void AppHandler::publish_load() {
  if (current_) current_->link().publish_load(static_cast<uint32_t>(line_.size() + current_->link().in_use()));
}

// nullopt: nothing serves, and nothing is about to.
std::optional<WaitingLimits> AppHandler::limits() const {
  if (!current_) return expecting_;
  return WaitingLimits{current_->options().queue, current_->options().queue_timeout};
}

bool AppHandler::waits_in_vain(const AppRequest& request, base::Instant now) const {
  if (current_) return current_->waits_in_vain(request.entered, now);
  return !expecting_ || now - request.entered > expecting_->queue_timeout;
}

uint16_t AppHandler::enqueue(AppRequest& request) {
  const std::optional<WaitingLimits> limits = this->limits();
  if (!limits || failed_) return 503;
  wake_up();
  request.entered = services_.loop.now();
  request.order = ++arrivals_;
  if (waits_in_vain(request, request.entered)) return 503;
  if (queue_is_full(*limits)) {
    log_.write(base::Severity::kWarning, "CW0511",
               name_ + ": more than queue = " + std::to_string(limits->queue) +
                   " requests wait for a worker; answered 503\nfix: more workers, or raise app." + name_ + ".queue",
               request.entered);
    return 503;
  }
  if (!line_.empty() || !current_ || !current_->submit(request)) put_in_line(request);
  publish_load();
  start_tick();
  return 0;
}

void AppHandler::put_in_line(AppRequest& request) {
  request.in_line = true;
  line_.push_back(&request);
}

void AppHandler::leave_line(AppRequest& request) {
  request.in_line = false;
  line_.erase(std::find(line_.begin(), line_.end(), &request));
}

AppRequest& AppHandler::take_first_in_line() {
  AppRequest& first = *line_.front();
  first.in_line = false;
  line_.pop_front();
  return first;
}

void AppHandler::fill_slots() {
  while (current_ && !line_.empty() && current_->submit(*line_.front())) take_first_in_line();
}

void AppHandler::resume_at_end_of_turn(AppRequest& request) {
  if (std::exchange(request.to_be_resumed, true)) return;
  to_resume_.push_back(&request);
}

void AppHandler::forget_resumption(AppRequest& request) {
  request.to_be_resumed = false;
  std::replace(to_resume_.begin(), to_resume_.end(), &request, static_cast<AppRequest*>(nullptr));
}

bool AppHandler::resume_all() {
  bool any = false;
  for (size_t i = 0; i < to_resume_.size(); ++i) {  // grows while it runs
    if (AppRequest* request = std::exchange(to_resume_[i], nullptr)) {
      any = true;
      request->resume();
    }
  }
  to_resume_.clear();
  return any;
}

// ---- the end of a turn: docs/link_protocol.md tells why in this order

bool AppHandler::end_of_turn() {
  wake_up();
  ++turn_;
  bool worked = resume_all();
  bool answered = false;
  for (auto& generation : generations_) answered |= generation->link().drain();
  if (answered) last_answer_ = services_.loop.now();
  worked |= answered;
  worked |= resume_all();
  fill_slots();
  publish_load();
  for (auto& generation : generations_) generation->link().wake_workers();
  if (!draining_.empty()) report_drained();
  if (worked) return true;
  if (!announce_sleep()) return true;
  be_patient_if_saturated();
  return false;
}

// While the workers answer fast and much waits in the queue, what comes for this front can wait for its turn: a new
// request would only join the queue, and an answer is followed by others. Each would take the processor from a worker
// that shares it with us, and give it back: docs/link_protocol.md has what that costs.
void AppHandler::be_patient_if_saturated() {
  const base::Instant now = services_.loop.now();
  const uint64_t came = arrivals_ - std::exchange(arrivals_at_sleep_, arrivals_);
  if (came > (services_.loop.patient() ? kFewForThePatient : kFew)) return;
  if (!current_ || now - last_answer_ > kFastAnswers) return;
  if (line_.size() + current_->link().queued() < kManyForEach * (current_->attached_workers() + 1)) return;
  services_.loop.be_patient_until(now + kPatience);
}

void AppHandler::wake_up() {
  if (!std::exchange(announced_, false)) return;
  for (auto& generation : generations_) generation->link().awake();
}

bool AppHandler::announce_sleep() {
  announced_ = true;
  for (auto& generation : generations_) {
    if (generation->link().prepare_to_sleep()) continue;
    wake_up();
    return false;
  }
  return true;
}

void AppHandler::start_tick() {
  if (!tick_.armed()) tick_.set(services_.loop.now() + kTick);
}

void AppHandler::tick() {
  const base::Instant now = services_.loop.now();
  bool outstanding = !line_.empty();
  for (auto& generation : generations_) {
    generation->link().tick();
    generation->check_deadlines(now);
    outstanding |= !generation->idle();
  }
  drop_those_who_left(now);
  while (!line_.empty() && waits_in_vain(*line_.front(), now)) take_first_in_line().fail(503);
  if (outstanding) tick_.set(now + kTick);
}

// None of them goes on before the end of the turn.
void AppHandler::drop_those_who_left(base::Instant now) {
  std::erase_if(line_, [now](AppRequest* request) {
    if (!request->has_left(now)) return false;
    request->in_line = false;
    request->drop();
    return true;
  });
}

// ---- generations

AppGeneration* AppHandler::find(uint64_t number) {
  for (auto& generation : generations_) {
    if (generation->options().number == number) return generation.get();
  }
  return nullptr;
}

base::Result<void> AppHandler::add_generation(GenerationOptions options, GenerationDescriptors descriptors) {
  auto segment = link::Segment::map(descriptors.segment.get());
  if (!segment) return segment.error();
  if (services_.front_index >= segment->layout().fronts) {
    return base::Error{name_ + ": the shared memory has no place for front " + std::to_string(services_.front_index)};
  }
  wake_up();  // the new link must hear of the next announcement too
  generations_.push_back(std::make_unique<AppGeneration>(*this, std::move(options), std::move(*segment),
                                                         services_.front_index, std::move(descriptors.wake),
                                                         std::move(descriptors.alarm)));
  return {};
}

void AppHandler::attach_worker(uint64_t number, uint32_t lane, WorkerDescriptors descriptors) {
  wake_up();
  AppGeneration* generation = find(number);
  if (generation) return generation->attach_worker(lane, std::move(descriptors));
  // Of a generation that drains since before this front was started: the master counts on an answer.
  GenerationOptions unknown;
  unknown.app = name_;
  unknown.number = number;
  services_.reports.lane_free(unknown, lane);
}

void AppHandler::swap_to(uint64_t number) {
  AppGeneration* next = find(number);
  if (!next) return;
  failed_ = false;
  expecting_.reset();
  if (next == current_) return;
  AppGeneration* previous = std::exchange(current_, next);
  if (!previous) return;
  // What nobody has begun runs on the new code, in its old order, before everything that came later.
  std::vector<AppRequest*> taken = previous->take_back_all();
  for (AppRequest* request : taken) request->in_line = true;
  line_.insert(line_.begin(), taken.begin(), taken.end());
  draining_.push_back(previous);
  fill_slots();
}

void AppHandler::set_failed() {
  if (current_) return;  // an older generation serves on
  failed_ = true;
  expecting_.reset();
}

void AppHandler::retire_worker(uint64_t number, uint32_t lane) {
  if (AppGeneration* generation = find(number)) generation->link().retire_lane(lane);
}

void AppHandler::pause(uint64_t number, base::Duration pause, bool refuse) {
  if (AppGeneration* generation = find(number)) generation->pause_until(services_.loop.now() + pause, refuse);
}

void AppHandler::report_drained() {
  std::erase_if(draining_, [this](AppGeneration* generation) {
    if (!generation->idle()) return false;
    services_.reports.generation_drained(generation->options());
    return true;
  });
}

void AppHandler::drop_generation(uint64_t number) {
  AppGeneration* generation = find(number);
  if (!generation) return;
  if (current_ == generation) current_ = nullptr;
  std::erase(draining_, generation);
  generation->fail_all();
  std::erase_if(generations_, [&](const auto& owned) { return owned.get() == generation; });
}

}  // namespace cutwater::handler

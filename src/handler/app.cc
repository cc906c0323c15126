#include "handler/app.h"

#include <algorithm>

#include "handler/app_answer.h"
#include "handler/error_pages.h"
#include "handler/kept_head.h"
#include "handler/web_server_fields.h"

namespace cutwater::handler {

namespace {

constexpr base::Duration kTick = std::chrono::milliseconds(100);
// With a timer of 1 ms each sleep of the front costs more: 10 % with one connection, measured.
constexpr base::Duration kClaimPatience = std::chrono::milliseconds(5);
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
      file_name_hint_(services.log, "app " + name_, "[app." + name_ + "]"),
      log_(services.log),
      tick_(services.loop.timers(), [this] { tick(); }),
      second_wake_(services.loop.timers(), [this] { wake_others(); }) {
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
  const bool asynchronous = current_ && current_->options().asynchronous;
  const WebSocketOffer offer = websocket_offer(exchange.request);
  request.offers_websocket = offer == WebSocketOffer::kSound;
  if (asynchronous && offer != WebSocketOffer::kNone && offer != WebSocketOffer::kSound) {
    auto refusing = refuse_websocket(exchange, offer);
    co_return co_await refusing;
  }
  if (asynchronous && request.offers_websocket &&
      !may_open_websocket(exchange.request, current_->options().websocket_origins)) {
    auto refusing = answer_error(exchange, 403);
    co_return co_await refusing;
  }
  if (request.has_long_body() && asynchronous) {
    request.stream_body();
  } else if (request.has_body()) {
    const bool complete = co_await request.collect_body();
    if (!complete) co_return;
  }
  if (uint16_t refusal = enqueue(request)) {
    co_await answer_failure(exchange, refusal);
    co_return;
  }
  exchange.gone_listener = &request;
  message::ResponseWriter& response = exchange.response;
  AppAnswer answer(response, services_.spool, services_.loop, asynchronous);
  ResponseHeadPool::Pointer naming;
  for (;;) {
    const AppEvent event = co_await request.next();
    auto status = message::WriteStatus::kWritten;
    if (request.open_socket && event.kind == AppEvent::Kind::kHead) {
      auto running = run_socket(request);
      co_return co_await running;
    }
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
        if (!event.complete) answer.look_at(request.head());
        hide_web_server_fields(exchange, request.head().headers, &file_name_hint_);
        const FileRange file = event.bytes.empty() ? request.take_file_behind_head() : FileRange{-1, 0, 0};
        if (file.descriptor < 0) {
          status = co_await answer.head(request.head(), event.bytes, event.complete);
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
        status = co_await answer.body(event.bytes, event.complete);
        break;
      case AppEvent::Kind::kFile:
        if (answer.keeps_some()) co_await answer.drained();
        status = co_await send_file_body(response, services_.offload, event.file);
        break;
      case AppEvent::Kind::kTrailers:
        response.trailers(request.head().headers);
        break;
      case AppEvent::Kind::kEnd:
        co_await answer.finish();
        break;
      case AppEvent::Kind::kFailed:
        if (answer.keeps_some()) co_await answer.drained();
        co_await answer_failure(exchange, event.status);
        co_return;
      default:  // kClientGone; WebSockets have their own events
        co_return;
    }
    if (event.complete && answer.keeps_some()) co_await answer.drained();
    if (status != message::WriteStatus::kWritten || event.complete) co_return;
    request.taken(event.bytes.size());
  }
}

base::Task<void> AppHandler::refuse_websocket(message::Exchange& exchange, WebSocketOffer offer) {
  if (offer == WebSocketOffer::kMalformed) {
    auto answering = answer_error(exchange, 400);
    co_await answering;
    co_return;
  }
  auto answering = exchange.response.head(other_version_answer(), {}, true);
  co_await answering;
}

// Its last event was the worker's 101.
base::Task<void> AppHandler::run_socket(AppRequest& request) {
  message::Exchange& exchange = request.exchange();
  if (!sockets_) sockets_ = std::make_unique<WebSocketMemory>();
  codec::websocket::CompressionOffer compression;
  AcceptStorage storage;
  hide_web_server_fields(exchange, request.head().headers);
  const message::Response accepted =
      accept_answer(exchange.request, request.head(), request.socket_options.compression, storage, compression);
  AppSocket socket(services_.loop, request, exchange, request.socket_options, *sockets_, compression);
  auto opening = exchange.response.head(accepted, {}, false);
  if (co_await opening != message::WriteStatus::kWritten) co_return;
  auto running = socket.run();
  co_await running;
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
  if (wakes_can_wait()) return worked;
  for (auto& generation : generations_) generation->link().wake_workers();
  expect_claims();
  if (!draining_.empty()) report_drained();
  if (worked) return true;
  if (!announce_sleep()) return true;
  be_patient_if_saturated();
  return false;
}

// An event loop says that it sleeps before it goes on with what else is ready, and one of its tasks may then keep it
// for long: a request that nobody has claimed soon is another's.
void AppHandler::expect_claims() {
  if (second_wake_.armed() || !current_ || !current_->options().asynchronous) return;
  if (current_->attached_workers() < 2 || current_->link().queued() == 0) return;
  line_start_ = current_->link().line_start();
  second_wake_.set(services_.loop.now() + kClaimPatience);
}

// While any is claimed they come.
void AppHandler::wake_others() {
  if (current_ && current_->link().line_start() == line_start_) current_->link().wake_another();
  expect_claims();
}

bool AppHandler::wakes_can_wait() {
  const bool owed = std::any_of(generations_.begin(), generations_.end(),
                                [](const auto& generation) { return generation->link().owes_wakes(); });
  if (!owed || !delayed_wakes_.can_wait(services_.loop.now(), services_.loop.events_of_turn())) return false;
  services_.loop.poll_next();
  return true;
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
  while (!line_.empty() && waits_in_vain(*line_.front(), now)) turn_away(take_first_in_line(), now);
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
  previous->retire_sockets();
  draining_.push_back(previous);
  fill_slots();
}

void AppHandler::set_failed() {
  if (current_) return;  // an older generation serves on
  failed_ = true;
  expecting_.reset();
}

void AppHandler::retire_worker(uint64_t number, uint32_t lane) {
  if (AppGeneration* generation = find(number)) generation->retire_lane(lane);
}

void AppHandler::close_sockets() {
  closing_ = true;
  for (auto& generation : generations_) generation->close_sockets(codec::websocket::kGoingAway);
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

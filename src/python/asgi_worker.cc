#include "python/asgi_worker.h"

#include <algorithm>
#include <utility>

#include "python/calls.h"

namespace cutwater::python {
namespace {

// As many first steps are taken before the loop looks at anything else.
constexpr uint32_t kMostAtOnce = 32;

}  // namespace

AsgiWorker::AsgiWorker(Setup setup, std::unique_ptr<link::WorkerLink> link, ExchangeMaker make_exchange)
    : setup_(std::move(setup)), link_(std::move(link)), make_exchange_(std::move(make_exchange)) {
  slots_.resize(setup_.fronts);
}

AsgiWorker::~AsgiWorker() {
  while (first_ != nullptr) {
    AsgiExchange& exchange = *first_;
    exchange.detach();
    leave(exchange);
  }
}

bool AsgiWorker::prepare(PyObject* self) {
  turn_ = PyRef::steal(PyObject_GetAttrString(self, "turn"));
  return turn_ && names_.prepare() && scope_.prepare(names_, setup_.state.get());
}

// ---- a turn

bool AsgiWorker::turn() {
  scheduled_ = false;
  link_->awake();
  while (auto frame = link_->receive()) take_in(*frame);
  pump_blocked();
  if (link_->retired() && reason_.empty()) reason_ = "retired";
  bool started = false;
  link::Claim claim;
  const uint32_t most = reason_.empty() ? share() : 0;
  for (uint32_t count = 0; count < most && active_ < setup_.concurrency && link_->claim(claim); ++count) {
    started = true;
    if (!start(std::move(claim))) return false;
  }
  if (scheduled_ || started) {  // more will be sent by the first steps: one wake for all
    schedule();
    link_->wake_fronts(false);
    return true;
  }
  const bool may_claim = reason_.empty() && active_ < setup_.concurrency;
  if (!(may_claim ? link_->prepare_to_sleep() : link_->prepare_to_wait())) schedule();
  if (reason_.empty() || active_ > 0 || std::exchange(told_, true)) return true;
  PyRef text = PyRef::steal(PyUnicode_FromString(reason_.c_str()));
  PyRef told = text ? PyRef::steal(call_with_one(setup_.drained.get(), text.get())) : PyRef();
  return static_cast<bool>(told);
}

// Claiming binds a request to this worker, so others keep their share.
uint32_t AsgiWorker::share() const {
  const uint64_t queued = std::min<uint64_t>(link_->queued(), kMostAtOnce * uint64_t{setup_.workers});
  return std::max(1u, static_cast<uint32_t>((queued + setup_.workers - 1) / setup_.workers));
}

void AsgiWorker::schedule() {
  if (std::exchange(scheduled_, true)) return;
  PyRef handle = PyRef::steal(call_with_one(setup_.call_soon.get(), turn_.get()));
  if (!handle) PyErr_Clear();  // the loop is closed: nothing more goes anywhere
}

void AsgiWorker::pump_blocked() {
  std::vector<AsgiExchange*> blocked = std::move(blocked_);
  blocked_.clear();
  for (AsgiExchange* exchange : blocked) {
    exchange->in_blocked = false;
    exchange->pump();
    exchange->look_for_body();
    if (exchange->done()) {
      leave(*exchange);
    } else if (exchange->needs_pump()) {
      add_blocked(*exchange);
    }
  }
}

void AsgiWorker::add_blocked(AsgiExchange& exchange) {
  if (std::exchange(exchange.in_blocked, true)) return;
  blocked_.push_back(&exchange);
}

void AsgiWorker::look_at_sockets() {
  link_->check_fronts();
  link::Claim nobody;
  nobody.slot = link::kNoSlot;
  for (nobody.front = 0; nobody.front < setup_.fronts; ++nobody.front) link_->receive_body_descriptor(nobody);
  schedule();
}

// ---- requests

bool AsgiWorker::start(link::Claim claim) {
  request_.clear();
  extras_ = {};
  if (!link::decode_request(claim.record, request_, extras_)) {
    PyRef told = PyRef::steal(PyObject_CallFunction(setup_.problem.get(), "s", "a request in the queue was damaged"));
    if (!told) PyErr_Clear();
    link_->release(claim);
    return true;
  }
  PyRef scope = PyRef::steal(scope_.build(request_, extras_, extras_.websocket));
  if (!scope) return false;
  auto exchange = std::make_unique<AsgiExchange>(*this, std::move(claim), request_, extras_);
  AsgiExchange& entered = *exchange;
  PyRef object = PyRef::steal(make_exchange_(std::move(exchange)));
  if (!object) return false;
  enter(entered);
  entered.object = PyRef::share(object.get()).release();
  PyRef coroutine = PyRef::steal(call_with_two(setup_.run.get(), scope.get(), object.get()));
  if (!coroutine) return false;
  // The loop itself keeps no task alive.
  entered.task() = PyRef::steal(call_with_one(setup_.create_task.get(), coroutine.get()));
  return static_cast<bool>(entered.task());
}

void AsgiWorker::enter(AsgiExchange& exchange) {
  const link::Claim& claim = exchange.claim();
  std::vector<AsgiExchange*>& slots = slots_.at(claim.front);
  if (slots.size() <= claim.slot) slots.resize(claim.slot + 1);
  slots.at(claim.slot) = &exchange;
  exchange.next = first_;
  if (first_ != nullptr) first_->previous = &exchange;
  first_ = &exchange;
  ++active_;
}

void AsgiWorker::leave(AsgiExchange& exchange) {
  if (exchange.object == nullptr) return;
  (exchange.previous != nullptr ? exchange.previous->next : first_) = exchange.next;
  if (exchange.next != nullptr) exchange.next->previous = exchange.previous;
  exchange.previous = exchange.next = nullptr;
  if (exchange.in_blocked) std::erase(blocked_, &exchange);
  exchange.in_blocked = false;
  --active_;
  Py_DECREF(std::exchange(exchange.object, nullptr));  // may be the end of it
}

// Another exchange may hold the slot next: this one runs on without.
void AsgiWorker::forget_slot(AsgiExchange& exchange) {
  const link::Claim& claim = exchange.claim();
  std::vector<AsgiExchange*>& slots = slots_.at(claim.front);
  if (claim.slot < slots.size() && slots.at(claim.slot) == &exchange) slots.at(claim.slot) = nullptr;
}

void AsgiWorker::finish(AsgiExchange& exchange, bool raised, std::string& problem) {
  if (exchange.finished()) return;
  if (const char* text = exchange.finish(raised)) problem = text;
  schedule();
  if (exchange.done()) leave(exchange);
}

void AsgiWorker::take_in(const link::DownFrame& frame) {
  if (frame.front >= slots_.size()) return;
  const std::vector<AsgiExchange*>& slots = slots_.at(frame.front);
  if (frame.header.slot >= slots.size()) return;
  AsgiExchange* exchange = slots.at(frame.header.slot);
  if (exchange == nullptr || exchange->claim().generation != frame.header.generation) return;
  exchange->take_in(frame);
  if (exchange->done()) leave(*exchange);
}

void AsgiWorker::cancel(AsgiExchange& exchange) {
  if (!exchange.task()) return;
  PyRef done = PyRef::steal(call_method(exchange.task().get(), names_.cancel.get()));
  if (!done) PyErr_Clear();
}

void AsgiWorker::client_left(AsgiExchange& exchange) {
  if (setup_.client_left.get() == Py_None || !exchange.task()) return;
  PyRef done = PyRef::steal(call_with_one(setup_.client_left.get(), exchange.task().get()));
  if (!done) PyErr_Clear();
}

void AsgiWorker::stop(std::string reason) {
  if (reason_.empty()) reason_ = std::move(reason);
  schedule();
}

void AsgiWorker::cancel_all() {
  for (AsgiExchange* exchange = first_; exchange != nullptr; exchange = exchange->next) cancel(*exchange);
}

}  // namespace cutwater::python

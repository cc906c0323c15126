#include "python/asgi_worker.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "python/calls.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

// As many first steps are taken before the loop looks at anything else.
constexpr uint32_t kMostAtOnce = 8;

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
  thread_ = PyThread_get_thread_ident();
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
    start(std::move(claim));
  }
  if (scheduled_ || started) {  // more will be sent by the first steps: one wake for all
    schedule();
    link_->wake_fronts();
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
  pumping_ = true;
  pumped_ = std::exchange(blocked_, {});
  for (size_t index = 0; index < pumped_.size(); ++index) {
    AsgiExchange* exchange = std::exchange(pumped_.at(index), nullptr);
    if (exchange == nullptr) continue;
    exchange->in_blocked = false;
    exchange->pump();
    exchange->look_for_body();
    if (exchange->done()) {
      leave(*exchange);
    } else if (exchange->needs_pump()) {
      add_blocked(*exchange);
    }
  }
  pumping_ = false;
}

// The last turn has told the fronts what this worker waits for: room may be new, and only a turn tells it. Without one
// nobody would wake us when there is some.
void AsgiWorker::add_blocked(AsgiExchange& exchange) {
  if (std::exchange(exchange.in_blocked, true)) return;
  blocked_.push_back(&exchange);
  if (!pumping_) schedule();
}

std::vector<int> AsgiWorker::look_at_sockets() {
  std::vector<int> ended;
  link::Claim nobody;
  nobody.slot = link::kNoSlot;
  for (nobody.front = 0; nobody.front < setup_.fronts; ++nobody.front) {
    link_->receive_body_descriptor(nobody);
    pollfd entry{link_->lane_socket(nobody.front), 0, 0};
    if (::poll(&entry, 1, 0) <= 0 || (entry.revents & (POLLHUP | POLLERR)) == 0) continue;
    ended.push_back(entry.fd);
    for (AsgiExchange* exchange = first_; exchange != nullptr; exchange = exchange->next) {
      if (exchange->claim().front == nobody.front) exchange->lose_client();
    }
  }
  link_->check_fronts();
  for (AsgiExchange* exchange = first_; exchange != nullptr; exchange = exchange->next) {
    if (exchange->needs_pump()) add_blocked(*exchange);
  }
  schedule();
  return ended;
}

bool AsgiWorker::on_its_thread() const {
  if (PyThread_get_thread_ident() == thread_) return true;
  PyErr_SetString(
      PyExc_RuntimeError,
      "send() and receive() belong to the thread of the event loop: use asyncio.run_coroutine_threadsafe()");
  return false;
}

// ---- requests

void AsgiWorker::report(const char* text) {
  PyRef told = PyRef::steal(PyObject_CallFunction(setup_.problem.get(), "s", text));
  if (!told) PyErr_Clear();
}

void AsgiWorker::start(link::Claim claim) {
  request_.clear();
  extras_ = {};
  AsgiExchange* entered = nullptr;
  if (begin(claim, entered)) return;
  // Short of memory, or the app has replaced the loop's task factory by one that raises.
  PyRef raised = take_exception();
  PyRef text = raised ? PyRef::steal(PyObject_Str(raised.get())) : PyRef();
  report(("a request could not be begun: " + (text ? utf8_text(text.get()) : std::string("no reason given"))).c_str());
  if (entered == nullptr) return link_->release(claim);
  entered->finish(true);
  if (entered->done()) leave(*entered);
}

bool AsgiWorker::begin(const link::Claim& claim, AsgiExchange*& entered) {
  if (!link::decode_request(claim.record, request_, extras_)) {
    PyErr_SetString(PyExc_RuntimeError, "it was damaged in the queue");
    return false;
  }
  PyRef scope = PyRef::steal(scope_.build(request_, extras_, extras_.websocket));
  if (!scope) return false;
  auto exchange = std::make_unique<AsgiExchange>(*this, claim, request_, extras_);
  AsgiExchange& made = *exchange;
  PyRef object = PyRef::steal(make_exchange_(std::move(exchange)));
  if (!object) return false;
  made.object = PyRef::share(object.get()).release();
  enter(made);
  entered = &made;
  PyRef coroutine = PyRef::steal(call_with_two(setup_.begin.get(), scope.get(), object.get()));
  if (!coroutine) return false;
  if (coroutine.get() == Py_None) return true;
  // The loop itself keeps no task alive.
  made.task() = PyRef::steal(call_with_one(setup_.create_task.get(), coroutine.get()));
  return static_cast<bool>(made.task());
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
  if (exchange.in_blocked) {
    std::erase(blocked_, &exchange);
    std::replace(pumped_.begin(), pumped_.end(), &exchange, static_cast<AsgiExchange*>(nullptr));
  }
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
  cancels_all_ = true;
  AsgiExchange* next = nullptr;
  for (AsgiExchange* exchange = first_; exchange != nullptr; exchange = next) {
    next = exchange->next;
    std::string problem;  // of a request that is given up
    if (exchange->task()) {
      cancel(*exchange);
    } else {
      finish(*exchange, true, problem);
    }
  }
}

}  // namespace cutwater::python

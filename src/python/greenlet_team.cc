#include "python/greenlet_team.h"

#include <algorithm>
#include <utility>

#include "python/calls.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

// So much is claimed before the hub looks at anything else: other requests' sockets and timers wait as long.
constexpr uint32_t kMostAtOnce = 64;
constexpr base::Duration kLongestTurn = std::chrono::milliseconds(1);
// So many of those begun in a turn may still be running at its end; claiming binds a request to this worker.
constexpr uint32_t kMostBegun = 32;
// What a crowd leaves behind is let go: each greenlet has a stack, and what the application keeps for each.
constexpr size_t kMostParked = 128;

constexpr const char* kCapsule = "_cutwater.GreenletTeam.Member";

}  // namespace

GreenletTeam::GreenletTeam(const WsgiTypes& types, const WsgiSetup& wsgi, Setup setup,
                           std::unique_ptr<link::WorkerLink> link)
    : setup_(std::move(setup)),
      link_(std::move(link)),
      service_(types, wsgi, *link_),
      fronts_(wsgi.fronts),
      most_(setup_.concurrency) {
  gone_.resize(fronts_);
}

GreenletTeam::~GreenletTeam() = default;

bool GreenletTeam::prepare(PyObject* self) {
  self_ = self;
  thread_ = PyThread_get_thread_ident();
  turn_ = PyRef::steal(PyObject_GetAttrString(self, "turn"));
  tick_ = PyRef::steal(PyObject_GetAttrString(self, "tick"));
  context_name_ = PyRef::steal(PyUnicode_InternFromString("gr_context"));
  return turn_ && tick_ && context_name_;
}

// ---- a turn

void GreenletTeam::turn() {
  scheduled_ = false;
  if (!link_->attached()) {
    PyRef told = PyRef::steal(PyObject_CallObject(setup_.detached.get(), nullptr));
    if (!told) PyErr_Clear();
    return;
  }
  in_turn_ = true;
  link_->awake();
  take_frames_in();
  mark_all([](const Waiting& waiting) { return waiting.what == For::kRoom; });
  resume_woken();
  if (link_->retired()) stop("retired");
  const bool more = claim_some();
  if (!service_.end_reason.empty()) stop(service_.end_reason);  // a request has raised SystemExit
  forget_finished();
  in_turn_ = false;
  if (!link_->attached()) return;
  link_->wake_fronts();
  if (more || !woken_.empty()) return call_again(0, turn_.get());
  if (!(may_claim() ? link_->prepare_to_sleep() : link_->prepare_to_wait())) return call_again(0, turn_.get());
  end_if_drained();
}

bool GreenletTeam::may_claim() const {
  return service_.end_reason.empty() && (!parked_.empty() || members_.size() < most_);
}

// True: there is more to claim, when the hub has looked at the rest.
bool GreenletTeam::claim_some() {
  uint32_t may_stay = share();
  const base::Instant end = base::monotonic_now() + kLongestTurn;
  for (uint32_t count = 0; may_claim() && link_->has_queued(); ++count) {
    if (count == kMostAtOnce || (count > 0 && base::monotonic_now() >= end)) return true;
    Member* member = take_parked();
    if (member == nullptr) return false;
    if (!member->runner.claim()) {
      parked_.push_back(member);
      return false;
    }
    member->runs = true;
    ++active_;
    switch_to(member->resume.get());
    if (!link_->attached()) return false;
    link_->wake_fronts_after_call();
    if (member->runs && --may_stay == 0) return true;
  }
  return false;
}

uint32_t GreenletTeam::share() const {
  const uint64_t queued = std::min<uint64_t>(link_->queued(), kMostBegun * uint64_t{setup_.workers});
  return std::max(1u, static_cast<uint32_t>((queued + setup_.workers - 1) / setup_.workers));
}

// A turn comes soon: something was sent, a request has ended, or somebody is to be woken.
void GreenletTeam::schedule() {
  if (in_turn_ || !link_->attached() || std::exchange(scheduled_, true)) return;
  PyRef handle = PyRef::steal(call_with_one(setup_.call_soon.get(), turn_.get()));
  if (!handle) PyErr_WriteUnraisable(turn_.get());
}

void GreenletTeam::call_again(double seconds, PyObject* callback) {
  PyRef delay = PyRef::steal(PyFloat_FromDouble(seconds));
  PyRef handle = delay ? PyRef::steal(call_with_two(setup_.call_later.get(), delay.get(), callback)) : PyRef();
  if (!handle) PyErr_WriteUnraisable(callback);
}

// ---- greenlets

// In the hub. Comes back when that greenlet waits for something or has ended.
bool GreenletTeam::switch_to(PyObject* resume) {
  PyRef result = PyRef::steal(PyObject_CallObject(resume, nullptr));
  if (!result) PyErr_WriteUnraisable(resume);
  return static_cast<bool>(result);
}

// In any other. False with a Python exception: something was thrown into the greenlet.
bool GreenletTeam::park() {
  return static_cast<bool>(PyRef::steal(PyObject_CallObject(setup_.to_hub.get(), nullptr)));
}

GreenletTeam::Member* GreenletTeam::take_parked() {
  if (parked_.empty() && !make_member()) {
    PyRef raised = take_exception();
    PyRef text = raised ? PyRef::steal(PyObject_Str(raised.get())) : PyRef();
    service_.host.problem("CW0506", "", "", "gets no new greenlet: " + (text ? utf8_text(text.get()) : std::string()));
    most_ = members_.size();
    if (members_.empty()) stop("broken");
    return nullptr;
  }
  Member* taken = parked_.back();
  parked_.pop_back();
  return taken;
}

bool GreenletTeam::make_member() {
  static PyMethodDef definition = {"run_requests", run_member, METH_NOARGS, nullptr};
  auto owned = std::make_unique<Member>(*this, service_);
  Member& member = *owned;
  if (!member.runner.prepare()) return false;
  PyRef capsule = PyRef::steal(PyCapsule_New(
      &member, kCapsule, [](PyObject* ended) { Py_XDECREF(static_cast<PyObject*>(PyCapsule_GetContext(ended))); }));
  if (!capsule || PyCapsule_SetContext(capsule.get(), self_) != 0) return false;
  Py_INCREF(self_);
  PyRef run = PyRef::steal(PyCFunction_NewEx(&definition, capsule.get(), nullptr));
  if (!run) return false;
  member.greenlet = PyRef::steal(call_with_one(setup_.new_greenlet.get(), run.get()));
  if (!member.greenlet) return false;
  member.resume = PyRef::steal(PyObject_GetAttrString(member.greenlet.get(), "switch"));
  if (!member.resume) return false;
  members_.push_back(std::move(owned));
  parked_.push_back(&member);
  return true;
}

PyObject* GreenletTeam::run_member(PyObject* capsule, PyObject*) {
  auto& member = *static_cast<Member*>(PyCapsule_GetPointer(capsule, kCapsule));
  member.team.live(member);
  Py_RETURN_NONE;
}

// The life of a greenlet.
void GreenletTeam::live(Member& me) {
  while (me.runs) {
    me.runner.run();
    me.runs = false;
    --active_;
    forget_context(me);
    schedule();
    if (me.dismissed || told_ || parked_.size() >= kMostParked) break;
    parked_.push_back(&me);
    // What was meant for an earlier request may come now: nobody is switched to for nothing, but by us.
    while (!me.runs && !me.dismissed) {
      if (park()) continue;
      PyErr_Clear();
      break;
    }
    if (!me.runs) std::erase(parked_, &me);
  }
  me.over = someone_over_ = true;
}

// Each request begins with an empty context, as a fresh greenlet does.
void GreenletTeam::forget_context(Member& me) {
  if (PyObject_SetAttr(me.greenlet.get(), context_name_.get(), Py_None) != 0) PyErr_Clear();
}

// In the hub: those that are over have gone back to it.
void GreenletTeam::forget_finished() {
  if (!std::exchange(someone_over_, false)) return;
  std::erase_if(members_, [](const auto& member) { return member->over; });
}

// ---- a child that the application has forked: it has a copy of all greenlets

void GreenletTeam::forked() {
  forker_ = PyRef::steal(PyObject_CallObject(setup_.current.get(), nullptr));
  if (!forker_) PyErr_Clear();
}

void GreenletTeam::keep_out_of_child() {
  if (!forker_ || !on_its_thread()) return;
  PyRef current = PyRef::steal(PyObject_CallObject(setup_.current.get(), nullptr));
  if (!current) return PyErr_Clear();
  while (current.get() != forker_.get()) {
    if (!park()) PyErr_Clear();
  }
}

// ---- the end

void GreenletTeam::stop(const std::string& reason) {
  if (service_.end_reason.empty()) service_.end_reason = reason;
  if (!std::exchange(said_, true)) service_.host.ending(service_.end_reason);
  schedule();
}

void GreenletTeam::end_if_drained() {
  if (service_.end_reason.empty() || active_ > 0 || std::exchange(told_, true)) return;
  dismiss_parked();
  PyRef text = PyRef::steal(PyUnicode_FromString(service_.end_reason.c_str()));
  PyRef told = text ? PyRef::steal(call_with_one(setup_.drained.get(), text.get())) : PyRef();
  if (!told) PyErr_WriteUnraisable(setup_.drained.get());
}

// What the application keeps for each of them, such as connections, is closed before the process ends.
void GreenletTeam::dismiss_parked() {
  in_turn_ = true;
  while (!parked_.empty()) {
    Member* member = parked_.back();
    parked_.pop_back();
    member->dismissed = true;
    switch_to(member->resume.get());
  }
  in_turn_ = false;
  forget_finished();
}

}  // namespace cutwater::python

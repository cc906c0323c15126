// GreenletTeam: waits in the middle of a request. A greenlet that waits for its front is parked until a turn finds what
// it waits for. Frames go to the request they belong to, whoever receives them.
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "python/calls.h"
#include "python/greenlet_team.h"

namespace cutwater::python {
namespace {

// The link remembers only the last send that found no room: others look again so soon.
constexpr int kRoomPollMilliseconds = 2;

}  // namespace

bool GreenletTeam::on_its_thread() const {
  return PyThread_get_thread_ident() == thread_;
}

GreenletTeam::Woken GreenletTeam::for_frame(RequestChannel& channel, uint32_t front, For what, int milliseconds) {
  if (!link_->attached()) return Woken::kByLink;
  if (gone_.at(front)) return Woken::kFrontGone;
  if (!on_its_thread()) {  // a real thread of the application: the hub's turns go on beside it
    GilRelease released;
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
    return Woken::kByLink;
  }
  if (what == For::kRoom) {
    // The front must know, also when this is between turns; what is there already ends the wait.
    if (!link_->prepare_to_wait()) return Woken::kByLink;
    milliseconds = std::min(milliseconds, kRoomPollMilliseconds);
  }
  auto waiting = std::make_unique<Waiting>();
  waiting->channel = &channel;
  waiting->front = front;
  waiting->what = what;
  waiting->due = milliseconds < 0 ? base::kNever : base::monotonic_now() + std::chrono::milliseconds(milliseconds);
  return park_until_woken(std::move(waiting));
}

GreenletTeam::Woken GreenletTeam::park_until_woken(std::unique_ptr<Waiting> waiting) {
  waiting->greenlet = PyRef::steal(PyObject_CallObject(setup_.current.get(), nullptr));
  if (!waiting->greenlet) return Woken::kError;
  if (waiting->greenlet.get() == setup_.hub.get()) {
    PyErr_SetString(PyExc_RuntimeError, "a callback of the hub cannot wait for a request's client: use a greenlet");
    return Woken::kError;
  }
  waiting_.push_back(waiting.get());
  arm(waiting->due);
  const bool resumed = park();
  std::erase(waiting_, waiting.get());
  std::erase(woken_, waiting.get());
  if (!resumed) return Woken::kError;
  return gone_.at(waiting->front) ? Woken::kFrontGone : Woken::kByLink;
}

// As long as somebody else is inside the channel: the running greenlet waits beside him.
bool GreenletTeam::let_out(RequestChannel& channel) {
  if (!on_its_thread() || !link_->attached()) return false;
  mark_all([&](const Waiting& waiting) { return waiting.channel == &channel; });
  schedule();
  auto waiting = std::make_unique<Waiting>();
  waiting->channel = nullptr;
  waiting->front = 0;
  waiting->what = For::kFrame;
  waiting->due = base::monotonic_now() + std::chrono::milliseconds(1);
  if (park_until_woken(std::move(waiting)) != Woken::kError) return true;
  PyErr_Clear();
  return false;
}

// ---- waking

void GreenletTeam::mark(Waiting& waiting) {
  if (!std::exchange(waiting.woken, true)) woken_.push_back(&waiting);
}

// Those that are marked meanwhile come in the next turn.
void GreenletTeam::resume_woken() {
  for (size_t count = woken_.size(); count > 0 && !woken_.empty(); --count) {
    Waiting* waiting = woken_.front();
    woken_.pop_front();
    PyRef resume = PyRef::steal(PyObject_GetAttrString(waiting->greenlet.get(), "switch"));
    if (resume)
      switch_to(resume.get());
    else
      PyErr_Clear();
  }
}

void GreenletTeam::take_frames_in() {
  while (auto frame = link_->receive()) of_another(*frame);
}

void GreenletTeam::of_another(const link::DownFrame& frame) {
  for (auto& member : members_) {
    RequestChannel& channel = member->runner.channel();
    if (!channel.take_in(frame)) continue;
    mark_all([&](const Waiting& waiting) { return waiting.channel == &channel; });
    if (woken_.empty()) return;
    if (on_its_thread()) return schedule();
    const uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(link_->wake_descriptor(), &one, sizeof one);
    return;
  }
}

void GreenletTeam::arm(base::Instant due) {
  if (due >= armed_) return;
  armed_ = due;
  const std::chrono::duration<double> left = due - base::monotonic_now();
  call_again(std::max(left.count(), 0.0), tick_.get());
}

void GreenletTeam::tick() {
  if (!link_->attached()) return;
  armed_ = base::kNever;
  const base::Instant now = base::monotonic_now();
  base::Instant next = base::kNever;
  for (Waiting* waiting : waiting_) {
    if (waiting->due <= now)
      mark(*waiting);
    else
      next = std::min(next, waiting->due);
  }
  if (next != base::kNever) arm(next);
  if (!woken_.empty()) turn();
}

std::vector<int> GreenletTeam::look_at_sockets() {
  std::vector<int> ended;
  if (!link_->attached()) return turn(), ended;
  link::Claim nobody;
  nobody.slot = link::kNoSlot;
  for (nobody.front = 0; nobody.front < fronts_; ++nobody.front) {
    link_->receive_body_descriptor(nobody);
    pollfd entry{link_->lane_socket(nobody.front), 0, 0};
    if (::poll(&entry, 1, 0) <= 0 || (entry.revents & (POLLHUP | POLLERR)) == 0) continue;
    ended.push_back(entry.fd);
    gone_.at(nobody.front) = true;
  }
  link_->check_fronts();
  mark_all([&](const Waiting& waiting) { return waiting.what == For::kDescriptor || gone_.at(waiting.front); });
  turn();
  return ended;
}

}  // namespace cutwater::python

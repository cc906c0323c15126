// ThreadTeam: who sleeps, on what. One thread at most polls the lane's eventfd: the lookout. The leader is it while it
// is idle. When all threads run requests, it is one that waits in the middle of one. Frames go to the request they
// belong to, whoever receives them.
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "python/gil_wait.h"
#include "python/thread_team.h"

namespace cutwater::python {
namespace {

constexpr short kGone = POLLERR | POLLHUP | POLLNVAL;
// Of what nobody announces while another thread is the lookout: room in a ring, a descriptor that another took out of
// the socket beside its own. Both come at once when the front is well.
constexpr int kShortPollMilliseconds = 2;

constexpr const char* kClosed = "the worker's own descriptors are closed: did the application close them?";

}  // namespace

void ThreadTeam::broken_by_closing() {
  PyErr_SetString(PyExc_OSError, kClosed);
  broken();
}

void ThreadTeam::of_another(const link::DownFrame& frame) {
  for (auto& member : members_) {
    RequestChannel& channel = member->runner.channel();
    if (!channel.take_in(frame)) continue;
    for (Sleeper* sleeper : sitting_) {
      if (sleeper->channel == &channel) sleeper->wake();
    }
    return;
  }
}

void ThreadTeam::take_frames_in() {
  while (auto frame = link_.receive()) of_another(*frame);
}

ThreadTeam::Woken ThreadTeam::sleep(std::vector<pollfd>& entries, int milliseconds) {
  int ready = 0;
  int error = 0;
  without_gil([&] {
    ready = ::poll(entries.data(), entries.size(), milliseconds);
    error = errno;
  });
  if (ready < 0 && error != EINTR) {
    errno = error;
    PyErr_SetFromErrno(PyExc_OSError);
    return Woken::kError;
  }
  if (ready > 0 && (entries.front().revents & kGone) != 0) {
    PyErr_SetString(PyExc_OSError, kClosed);
    return Woken::kError;
  }
  return Woken::kByLink;
}

// ---- the leader and those on the stack

void ThreadTeam::sleep_as_leader(Member& me) {
  Sleeper* before = std::exchange(lookout_, &me.sleeper);
  if (before != nullptr) before->wake();  // it waits in the middle of a request: from now on for its own kick
  Woken woken = Woken::kByLink;
  if (link_.prepare_to_sleep()) {
    // A stale descriptor may lie on a lane socket: only its end is of interest here.
    std::vector<pollfd> entries{{link_.wake_descriptor(), POLLIN, 0}, {me.sleeper.kick.get(), POLLIN, 0}};
    for (uint32_t front = 0; front < fronts_; ++front) entries.push_back({link_.lane_socket(front), 0, 0});
    woken = sleep(entries, -1);
    for (size_t index = 2; index < entries.size(); ++index) {
      if ((entries.at(index).revents & kGone) != 0) link_.check_fronts();
    }
  }
  link_.awake();
  lookout_ = nullptr;
  me.sleeper.clear();
  if (woken == Woken::kError) broken();
}

// Returns how long the GIL let it wait then.
base::Duration ThreadTeam::sleep_until_called(Member& me) {
  pollfd entry{me.sleeper.kick.get(), POLLIN, 0};
  int ready = 0;
  const base::Duration waited = without_gil([&] { ready = ::poll(&entry, 1, -1); });
  me.sleeper.clear();
  me.called.store(false);
  if (ready > 0 && (entry.revents & kGone) != 0) broken_by_closing();
  return waited;
}

// ---- in the middle of a request

// May be called by any thread, also one of the application's own that reads or writes for its request.
ThreadTeam::Woken ThreadTeam::for_frame(RequestChannel& channel, uint32_t front, For what, int milliseconds) {
  if (!link_.attached()) return Woken::kByLink;
  std::unique_ptr<Sleeper> sleeper = take_sleeper();
  sleeper->channel = &channel;
  sitting_.push_back(sleeper.get());  // before the GIL may be given up: no frame is missed
  if (leader_ != nullptr && &leader_->runner.channel() == &channel) hand_over();
  const bool looks_out = leader_ == nullptr && lookout_ == nullptr;
  const Woken woken = looks_out ? look_out(*sleeper, front, what, milliseconds)
                                : sit(*sleeper, front, what, sleeper->kick.valid() ? milliseconds : 1);
  std::erase(sitting_, sleeper.get());
  sleeper->clear();
  // The application may have closed its descriptor: no other wait shall meet it.
  if (woken != Woken::kError) spare_sleepers_.push_back(std::move(sleeper));
  if (looks_out) pass_lookout();
  return woken;
}

ThreadTeam::Woken ThreadTeam::look_out(Sleeper& sleeper, uint32_t front, For what, int milliseconds) {
  lookout_ = &sleeper;
  Woken woken = Woken::kByLink;
  if (link_.prepare_to_wait()) {
    std::vector<pollfd> entries{
        {link_.wake_descriptor(), POLLIN, 0},
        {sleeper.kick.get(), POLLIN, 0},
        {link_.lane_socket(front), static_cast<short>(what == For::kDescriptor ? POLLIN : 0), 0}};
    woken = sleep(entries, milliseconds);
    if (woken == Woken::kByLink && (entries.at(2).revents & kGone) != 0) woken = Woken::kFrontGone;
  }
  // The leader may have become the lookout meanwhile: then the announcement is its own.
  if (lookout_ != &sleeper) return woken;
  link_.awake();
  lookout_ = nullptr;
  return woken;
}

ThreadTeam::Woken ThreadTeam::sit(Sleeper& sleeper, uint32_t front, For what, int milliseconds) {
  if (what != For::kFrame) milliseconds = std::min(milliseconds, kShortPollMilliseconds);
  std::vector<pollfd> entries{{sleeper.kick.get(), POLLIN, 0},
                              {link_.lane_socket(front), static_cast<short>(what == For::kDescriptor ? POLLIN : 0), 0}};
  const Woken woken = sleep(entries, milliseconds);
  if (woken == Woken::kByLink && (entries.at(1).revents & kGone) != 0) return Woken::kFrontGone;
  return woken;
}

// Nobody looks out any more: somebody who waits takes the place when it is woken.
void ThreadTeam::pass_lookout() {
  if (lookout_ == nullptr && leader_ == nullptr && !sitting_.empty()) sitting_.front()->wake();
}

std::unique_ptr<ThreadTeam::Sleeper> ThreadTeam::take_sleeper() {
  if (spare_sleepers_.empty()) {
    auto sleeper = std::make_unique<Sleeper>();
    sleeper->make();
    return sleeper;
  }
  std::unique_ptr<Sleeper> sleeper = std::move(spare_sleepers_.back());
  spare_sleepers_.pop_back();
  if (!sleeper->kick.valid()) sleeper->make();
  return sleeper;
}

}  // namespace cutwater::python

#include "supervise/lanes.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>

#include "control/messages.h"
#include "io/wake.h"

namespace cutwater::supervise {

Lanes::Lanes(Fronts& fronts, std::string app, uint64_t generation, unsigned count)
    : fronts_(fronts), app_(std::move(app)), generation_(generation), lanes_(count) {
  for (unsigned index = count; index > 0; --index) free_.push_back(index - 1);
}

std::optional<Lanes::Offer> Lanes::take(base::Error& error) {
  error = {};
  if (free_.empty()) return std::nullopt;
  const unsigned index = free_.back();
  base::Result<Offer> offer = open(index);
  if (!offer) {
    lanes_[index] = Lane();
    error = offer.error();
    return std::nullopt;
  }
  free_.pop_back();
  return std::move(*offer);
}

base::Result<Lanes::Offer> Lanes::open(unsigned index) {
  Lane& lane = lanes_[index];
  auto wake = io::create_wake_descriptor();
  if (!wake) return wake.error();
  lane.wake = std::move(*wake);
  lane.awaited.assign(fronts_.count(), false);
  Offer offer;
  for (unsigned front = 0; front < fronts_.count(); ++front) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
      return base::system_error("cannot make a lane socket");
    }
    lane.front_sockets.emplace_back(ends[0]);
    offer.lane_sockets.emplace_back(ends[1]);
  }
  lane.taken = true;
  offer.lane = index;
  offer.wake = lane.wake.get();
  return offer;
}

bool Lanes::announce(unsigned index, pid_t pid, int pidfd) {
  Lane& lane = lanes_.at(index);
  lane.pid = pid;
  lane.pidfd.reset(fcntl(pidfd, F_DUPFD_CLOEXEC, 0));
  for (unsigned front = 0; front < fronts_.count(); ++front) tell(front, index);
  return lane.pidfd.valid();
}

void Lanes::tell(unsigned front, unsigned index) {
  Lane& lane = lanes_[index];
  if (!fronts_.running(front) || !lane.pidfd.valid()) return;
  lane.awaited[front] = true;
  const control::WorkerStarted message{app_, generation_, index, lane.pid};
  fronts_.send(front, control::encode(message), {lane.wake.get(), lane.front_sockets[front].get(), lane.pidfd.get()});
}

void Lanes::retire(unsigned index) {
  fronts_.broadcast(control::encode(control::RetireWorker{app_, generation_, index}));
}

void Lanes::worker_gone(unsigned index) {
  lanes_.at(index).worker_gone = true;
  free_if_over(index);
}

bool Lanes::front_freed(unsigned front, unsigned index) {
  if (index >= lanes_.size() || front >= fronts_.count()) return false;
  Lane& lane = lanes_[index];
  if (!lane.taken || !lane.awaited[front]) return false;
  lane.awaited[front] = false;
  free_if_over(index);
  return true;
}

void Lanes::introduce(unsigned front) {
  for (unsigned index = 0; index < lanes_.size(); ++index) {
    Lane& lane = lanes_[index];
    if (!lane.taken) continue;
    // What ended after the front's predecessor had freed it needs no second freeing.
    if (!lane.worker_gone || lane.awaited[front]) tell(front, index);
  }
}

void Lanes::forget_front(unsigned front) {
  for (unsigned index = 0; index < lanes_.size(); ++index) {
    if (!lanes_[index].taken) continue;
    lanes_[index].awaited[front] = false;
    free_if_over(index);
  }
}

void Lanes::free_if_over(unsigned index) {
  Lane& lane = lanes_[index];
  const bool awaited = std::find(lane.awaited.begin(), lane.awaited.end(), true) != lane.awaited.end();
  if (!lane.taken || !lane.worker_gone || awaited) return;
  lane = Lane();
  free_.push_back(index);
}

void Lanes::check_invariants() const {
  size_t taken = 0;
  for (const Lane& lane : lanes_) {
    if (!lane.taken) {
      if (lane.wake.valid() || lane.pidfd.valid() || !lane.front_sockets.empty()) std::abort();
      continue;
    }
    ++taken;
    if (!lane.wake.valid() || lane.front_sockets.size() != fronts_.count()) std::abort();
  }
  if (taken + free_.size() != lanes_.size()) std::abort();
  for (unsigned index : free_) {
    if (lanes_[index].taken) std::abort();
  }
}

}  // namespace cutwater::supervise

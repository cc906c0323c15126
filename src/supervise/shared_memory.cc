#include "supervise/shared_memory.h"

#include "io/wake.h"

namespace cutwater::supervise {

base::Result<SharedMemory> SharedMemory::make(const World& world, unsigned lanes, unsigned requests) {
  SharedMemory memory;
  auto segment = world.create_segment(world.fronts.count(), lanes, requests);
  if (!segment) return base::Error{"no shared memory: " + segment.error().message};
  memory.segment_ = std::move(*segment);
  for (unsigned front = 0; front < world.fronts.count(); ++front) {
    auto wake = io::create_wake_descriptor();
    auto alarm = io::create_alarm_descriptor();
    if (!wake || !alarm) return base::Error{"no wake-up: " + (wake ? alarm : wake).error().message};
    memory.wakes_.push_back(std::move(*wake));
    memory.alarms_.push_back(std::move(*alarm));
  }
  return memory;
}

base::Result<void> SharedMemory::check(const World& world) const {
  return world.check_segment ? world.check_segment(segment_.get()) : base::Result<void>();
}

std::vector<int> SharedMemory::for_front(unsigned front) const {
  return {segment_.get(), wakes_[front].get(), alarms_[front].get()};
}

std::vector<int> SharedMemory::for_forked_worker(const Lanes::Offer& offer, int channel) const {
  std::vector<int> descriptors{segment_.get(), offer.wake, channel};
  add_fronts(descriptors, offer);
  return descriptors;
}

std::vector<int> SharedMemory::for_lone_worker(const Lanes::Offer& offer) const {
  std::vector<int> descriptors{segment_.get(), offer.wake};
  add_fronts(descriptors, offer);
  return descriptors;
}

void SharedMemory::add_fronts(std::vector<int>& descriptors, const Lanes::Offer& offer) const {
  for (size_t front = 0; front < wakes_.size(); ++front) {
    descriptors.push_back(wakes_[front].get());
    descriptors.push_back(alarms_[front].get());
    descriptors.push_back(offer.lane_sockets[front].get());
  }
}

}  // namespace cutwater::supervise

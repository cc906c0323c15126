// SharedMemory: what the fronts and workers of a generation share: its segment and, for each front, the
// descriptors that wake it.
#pragma once

#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "supervise/app_spec.h"
#include "supervise/lanes.h"

namespace cutwater::supervise {

class SharedMemory {
 public:
  // `requests`: how many all workers run at once.
  static base::Result<SharedMemory> make(const World& world, unsigned lanes, unsigned requests);

  // Whether workers can still be attached to it.
  base::Result<void> check(const World& world) const;
  // The descriptors of a `generation`, a `fork` and an `attach` message in their order (docs/processes.md); all lent.
  std::vector<int> for_front(unsigned front) const;
  std::vector<int> for_forked_worker(const Lanes::Offer& offer, int channel) const;
  std::vector<int> for_lone_worker(const Lanes::Offer& offer) const;

 private:
  SharedMemory() = default;
  void add_fronts(std::vector<int>& descriptors, const Lanes::Offer& offer) const;

  base::FileDescriptor segment_;
  std::vector<base::FileDescriptor> wakes_;   // eventfds, one for each front
  std::vector<base::FileDescriptor> alarms_;  // timerfds, one for each front
};

}  // namespace cutwater::supervise

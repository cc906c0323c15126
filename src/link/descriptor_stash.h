// DescriptorStash: the descriptors that came on a lane socket before anybody asked for them. Bounded: a
// sender that floods it loses its oldest.
#pragma once

#include <deque>
#include <utility>

#include "base/file_descriptor.h"
#include "link/lane_socket.h"

namespace cutwater::link {

class DescriptorStash {
 public:
  // The descriptor that came for this use of the slot under this id; not valid when it is not there (yet).
  base::FileDescriptor take(int socket, uint32_t slot, uint32_t generation, uint32_t id) {
    for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
      if (!is(*kept, slot, generation, id)) continue;
      base::FileDescriptor file = std::move(kept->file);
      kept_.erase(kept);
      return file;
    }
    // A peer that sends without end must not hold us here.
    for (size_t count = 0; count < kMostKept && !ended_; ++count) {
      std::optional<LaneDescriptor> came = receive_lane_descriptor(socket, ended_);
      if (!came) break;
      if (!came->file.valid()) continue;
      if (is(*came, slot, generation, id)) return std::move(came->file);
      if (kept_.size() == kMostKept) kept_.pop_front();
      kept_.push_back(std::move(*came));
    }
    return {};
  }
  // What belongs to a request that is over will never be asked for.
  void forget(uint32_t slot, uint32_t generation) {
    std::erase_if(kept_,
                  [&](const LaneDescriptor& kept) { return kept.slot == slot && kept.generation == generation; });
  }
  bool ended() const { return ended_; }
  bool empty() const { return kept_.empty(); }

 private:
  static constexpr size_t kMostKept = 64;
  static bool is(const LaneDescriptor& kept, uint32_t slot, uint32_t generation, uint32_t id) {
    return kept.slot == slot && kept.generation == generation && kept.id == id;
  }
  std::deque<LaneDescriptor> kept_;
  bool ended_ = false;
};

}  // namespace cutwater::link

// DescriptorStash: the descriptors that came on a lane socket before anybody asked for them. Bounded: a
// sender that floods it loses its oldest.
#pragma once

#include <deque>
#include <utility>

#include "base/file_descriptor.h"
#include "link/descriptor_message.h"

namespace cutwater::link {

class DescriptorStash {
 public:
  // The descriptor that came with exactly this message; not valid when it is not there (yet).
  base::FileDescriptor take(int socket, const DescriptorMessage& wanted) {
    for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
      if (kept->first != wanted) continue;
      base::FileDescriptor descriptor = std::move(kept->second);
      kept_.erase(kept);
      return descriptor;
    }
    // A peer that sends without end must not hold us here.
    for (size_t count = 0; count < kMostKept && !ended_; ++count) {
      DescriptorMessage message;
      base::FileDescriptor descriptor;
      ReceiveStatus status = receive_descriptor(socket, message, descriptor);
      if (status == ReceiveStatus::kNothing) break;
      ended_ = status == ReceiveStatus::kEnded;
      if (!descriptor.valid()) continue;
      if (message == wanted) return descriptor;
      keep(message, std::move(descriptor));
    }
    return {};
  }
  // What belongs to a request that is over will never be asked for.
  void forget(uint32_t slot, uint32_t generation) {
    std::erase_if(kept_, [&](const auto& kept) {
      return kept.first.slot == slot && kept.first.generation == generation;
    });
  }
  bool ended() const { return ended_; }
  bool empty() const { return kept_.empty(); }

 private:
  static constexpr size_t kMostKept = 64;
  void keep(const DescriptorMessage& message, base::FileDescriptor descriptor) {
    if (kept_.size() == kMostKept) kept_.pop_front();
    kept_.emplace_back(message, std::move(descriptor));
  }
  std::deque<std::pair<DescriptorMessage, base::FileDescriptor>> kept_;
  bool ended_ = false;
};

}  // namespace cutwater::link

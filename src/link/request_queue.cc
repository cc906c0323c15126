#include "link/request_queue.h"

namespace cutwater::link {

bool find_queued(const SegmentMap& map, uint32_t front, uint64_t tail, QueuedEntry& found) {
  std::atomic<uint64_t>& shared_head = map.queue(front).head.value;
  uint64_t head = shared_head.load(std::memory_order_acquire);
  for (uint32_t step = 0; step <= 2 * map.index_entries() && head < tail; ++step) {
    if (tail - head > map.index_entries()) {
      uint64_t oldest = tail - map.index_entries();
      if (shared_head.compare_exchange_strong(head, oldest)) head = oldest;
      continue;
    }
    uint32_t slot = map.index_entry(front, head).load(std::memory_order_acquire);
    if (slot < map.layout().slots) {
      uint64_t word = map.slot_control(front, slot).word.load(std::memory_order_acquire);
      if (word_state(word) == SlotWordState::kQueued) {
        found = {head, slot, word};
        return true;
      }
    }
    if (shared_head.compare_exchange_strong(head, head + 1)) ++head;
  }
  return false;
}

void pass_entry(const SegmentMap& map, uint32_t front, uint64_t position) {
  map.queue(front).head.value.compare_exchange_strong(position, position + 1);
}

}  // namespace cutwater::link

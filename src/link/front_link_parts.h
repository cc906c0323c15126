// What FrontLink is made of: front_link.cc has its requests and their queue, front_link_lanes.cc what goes to the
// workers and comes from them. For these two alone.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "link/front_lane.h"
#include "link/front_link.h"
#include "link/request_queue.h"
#include "link/slot_store.h"
#include "link/slot_word.h"

namespace cutwater::link {

constexpr uint64_t lane_bit(uint32_t lane) {
  return uint64_t{1} << lane;
}

struct FrontLink::Impl {
  Impl(Segment mapped, uint32_t front_index, UpReceiver& up_receiver);

  bool valid(Ticket ticket) const;
  void publish(uint32_t slot);
  void mend_head();
  bool ring_has_room();
  void turn_ring();
  bool note_claimer(uint32_t slot, SlotUse& use);
  void note_claim_time(uint32_t slot, SlotUse& use) const;
  void free(uint32_t slot, SlotWordState resting_state);

  bool drain_lane(uint32_t index, int limit);
  void handle(uint32_t lane, FrameHeader frame, std::string_view payload);
  void break_lane(uint32_t lane, std::string_view why);
  bool send(uint32_t lane, DownKind kind, Ticket ticket, uint32_t value, std::string_view payload);

  void wake_lanes();
  bool wake_one_idle();
  void requeue_skipped();
  std::vector<uint32_t> claimed_by(uint32_t lane);

  Segment segment;
  SegmentMap map;
  uint32_t front;
  UpReceiver& receiver;
  QueueControl& queue;
  SlotStore slots;
  std::vector<FrontLane> lanes;
  uint64_t attached = 0;      // bit per lane
  uint64_t dirty = 0;         // lanes that got frames since the last wake_workers()
  uint64_t roomy = 0;         // lanes that got room in their up ring since then
  uint64_t tail = 0;          // ours; the shared one is for the workers
  uint32_t first_choice = 0;  // the lane that is woken next, if it sleeps
  bool in_turns = false;
  uint32_t pending_wakes = 0;  // requests queued since the last wake_workers()
  uint64_t head_at_last_tick = ~uint64_t{0};
};

}  // namespace cutwater::link

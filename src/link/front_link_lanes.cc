#include <bit>

#include "link/front_link_parts.h"
#include "link/lane_socket.h"
#include "link/up_frame_check.h"

namespace cutwater::link {
namespace {

constexpr int kFramesPerLane = 64;  // handed over in one drain(), so that one lane cannot hold up the others

}  // namespace

void FrontLink::attach_lane(uint32_t lane, base::FileDescriptor wake, base::FileDescriptor socket) {
  impl_->lanes[lane].attach(std::move(wake), std::move(socket));
  impl_->attached |= lane_bit(lane);
  impl_->dirty |= lane_bit(lane);
  // It may have gone to sleep before anybody could wake it, or a dead front took its announcement and wrote
  // nothing.
  impl_->lanes[lane].wake();
}

bool FrontLink::lane_attached(uint32_t lane) const {
  return impl_->lanes[lane].attached();
}
int FrontLink::lane_socket(uint32_t lane) const {
  return impl_->lanes[lane].socket();
}

std::vector<Ticket> FrontLink::lane_died(uint32_t lane) {
  FrontLane& dead = impl_->lanes[lane];
  impl_->attached &= ~lane_bit(lane);
  while (!dead.broken() && impl_->drain_lane(lane, kFramesPerLane)) {
  }
  std::vector<Ticket> lost;
  for (uint32_t slot : impl_->claimed_by(lane)) {
    const SlotUse& use = impl_->slots.use(slot);
    if (use.kind == SlotUse::kInUse && !use.ended) lost.push_back({slot, use.generation});
    impl_->free(slot, SlotWordState::kFree);
  }
  impl_->dirty &= ~lane_bit(lane);
  impl_->roomy &= ~lane_bit(lane);
  impl_->map.sleep_board().idle.value.fetch_and(~lane_bit(lane), std::memory_order_seq_cst);
  dead.reset();
  ++impl_->pending_wakes;  // the dead one may have taken a wake-up with it
  wake_workers();
  return lost;
}

bool FrontLink::Impl::send(uint32_t lane, DownKind kind, Ticket ticket, uint32_t value, std::string_view payload) {
  FrameHeader frame{.kind = static_cast<uint16_t>(kind),
                    .slot = static_cast<uint16_t>(ticket.slot),
                    .generation = ticket.generation,
                    .length = static_cast<uint32_t>(payload.size()),
                    .value = value};
  dirty |= lane_bit(lane);
  return lanes[lane].send(frame, payload);
}

bool FrontLink::send_down(uint32_t lane, DownKind kind, Ticket ticket, uint32_t value, std::string_view payload) {
  if (payload.size() > maximum_down_payload()) return false;
  if (!impl_->valid(ticket)) return true;  // over already: nobody is left to be told
  return impl_->send(lane, kind, ticket, value, payload);
}

uint32_t FrontLink::maximum_down_payload() const {
  return maximum_payload(impl_->map.layout().down_ring_bytes);
}

void FrontLink::retire_lane(uint32_t lane) {
  impl_->lanes[lane].retiring = true;
  impl_->send(lane, DownKind::kRetire, {kNoSlot, 0}, 0, {});
  // Whether it announced a wait or only idleness: this is rare, so wake it in any case.
  impl_->lanes[lane].wake();
}

void FrontLink::probe_lane(uint32_t lane) {
  if (!impl_->lanes[lane].attached() || impl_->lanes[lane].unread()) return;
  impl_->send(lane, DownKind::kProbe, {kNoSlot, 0}, 0, {});
}

bool FrontLink::send_body_descriptor(uint32_t lane, Ticket ticket, int descriptor) {
  return send_lane_descriptor(impl_->lanes[lane].socket(), ticket.slot, ticket.generation, 0, descriptor);
}

base::FileDescriptor FrontLink::receive_file_descriptor(uint32_t lane, Ticket ticket, uint32_t id) {
  return impl_->lanes[lane].receive_file(ticket.slot, ticket.generation, id);
}

bool FrontLink::drain() {
  bool any = false;
  for (uint64_t rest = impl_->attached; rest != 0; rest &= rest - 1) {
    auto lane = static_cast<uint32_t>(std::countr_zero(rest));
    any |= impl_->drain_lane(lane, kFramesPerLane);
    if (impl_->lanes[lane].room_came()) impl_->receiver.on_room(lane);
    // Also when there was room for what was kept, but not for what was refused.
    if (impl_->lanes[lane].take_news()) impl_->dirty |= lane_bit(lane);
  }
  return any;
}

bool FrontLink::Impl::drain_lane(uint32_t index, int limit) {
  FrontLane& lane = lanes[index];
  if (lane.broken()) {
    break_lane(index, "its position in the down ring is damaged");
    return false;
  }
  FrameHeader frame;
  std::string_view payload;
  int count = 0;
  for (; count < limit && !lane.broken(); ++count) {
    RingReader::Status status = lane.up().next(frame, payload);
    if (status == RingReader::kBroken) break_lane(index, "its ring is damaged");
    if (status != RingReader::kFrame) break;
    handle(index, frame, payload);
  }
  if (!lane.broken() && lane.up().publish()) roomy |= lane_bit(index);
  return count > 0;
}

void FrontLink::Impl::handle(uint32_t lane, FrameHeader frame, std::string_view payload) {
  if (frame.slot >= map.layout().slots) return break_lane(lane, "it named a slot that does not exist");
  if (frame.slot >= slots.known()) return;  // never used: the frame answers nothing
  SlotUse& use = slots.use(frame.slot);
  // Late frames of an earlier use are nobody's any more.
  if (use.kind == SlotUse::kFree || use.generation != frame.generation) return;
  if (!note_claimer(frame.slot, use) || use.lane != lane)
    return break_lane(lane, "it answered a request that it has not claimed");
  UpVerdict verdict = check_up_frame(frame, use);
  if (verdict.broken != nullptr) return break_lane(lane, verdict.broken);
  if (verdict.deliver && use.kind == SlotUse::kInUse)
    receiver.on_frame(lane, {frame.slot, frame.generation}, frame, payload);
  if (verdict.frees) free(frame.slot, SlotWordState::kFree);
}

void FrontLink::Impl::break_lane(uint32_t lane, std::string_view why) {
  bool report = (attached & lane_bit(lane)) != 0;  // not of one that is dead anyway
  attached &= ~lane_bit(lane);
  lanes[lane].close();
  if (report) receiver.on_broken_lane(lane, why);
}

void FrontLink::Impl::wake_lanes() {
  for (; dirty != 0; dirty &= dirty - 1) {
    auto lane = static_cast<uint32_t>(std::countr_zero(dirty));
    lanes[lane].flush();
    lanes[lane].wake_if_waiting();
  }
  for (; roomy != 0; roomy &= roomy - 1) lanes[static_cast<size_t>(std::countr_zero(roomy))].wake_if_wanting_room();
}

// Lower lanes first, so that the same few workers stay warm; or in turns, from `first_choice` on.
bool FrontLink::Impl::wake_one_idle() {
  std::atomic<uint64_t>& idle = map.sleep_board().idle.value;
  for (;;) {
    uint64_t sleeping = idle.load(std::memory_order_seq_cst) & attached;
    for (uint64_t rest = sleeping; rest != 0; rest &= rest - 1) {
      if (lanes[static_cast<size_t>(std::countr_zero(rest))].retiring) sleeping &= ~(rest & -rest);
    }
    if (sleeping == 0) return false;
    const uint64_t ahead = sleeping & (~uint64_t{0} << first_choice);
    auto lane = static_cast<uint32_t>(std::countr_zero(ahead != 0 ? ahead : sleeping));
    // Another front may have taken it in this moment.
    if ((idle.fetch_and(~lane_bit(lane), std::memory_order_seq_cst) & lane_bit(lane)) == 0) continue;
    if (in_turns) first_choice = (lane + 1) % 64;
    // Every sleeper also waits. One that does not any more was given a wake-up for its frames, and will claim
    // too.
    lanes[lane].wake_if_waiting();
    return true;
  }
}

void FrontLink::wake_in_turns() {
  impl_->in_turns = true;
}

void FrontLink::wake_workers() {
  impl_->wake_lanes();
  // The first one woken may have run at once and taken all: look again before each (else 0.85 empty wakes a
  // request).
  QueuedEntry entry;
  for (; impl_->pending_wakes > 0; --impl_->pending_wakes)
    if (!find_queued(impl_->map, impl_->front, impl_->tail, entry) || !impl_->wake_one_idle()) break;
  impl_->pending_wakes = 0;
}

bool FrontLink::wake_another() {
  QueuedEntry entry;
  return find_queued(impl_->map, impl_->front, impl_->tail, entry) && impl_->wake_one_idle();
}

bool FrontLink::owes_wakes() const {
  return (impl_->dirty | impl_->roomy) != 0 || impl_->pending_wakes != 0;
}

bool FrontLink::prepare_to_sleep() {
  if (owes_wakes()) wake_workers();
  impl_->queue.front_sleeps.value.store(1, std::memory_order_seq_cst);
  for (uint64_t rest = impl_->attached; rest != 0; rest &= rest - 1) {
    FrontLane& lane = impl_->lanes[static_cast<size_t>(std::countr_zero(rest))];
    if (!lane.up().pending()) continue;
    awake();
    return false;
  }
  return true;
}

void FrontLink::awake() {
  impl_->queue.front_sleeps.value.store(0, std::memory_order_relaxed);
}

std::optional<uint64_t> FrontLink::unread_from(uint32_t lane) const {
  const FrontLane& its = impl_->lanes.at(lane);
  if (!its.attached() || !its.unread()) return std::nullopt;
  return its.taken();
}

void FrontLink::tick() {
  if (!impl_->slots.unclaimed().empty()) impl_->requeue_skipped();
  for (uint64_t rest = impl_->attached; rest != 0; rest &= rest - 1) {
    auto lane = static_cast<uint32_t>(std::countr_zero(rest));
    impl_->lanes[lane].flush();
    if (impl_->lanes[lane].broken())
      impl_->drain_lane(lane, 0);  // says so to the receiver
    else if (impl_->lanes[lane].unread())
      impl_->lanes[lane].wake();
  }
  QueuedEntry entry;
  bool waiting = find_queued(impl_->map, impl_->front, impl_->tail, entry);
  if (waiting) ++impl_->pending_wakes;
  wake_workers();
  // Requests wait and none was taken since the last tick: all are busy, or the idle mask lies. Wake them all.
  uint64_t head = impl_->queue.head.value.load(std::memory_order_relaxed);
  if (waiting && head == impl_->head_at_last_tick)
    for (FrontLane& lane : impl_->lanes) lane.wake();
  impl_->head_at_last_tick = head;
}

}  // namespace cutwater::link

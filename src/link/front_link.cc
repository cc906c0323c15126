#include "link/front_link.h"

#include <bit>

#include "link/front_lane.h"
#include "link/lane_socket.h"
#include "link/request_queue.h"
#include "link/slot_store.h"
#include "link/up_frame_check.h"

namespace cutwater::link {
namespace {

constexpr int kFramesPerLane = 64;  // handed over in one drain(), so that one lane cannot hold up the others

constexpr uint64_t lane_bit(uint32_t lane) {
  return uint64_t{1} << lane;
}

}  // namespace

void UpReceiver::on_room(uint32_t) {}

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

// Positions of the predecessor are kept: workers may still look at them.
FrontLink::Impl::Impl(Segment mapped, uint32_t front_index, UpReceiver& up_receiver)
    : segment(std::move(mapped)),
      map(segment),
      front(front_index),
      receiver(up_receiver),
      queue(map.queue(front)),
      slots(map, front),
      tail(queue.tail.value.load(std::memory_order_relaxed)) {
  queue.load.value.store(0, std::memory_order_relaxed);
  lanes.reserve(map.layout().lanes);
  for (uint32_t lane = 0; lane < map.layout().lanes; ++lane) lanes.emplace_back(map, front, lane);
  queue.front_sleeps.value.store(0, std::memory_order_relaxed);
  queue.head.value.store(tail, std::memory_order_relaxed);  // nothing is queued any more
  for (uint32_t slot = 0; slot < slots.known(); ++slot) {
    const SlotUse& use = slots.use(slot);
    if (use.kind == SlotUse::kOrphan) send(use.lane, DownKind::kCancel, {slot, use.generation}, 0, {});
  }
}

bool FrontLink::Impl::valid(Ticket ticket) const {
  return ticket.slot < slots.known() && slots.use(ticket.slot).kind == SlotUse::kInUse &&
         slots.use(ticket.slot).generation == ticket.generation;
}

// Content first, then the word that makes it claimable, then the entry, then the tail that shows the entry.
void FrontLink::Impl::publish(uint32_t slot) {
  SlotUse& use = slots.use(slot);
  SlotControl& control = map.slot_control(front, slot);
  control.claimed_at.store(0, std::memory_order_relaxed);
  control.word.store(slot_word(use.generation, SlotWordState::kQueued), std::memory_order_release);
  use.position = tail;
  map.index_entry(front, tail).store(slot, std::memory_order_release);
  queue.tail.value.store(++tail, std::memory_order_seq_cst);
}

// Beyond the tail it can only be nonsense, and would hide every request.
void FrontLink::Impl::mend_head() {
  if (queue.head.value.load(std::memory_order_acquire) > tail) queue.head.value.store(tail, std::memory_order_seq_cst);
}

bool FrontLink::Impl::ring_has_room() {
  mend_head();
  if (tail - queue.head.value.load(std::memory_order_acquire) < map.index_entries()) return true;
  QueuedEntry oldest;
  find_queued(map, front, tail, oldest);  // moves the head past dead entries
  if (tail - queue.head.value.load(std::memory_order_acquire) < map.index_entries()) return true;
  turn_ring();
  return tail - queue.head.value.load(std::memory_order_acquire) < map.index_entries();
}

// Requests that were taken back leave dead entries behind the oldest one that still waits. One turn drops
// them: what is alive moves to the end, in its order. A worker that looks meanwhile finds an entry twice,
// which is harmless.
void FrontLink::Impl::turn_ring() {
  uint64_t end = tail;
  for (uint32_t step = 0; step < map.index_entries(); ++step) {
    QueuedEntry entry;
    if (!find_queued(map, front, end, entry)) return;
    pass_entry(map, front, entry.position);
    if (entry.slot >= slots.known() || slots.use(entry.slot).kind != SlotUse::kInUse ||
        slots.use(entry.slot).position != entry.position)
      continue;
    slots.use(entry.slot).position = tail;
    map.index_entry(front, tail).store(entry.slot, std::memory_order_release);
    queue.tail.value.store(++tail, std::memory_order_seq_cst);
  }
}

// True when a worker has claimed the slot; who is kept privately from then on.
bool FrontLink::Impl::note_claimer(uint32_t slot, SlotUse& use) {
  if (use.lane != kNoLane) return true;
  uint64_t word = map.slot_control(front, slot).word.load(std::memory_order_acquire);
  if (word_state(word) != SlotWordState::kClaimed || word_generation(word) != use.generation ||
      word_lane(word) >= map.layout().lanes)
    return false;
  slots.note_claimed(slot, word_lane(word));
  return true;
}

// Believed once: a worker cannot move its own deadline later.
void FrontLink::Impl::note_claim_time(uint32_t slot, SlotUse& use) const {
  if (use.claimed_at != 0) return;
  int64_t now = base::monotonic_now().nanoseconds;
  int64_t stamp = map.slot_control(front, slot).claimed_at.load(std::memory_order_acquire);
  use.claimed_at = stamp <= 0 || stamp > now ? now : stamp;
}

void FrontLink::Impl::free(uint32_t slot, SlotWordState resting_state) {
  SlotUse& use = slots.use(slot);
  map.slot_control(front, slot).word.store(slot_word(use.generation, resting_state), std::memory_order_release);
  if (use.lane != kNoLane) lanes[use.lane].forget_files(slot, use.generation);
  slots.free(slot);
}

FrontLink::FrontLink(Segment segment, uint32_t front_index, UpReceiver& receiver)
    : impl_(std::make_unique<Impl>(std::move(segment), front_index, receiver)) {}
FrontLink::~FrontLink() = default;

std::optional<Ticket> FrontLink::submit(const message::Request& request, RequestExtras extras, std::string_view body) {
  if (!impl_->ring_has_room()) return std::nullopt;
  std::optional<uint32_t> slot = impl_->slots.store(request, extras, body);
  if (!slot) return std::nullopt;
  impl_->publish(*slot);
  ++impl_->pending_wakes;
  return Ticket{*slot, impl_->slots.use(*slot).generation};
}

bool FrontLink::fits(const message::Request& request, const RequestExtras& extras) const {
  return encoded_size(request, extras) <= impl_->slots.maximum_record();
}

size_t FrontLink::maximum_body() const {
  return impl_->slots.maximum_body();
}

bool FrontLink::holds(Ticket ticket) const {
  return impl_->valid(ticket);
}

bool FrontLink::take_back(Ticket ticket) {
  if (!impl_->valid(ticket)) return false;
  SlotUse& use = impl_->slots.use(ticket.slot);
  if (use.lane != kNoLane) return false;
  uint64_t word = slot_word(ticket.generation, SlotWordState::kQueued);
  std::atomic<uint64_t>& shared = impl_->map.slot_control(impl_->front, ticket.slot).word;
  if (!shared.compare_exchange_strong(word, slot_word(ticket.generation, SlotWordState::kCancelled))) {
    if (impl_->note_claimer(ticket.slot, use)) return false;
    // Neither queued nor claimed: somebody wrote nonsense over the word. Nobody can have the request, then.
  }
  impl_->free(ticket.slot, SlotWordState::kCancelled);
  return true;
}

void FrontLink::forget_content(Ticket ticket) {
  if (impl_->valid(ticket)) impl_->slots.forget_content(ticket.slot);
}

SlotState FrontLink::state(Ticket ticket) const {
  if (!impl_->valid(ticket)) return {};
  SlotUse& use = impl_->slots.use(ticket.slot);
  if (!impl_->note_claimer(ticket.slot, use)) return {};
  impl_->note_claim_time(ticket.slot, use);
  return {SlotState::kClaimed, use.lane, base::Instant{use.claimed_at}};
}

bool FrontLink::has_room(size_t bytes) const {
  return impl_->slots.has_room(bytes) && impl_->ring_has_room();
}

uint32_t FrontLink::queued() const {
  uint64_t entries = impl_->tail - impl_->queue.head.value.load(std::memory_order_relaxed);
  return static_cast<uint32_t>(std::min<uint64_t>(entries, impl_->slots.unclaimed().size()));
}

uint32_t FrontLink::in_use() const {
  return impl_->slots.in_use();
}

void FrontLink::publish_load(uint32_t requests) {
  // The others look at it for every request: it is written only when it says something else, whoever made it do so.
  std::atomic<uint32_t>& load = impl_->queue.load.value;
  if (load.load(std::memory_order_relaxed) != requests) load.store(requests, std::memory_order_relaxed);
}

uint64_t FrontLink::load_of_others() const {
  uint64_t sum = 0;
  for (uint32_t front = 0; front < impl_->map.layout().fronts; ++front) {
    if (front != impl_->front) sum += impl_->map.queue(front).load.value.load(std::memory_order_relaxed);
  }
  return sum;
}

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

std::vector<uint32_t> FrontLink::Impl::claimed_by(uint32_t lane) {
  std::vector<uint32_t> claimed;
  for (uint32_t slot = 0; slot < slots.known(); ++slot) {
    SlotUse& use = slots.use(slot);
    if (use.kind != SlotUse::kFree && note_claimer(slot, use) && use.lane == lane) claimed.push_back(slot);
  }
  return claimed;
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

uint64_t FrontLink::line_start() const {
  return impl_->queue.head.value.load(std::memory_order_relaxed);
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

// A request that is queued by its word but lies behind the head can no longer be found: queue it once more.
void FrontLink::Impl::requeue_skipped() {
  mend_head();
  uint64_t head = queue.head.value.load(std::memory_order_acquire);
  for (uint16_t slot : slots.unclaimed()) {
    SlotUse& use = slots.use(slot);
    if (use.position >= head || !ring_has_room()) continue;
    uint64_t word = map.slot_control(front, slot).word.load(std::memory_order_acquire);
    if (word != slot_word(use.generation, SlotWordState::kQueued)) continue;
    use.position = tail;
    map.index_entry(front, tail).store(slot, std::memory_order_release);
    ++tail;
  }
  queue.tail.value.store(tail, std::memory_order_seq_cst);
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

#include "link/front_link.h"

#include <algorithm>

#include "link/front_link_parts.h"

namespace cutwater::link {

void UpReceiver::on_room(uint32_t) {}

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

std::vector<uint32_t> FrontLink::Impl::claimed_by(uint32_t lane) {
  std::vector<uint32_t> claimed;
  for (uint32_t slot = 0; slot < slots.known(); ++slot) {
    SlotUse& use = slots.use(slot);
    if (use.kind != SlotUse::kFree && note_claimer(slot, use) && use.lane == lane) claimed.push_back(slot);
  }
  return claimed;
}

uint64_t FrontLink::line_start() const {
  return impl_->queue.head.value.load(std::memory_order_relaxed);
}

}  // namespace cutwater::link

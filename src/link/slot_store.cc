#include "link/slot_store.h"

#include <sys/mman.h>

#include <cstring>
#include <span>

#include "link/slot_word.h"

namespace cutwater::link {
namespace {

constexpr uint32_t kHeaderBytes = sizeof(SlotHeader);

size_t align8(size_t value) {
  return (value + 7) & ~size_t{7};
}

}  // namespace

// Whatever a dead predecessor left in the slot words is the start: its queued requests are cancelled (their
// clients went with it), its claimed ones stay out of reach until their workers are through.
SlotStore::SlotStore(const SegmentMap& map, uint32_t front) : map_(map), front_(front) {
  uses_.reserve(map.layout().slots);  // costs address space, and memory only as far as slots are used
  std::vector<bool> chunk_taken(map.layout().chunks);
  // Looking at slot words makes them real memory: not of a segment that was never used.
  if (map.queue(front).tail.value.load(std::memory_order_relaxed) != 0) uses_.resize(map.layout().slots);
  for (uint32_t slot = 0; slot < uses_.size(); ++slot) take_over(slot, chunk_taken);
  for (uint32_t slot = known(); slot-- > 0;)
    if (uses_[slot].kind == SlotUse::kFree) free_slots_.push_back(slot);
  for (uint32_t chunk = map.layout().chunks; chunk-- > 0;)
    if (!chunk_taken[chunk]) free_chunks_.push_back(static_cast<uint16_t>(chunk));
}

void SlotStore::take_over(uint32_t slot, std::vector<bool>& chunk_taken) {
  SlotUse& use = uses_[slot];
  std::atomic<uint64_t>& shared = map_.slot_control(front_, slot).word;
  uint64_t word = shared.load(std::memory_order_acquire);
  while (word_state(word) == SlotWordState::kQueued &&
         !shared.compare_exchange_strong(word, slot_word(word_generation(word), SlotWordState::kCancelled))) {
  }
  use.generation = word_generation(word);
  if (word_state(word) != SlotWordState::kClaimed || word_lane(word) >= map_.layout().lanes) return;
  use.kind = SlotUse::kOrphan;
  use.lane = word_lane(word);
  SlotHeader header;
  std::memcpy(&header, map_.slot(front_, slot), sizeof header);
  auto keep_chunk = [&](uint16_t chunk) {
    if (chunk >= chunk_taken.size() || chunk_taken[chunk]) return;
    chunk_taken[chunk] = true;
    use.chunks[use.chunk_count++] = chunk;
  };
  if (header.record_chunk != SlotHeader::kNoChunk) keep_chunk(header.record_chunk);
  for (uint32_t index = 0; index < header.body_chunk_count && index < SlotHeader::kMaximumBodyChunks; ++index)
    keep_chunk(header.body_chunks[index]);
}

std::optional<SlotStore::Plan> SlotStore::plan(size_t record_bytes, size_t body_bytes) const {
  const Layout& layout = map_.layout();
  Plan plan{};
  plan.record_in_slot = record_bytes <= layout.slot_bytes - kHeaderBytes;
  if (record_bytes > maximum_record()) return std::nullopt;
  size_t offset = align8(kHeaderBytes + (plan.record_in_slot ? record_bytes : 0));
  plan.body_offset = static_cast<uint32_t>(offset);
  plan.body_inline = offset <= layout.slot_bytes && body_bytes <= layout.slot_bytes - offset;
  if (plan.body_inline) return plan;
  if (body_bytes > maximum_body()) return std::nullopt;
  plan.body_chunks = static_cast<uint32_t>((body_bytes + layout.chunk_bytes - 1) / layout.chunk_bytes);
  return plan;
}

// One chunk is left for the record, should it need one.
size_t SlotStore::maximum_body() const {
  const Layout& layout = map_.layout();
  uint32_t chunks = std::min(SlotHeader::kMaximumBodyChunks, layout.chunks > 1 ? layout.chunks - 1 : 1);
  return size_t{chunks} * layout.chunk_bytes;
}

size_t SlotStore::maximum_record() const {
  const Layout& layout = map_.layout();
  return std::max<size_t>(layout.slot_bytes - kHeaderBytes, layout.chunk_bytes);
}

bool SlotStore::has_room(size_t bytes) const {
  const Layout& layout = map_.layout();
  if (free_slots_.empty() && known() == layout.slots) return false;
  if (bytes <= layout.slot_bytes - kHeaderBytes - 8) return true;
  // Worst case: a record too long for the slot, and a body beside it.
  return (bytes + layout.chunk_bytes - 1) / layout.chunk_bytes + 1 <= free_chunks_.size();
}

std::optional<uint32_t> SlotStore::store(const message::Request& request, RequestExtras& extras,
                                         std::string_view body) {
  std::optional<Plan> plan = this->plan(encoded_size(request, extras), body.size());
  if (!plan || plan->chunks() > free_chunks_.size()) return std::nullopt;
  const std::optional<uint32_t> taken = take_slot();
  if (!taken) return std::nullopt;
  if (!body.empty()) {
    extras.body_place = plan->body_inline ? BodyPlace::kInline : BodyPlace::kChunks;
    extras.body_length = body.size();
  }
  const uint32_t slot = *taken;
  SlotUse& use = uses_[slot];
  use.kind = SlotUse::kInUse;
  use.head_seen = use.ended = false;
  use.chunk_count = 0;
  ++use.generation;
  use.lane = kNoLane;
  use.claimed_at = 0;
  use.place = static_cast<uint32_t>(unclaimed_.size());
  unclaimed_.push_back(static_cast<uint16_t>(slot));
  if (!write(slot, *plan, request, extras, body)) {
    free(slot);
    return std::nullopt;
  }
  return slot;
}

std::optional<uint32_t> SlotStore::take_slot() {
  if (!free_slots_.empty()) {
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  if (known() == map_.layout().slots) return std::nullopt;
  uses_.emplace_back();
  return known() - 1;
}

void SlotStore::note_claimed(uint32_t slot, uint32_t lane) {
  leave_unclaimed(uses_[slot]);
  uses_[slot].lane = lane;
}

void SlotStore::leave_unclaimed(const SlotUse& use) {
  const uint16_t last = unclaimed_.back();
  unclaimed_[use.place] = last;
  uses_[last].place = use.place;
  unclaimed_.pop_back();
}

bool SlotStore::write(uint32_t slot, const Plan& plan, const message::Request& request, const RequestExtras& extras,
                      std::string_view body) {
  const Layout& layout = map_.layout();
  SlotUse& use = uses_[slot];
  char* memory = map_.slot(front_, slot);
  SlotHeader header{};
  header.record_chunk = plan.record_in_slot ? SlotHeader::kNoChunk : take_chunk(use);
  std::span<char> room = plan.record_in_slot ? std::span(memory + kHeaderBytes, layout.slot_bytes - kHeaderBytes)
                                             : std::span(map_.chunk(front_, header.record_chunk), layout.chunk_bytes);
  header.record_bytes = static_cast<uint32_t>(encode_request(request, extras, room));
  header.body_bytes = static_cast<uint32_t>(body.size());
  header.body_chunk_count = static_cast<uint16_t>(plan.body_chunks);
  for (uint32_t index = 0; index < plan.body_chunks; ++index) {
    std::string_view piece = body.substr(size_t{index} * layout.chunk_bytes, layout.chunk_bytes);
    header.body_chunks[index] = take_chunk(use);
    std::memcpy(map_.chunk(front_, header.body_chunks[index]), piece.data(), piece.size());
  }
  if (plan.body_inline && !body.empty()) std::memcpy(memory + plan.body_offset, body.data(), body.size());
  std::memcpy(memory, &header, sizeof header);
  return header.record_bytes != 0;
}

uint16_t SlotStore::take_chunk(SlotUse& use) {
  uint16_t chunk = free_chunks_.back();
  free_chunks_.pop_back();
  use.chunks[use.chunk_count++] = chunk;
  return chunk;
}

// A failure costs memory and nothing else.
void SlotStore::forget_content(uint32_t slot) {
  const Layout& layout = map_.layout();
  const SlotUse& use = uses_[slot];
  madvise(map_.slot(front_, slot), layout.slot_bytes, MADV_REMOVE);
  for (uint32_t index = 0; index < use.chunk_count; ++index)
    madvise(map_.chunk(front_, use.chunks[index]), layout.chunk_bytes, MADV_REMOVE);
}

void SlotStore::free(uint32_t slot) {
  SlotUse& use = uses_[slot];
  for (; use.chunk_count > 0; --use.chunk_count) free_chunks_.push_back(use.chunks[use.chunk_count - 1]);
  if (use.kind == SlotUse::kInUse && use.lane == kNoLane) leave_unclaimed(use);
  use.kind = SlotUse::kFree;
  use.lane = kNoLane;
  free_slots_.push_back(slot);
}

}  // namespace cutwater::link

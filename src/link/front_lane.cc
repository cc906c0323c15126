#include "link/front_lane.h"

#include <cstring>

#include "link/wake.h"

namespace cutwater::link {

FrontLane::FrontLane(const SegmentMap& map, uint32_t front, uint32_t lane)
    : control_(map.lane(front, lane)),
      waits_(map.sleep_board().waits[lane]),
      up_data_(map.up_ring(front, lane)),
      down_data_(map.down_ring(front, lane)),
      up_bytes_(map.layout().up_ring_bytes),
      down_bytes_(map.layout().down_ring_bytes),
      up_(up_place()),
      down_(down_place()) {}

RingPlace FrontLane::up_place() const {
  return {up_data_, up_bytes_, &control_.up_write.value, &control_.up_read.value};
}

RingPlace FrontLane::down_place() const {
  return {down_data_, down_bytes_, &control_.down_write.value, &control_.down_read.value};
}

void FrontLane::attach(base::FileDescriptor wake, base::FileDescriptor socket) {
  wake_ = std::move(wake);
  socket_ = std::move(socket);
  if (wake_.valid()) set_nonblocking(wake_.get());
  files_ = DescriptorStash();
  attached_ = true;
  retiring = false;
}

void FrontLane::reset() {
  for (SharedWord<uint64_t>* word : {&control_.up_write, &control_.up_read, &control_.down_write, &control_.down_read})
    word->value.store(0, std::memory_order_relaxed);
  control_.front_waits.value.store(0, std::memory_order_relaxed);
  waits_.value.store(0, std::memory_order_release);
  up_ = RingReader(up_place());
  down_ = RingWriter(down_place());
  backlog_.clear();
  refused_ = news_ = attached_ = broken_ = retiring = false;
  wake_.reset();
  socket_.reset();
  files_ = DescriptorStash();
}

void FrontLane::close() {
  broken_ = true;
  backlog_.clear();
  refused_ = false;
  files_ = DescriptorStash();
  socket_.reset();
}

bool FrontLane::write(const FrameHeader& frame, std::string_view payload) {
  char* room = down_.reserve(frame.length);
  if (room == nullptr) return false;
  if (!payload.empty()) std::memcpy(room, payload.data(), payload.size());
  down_.commit(frame);
  news_ = true;
  return true;
}

bool FrontLane::announce_want(uint32_t length) {
  refused_ = true;
  refused_length_ = length;
  control_.front_waits.value.store(1, std::memory_order_seq_cst);
  return down_.has_room(length);
}

bool FrontLane::send(const FrameHeader& frame, std::string_view payload) {
  if (broken()) return false;
  if (flush() && (write(frame, payload) || (announce_want(frame.length) && write(frame, payload)))) return true;
  if (!payload.empty() || broken()) return false;
  keep(frame);
  return true;
}

// Credits of one request add up, so that what is kept is bounded by a few frames for each slot.
void FrontLane::keep(const FrameHeader& frame) {
  if (frame.kind == static_cast<uint16_t>(DownKind::kCredit)) {
    for (FrameHeader& kept : backlog_) {
      if (kept.kind != frame.kind || kept.slot != frame.slot || kept.generation != frame.generation) continue;
      kept.value += frame.value;
      return;
    }
  }
  backlog_.push_back(frame);
}

bool FrontLane::flush() {
  size_t sent = 0;
  while (sent < backlog_.size() && (write(backlog_[sent], {}) || (announce_want(0) && write(backlog_[sent], {}))))
    ++sent;
  if (sent > 0) backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<ptrdiff_t>(sent));
  return backlog_.empty();
}

bool FrontLane::room_came() {
  if (!refused_ || broken() || !flush()) return false;
  // The worker may have told of less room than was asked for: then the wish stands.
  if (!down_.has_room(refused_length_) && !announce_want(refused_length_)) return false;
  refused_ = false;
  control_.front_waits.value.store(0, std::memory_order_relaxed);
  return true;
}

void FrontLane::wake_if_wanting(uint32_t least) {
  if (!wake_.valid() || waits_.value.load(std::memory_order_seq_cst) < least) return;
  if (waits_.value.exchange(0, std::memory_order_seq_cst) != 0) wake();
}

void FrontLane::wake() {
  if (wake_.valid()) write_eventfd(wake_.get());
}

}  // namespace cutwater::link

#include "link/worker_front.h"

#include <algorithm>
#include <cstring>

#include "link/crash_point.h"
#include "link/wake.h"

namespace cutwater::link {

WorkerFront::WorkerFront(const SegmentMap& map, uint32_t front, uint32_t lane, base::FileDescriptor wake,
                         base::FileDescriptor alarm, base::FileDescriptor socket)
    : queue_(map.queue(front)),
      control_(map.lane(front, lane)),
      wake_(std::move(wake)),
      alarm_(std::move(alarm)),
      socket_(std::move(socket)) {
  up_ = RingWriter(
      {map.up_ring(front, lane), map.layout().up_ring_bytes, &control_.up_write.value, &control_.up_read.value});
  down_ = RingReader({map.down_ring(front, lane), map.layout().down_ring_bytes, &control_.down_write.value,
                      &control_.down_read.value});
}

char* WorkerFront::reserve(uint32_t length) {
  flush_releases();
  char* room = releases_.empty() ? up_.reserve(length) : nullptr;
  // A smaller frame that still fits does not help who was refused.
  if (room == nullptr) {
    refused_length_ = refused_ ? std::min(refused_length_, length) : length;
    refused_ = true;
  }
  return room;
}

void WorkerFront::commit(const FrameHeader& frame) {
  up_.commit(frame);
  news_ = true;
}

bool WorkerFront::send(const FrameHeader& frame, std::initializer_list<std::string_view> payload) {
  char* to = reserve(frame.length);
  if (to == nullptr) return false;
  for (std::string_view piece : payload) {
    if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
    crash_point(CrashPoint::kInPayload);
  }
  commit(frame);
  return true;
}

void WorkerFront::release(uint32_t slot, uint32_t generation) {
  releases_.push_back({.kind = static_cast<uint16_t>(UpKind::kReleased),
                       .slot = static_cast<uint16_t>(slot),
                       .generation = generation});
  flush_releases();
  if (!bodies_.empty()) bodies_.forget(slot, generation);
}

void WorkerFront::flush_releases() {
  size_t sent = 0;
  for (; sent < releases_.size() && up_.reserve(0) != nullptr; ++sent) commit(releases_[sent]);
  if (sent > 0) releases_.erase(releases_.begin(), releases_.begin() + static_cast<ptrdiff_t>(sent));
}

void WorkerFront::publish_received() {
  if (!down_.publish()) return;
  if (control_.front_waits.value.load(std::memory_order_seq_cst) != 0 &&
      control_.front_waits.value.exchange(0, std::memory_order_seq_cst) != 0 && wake_.valid())
    write_eventfd(wake_.get());
}

bool WorkerFront::room_came() {
  if (!releases_.empty()) return up_.has_room(0);
  if (!refused_ || !up_.has_room(refused_length_)) return false;
  refused_ = false;
  return true;
}

void WorkerFront::wake_if_asleep() {
  news_ = false;
  if (!front_sleeps() || queue_.front_sleeps.value.exchange(0, std::memory_order_seq_cst) == 0) return;
  crash_point(CrashPoint::kBeforeWake);
  if (wake_.valid()) write_eventfd(wake_.get());
  crash_point(CrashPoint::kAfterWake);
}

// All workers share the front's alarm, so one that rings in time needs no setting: a setting costs as much as
// the wake it saves where a hypervisor keeps the timers. Set first, then said: who dies in between leaves an
// alarm that nobody counts on.
bool WorkerFront::ensure_alarm(base::Instant now) {
  if (!alarm_.valid()) return false;
  const int64_t due = queue_.alarm_due.value.load(std::memory_order_seq_cst);
  if (due > now.nanoseconds && due <= now.nanoseconds + kAlarm.count()) return true;
  if (!set_alarm(alarm_.get(), kAlarm)) return false;
  queue_.alarm_due.value.store(now.nanoseconds + kAlarm.count(), std::memory_order_seq_cst);
  return true;
}

}  // namespace cutwater::link

#include "link/ring.h"

#include <algorithm>
#include <utility>

#include "link/crash_point.h"

namespace cutwater::link {
namespace {

constexpr uint32_t kCalmStarts = 256;  // without a refusal: a narrower part of the ring may do again

// Two whole words, so that the compiler cannot fetch a field a second time after it was checked.
FrameHeader copy_header(const char* from) {
  uint64_t words[2];
  words[0] = __atomic_load_n(reinterpret_cast<const uint64_t*>(from), __ATOMIC_RELAXED);
  words[1] = __atomic_load_n(reinterpret_cast<const uint64_t*>(from) + 1, __ATOMIC_RELAXED);
  FrameHeader header;
  std::memcpy(&header, words, sizeof header);
  return header;
}

// Ring sizes are powers of two.
uint32_t offset_of(uint64_t position, const RingPlace& place) {
  return static_cast<uint32_t>(position) & (place.bytes - 1);
}

bool positions_fit(uint64_t write, uint64_t read, uint32_t bytes) {
  return write - read <= bytes && (write | read) % kFrameAlignment == 0;
}

}  // namespace

RingWriter::RingWriter(const RingPlace& place) : place_(place) {
  written_ = place.write_position->load(std::memory_order_relaxed);
  known_read_ = place.read_position->load(std::memory_order_acquire);
  broken_ = !positions_fit(written_, known_read_, place.bytes);
}

// `pad`: bytes to skip to the ring's end before the frame.
bool RingWriter::fits(uint32_t frame, uint32_t& pad) {
  uint32_t offset = offset_of(written_, place_);
  uint64_t used = written_ - known_read_;
  bool must_wrap = frame > place_.bytes - offset;
  bool may_wrap = used == 0 && offset >= starts_over_from_ && frame <= offset;
  pad = must_wrap || may_wrap ? place_.bytes - offset : 0;
  return used + pad + frame <= place_.bytes;
}

bool RingWriter::has_room(uint32_t length) {
  if (broken_) return false;
  uint32_t pad;
  uint32_t frame = frame_bytes(length);
  if (fits(frame, pad)) return true;
  uint64_t read = place_.read_position->load(std::memory_order_seq_cst);
  if (!positions_fit(written_, read, place_.bytes)) {
    broken_ = true;
    return false;
  }
  known_read_ = read;
  return fits(frame, pad);
}

char* RingWriter::reserve(uint32_t length) {
  if (length > kMaximumPayload || frame_bytes(length) > place_.bytes / 2) return nullptr;
  // Look at the reader's position before a long stride through the ring is wasted: an empty one starts over.
  if (offset_of(written_, place_) >= starts_over_from_ && known_read_ != written_) {
    uint64_t read = place_.read_position->load(std::memory_order_acquire);
    if (read == written_) known_read_ = read;
  }
  if (!has_room(length)) {
    was_refused();
    return nullptr;
  }
  uint32_t pad;
  fits(frame_bytes(length), pad);
  reserved_ = written_;
  if (pad > 0) {
    FrameHeader header{.kind = 0, .slot = kNoSlot, .length = 0};
    std::memcpy(place_.data + offset_of(written_, place_), &header, sizeof header);
    reserved_ += pad;
    starts_over(frame_bytes(length) <= pad);
  }
  return place_.data + offset_of(reserved_, place_) + sizeof(FrameHeader);
}

void RingWriter::starts_over(bool early) {
  started_early_ |= early;
  if (++calm_ < kCalmStarts) return;
  calm_ = 0;
  starts_over_from_ = std::max(starts_over_from_ / 2, kStartsOverFrom);
}

void RingWriter::was_refused() {
  if (!std::exchange(started_early_, false)) return;
  calm_ = 0;
  starts_over_from_ = std::min(starts_over_from_ * 2, place_.bytes);
}

void RingWriter::commit(const FrameHeader& frame) {
  crash_point(CrashPoint::kBeforeHeader);
  std::memcpy(place_.data + offset_of(reserved_, place_), &frame, sizeof frame);
  crash_point(CrashPoint::kBeforePublish);
  written_ = reserved_ + frame_bytes(frame.length);
  place_.write_position->store(written_, std::memory_order_seq_cst);
  crash_point(CrashPoint::kAfterPublish);
}

RingReader::RingReader(const RingPlace& place) : place_(place) {
  read_ = published_ = known_written_ = place.read_position->load(std::memory_order_relaxed);
  broken_ = read_ % kFrameAlignment != 0;
}

RingReader::Status RingReader::next(FrameHeader& frame, std::string_view& payload) {
  while (!broken_) {
    if (read_ == known_written_) {
      uint64_t written = place_.write_position->load(std::memory_order_acquire);
      if (written == read_) return kEmpty;
      if (!positions_fit(written, read_, place_.bytes)) return kBroken;
      known_written_ = written;
    }
    uint32_t offset = offset_of(read_, place_);
    uint64_t available = known_written_ - read_;
    frame = copy_header(place_.data + offset);
    if (frame.kind == 0) {
      uint32_t pad = place_.bytes - offset;
      if (pad > available) return kBroken;
      read_ += pad;
      continue;
    }
    if (frame.length > kMaximumPayload) return kBroken;
    uint32_t bytes = frame_bytes(frame.length);
    if (bytes > available || bytes > place_.bytes - offset) return kBroken;
    payload = {place_.data + offset + sizeof(FrameHeader), frame.length};
    read_ += bytes;
    return kFrame;
  }
  return kBroken;
}

bool RingReader::publish() {
  if (published_ == read_) return false;
  published_ = read_;
  place_.read_position->store(read_, std::memory_order_seq_cst);
  return true;
}

}  // namespace cutwater::link

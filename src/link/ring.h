// One direction of a lane: a byte ring of frames with one producer and one consumer in different processes.
// Neither end believes the other's position: a position that cannot be is kBroken, never an access out of
// bounds.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "link/frame.h"

namespace cutwater::link {

// Where a ring lies.
struct RingPlace {
  char* data = nullptr;
  uint32_t bytes = 0;
  std::atomic<uint64_t>* write_position = nullptr;
  std::atomic<uint64_t>* read_position = nullptr;
};

class RingWriter {
 public:
  // Small traffic keeps to as many bytes, and so to few pages.
  static constexpr uint32_t kStartsOverFrom = 16 * 1024;

  RingWriter() = default;
  // Goes on where the positions in memory are.
  explicit RingWriter(const RingPlace& place);

  // Room for a payload of `length` bytes (at most maximum_payload of the ring), nullptr when there is none
  // now. Nothing is visible to the reader before commit(), which comes at once or not at all.
  char* reserve(uint32_t length);
  // Publishes the reserved frame: header first, then the position (seq_cst: first half of a Dekker pair). The
  // frame's length must not exceed the reserved one.
  void commit(const FrameHeader& frame);
  bool has_room(uint32_t length);
  // The reader has not given all room back.
  bool unread() const { return place_.read_position->load(std::memory_order_acquire) != written_; }
  // How far the reader says it is; comparable only.
  uint64_t taken() const { return place_.read_position->load(std::memory_order_acquire); }
  // The reader's position made no sense.
  bool broken() const { return broken_; }

 private:
  bool fits(uint32_t frame, uint32_t& pad);
  void starts_over(bool early);
  void was_refused();

  RingPlace place_;
  uint64_t written_ = 0;
  uint64_t known_read_ = 0;
  uint64_t reserved_ = 0;  // position of the reserved frame
  // Where an empty ring starts again at its beginning. The skipped end is room that the frames behind it lack until the
  // reader has passed it: who fills the rest goes on from further behind next time.
  uint32_t starts_over_from_ = kStartsOverFrom;
  uint32_t calm_ = 0;           // starts over since the last refusal that one was to blame for
  bool started_early_ = false;  // since the last refusal
  bool broken_ = false;
};

class RingReader {
 public:
  enum Status { kFrame, kEmpty, kBroken };

  RingReader() = default;
  explicit RingReader(const RingPlace& place);

  // The next frame: its header is a private copy, the payload lies in the ring until publish().
  Status next(FrameHeader& frame, std::string_view& payload);
  // Gives the room of all frames handed out so far back to the writer. True when there was any.
  bool publish();
  // Something is there that next() has not given yet (second half of a Dekker pair, seq_cst).
  bool pending() const { return place_.write_position->load(std::memory_order_seq_cst) != read_; }

 private:
  RingPlace place_;
  uint64_t read_ = 0;
  uint64_t known_written_ = 0;
  uint64_t published_ = 0;
  bool broken_ = false;
};

}  // namespace cutwater::link

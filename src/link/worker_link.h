// WorkerLink: one worker's end: claims requests from the queues of all fronts (late binding, one CAS), produces its
// up rings, consumes its down rings. Used from one thread at a time (under the GIL).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "link/frame.h"
#include "link/request_record.h"
#include "link/segment.h"

namespace cutwater::link {

struct Claim {
  uint32_t front = 0;
  uint32_t slot = 0;
  uint32_t generation = 0;
  std::string_view record;       // for decode_request; lives until release()
  std::string_view inline_body;  // with kInline; with kChunks see body_chunks
  std::vector<std::string_view> body_chunks;
};

struct DownFrame {
  uint32_t front;
  FrameHeader header;
  std::string_view payload;  // until the next receive()
};

class WorkerLink {
 public:
  struct Descriptors {
    base::FileDescriptor wake;                           // eventfd this worker sleeps on
    std::vector<base::FileDescriptor> front_wakes;       // eventfd of each front
    std::vector<base::FileDescriptor> lane_sockets;      // to each front, for descriptors only
  };
  WorkerLink(Segment segment, uint32_t lane, Descriptors descriptors);
  ~WorkerLink();

  // One CAS on the slot word; stamps the time. False: nothing is queued.
  bool claim(Claim& claim);
  // Nothing of the slot is used any more: sends kReleased.
  void release(const Claim& claim);

  // Reserves room, returns false when the ring is full. `credit` is the caller's business.
  bool send_up(const Claim& claim, UpKind kind, uint32_t value, std::string_view payload);
  // As send_up, with the payload in several pieces (head and body copied once, straight into the ring).
  bool send_up(const Claim& claim, UpKind kind, uint32_t value, std::initializer_list<std::string_view> payload);
  // Wakes fronts that sleep. `may_delay`: more requests are queued and the last calls were short, so the wake may
  // wait for up to 4 responses or 200 us (kept count here; a forced call never waits).
  void wake_fronts(bool may_delay);

  std::optional<DownFrame> receive();  // next frame of any down ring

  int wake_descriptor() const;
  int lane_socket(uint32_t front) const;
  // Announce idle and look again (Dekker pair). True: sleep on wake_descriptor() now. False: there is work.
  bool prepare_to_sleep();
  void awake();
  bool retired() const;  // kRetire was received, or a front's lane socket ended

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cutwater::link

// FrontLink: one front's end of one app generation: the producer of its queue, the consumer of its up rings. Owned by
// handler/app; single-threaded. Treats everything workers write as untrusted: copy, check, then use.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/result.h"
#include "link/frame.h"
#include "link/request_record.h"
#include "link/segment.h"

namespace cutwater::link {

// A queued request: the slot and its use count, so that a late answer to an earlier use is told apart.
struct Ticket {
  uint32_t slot = 0;
  uint32_t generation = 0;
  friend bool operator==(Ticket, Ticket) = default;
};

struct SlotState {
  enum Kind { kQueued, kClaimed } kind;
  uint32_t lane = 0;             // with kClaimed
  base::Instant claimed_at{0};   // with kClaimed, by the worker's clock (CLOCK_MONOTONIC is one for all)
};

// Receives what the lanes bring. Called from drain(); `payload` lies in shared memory until the call returns.
class UpReceiver {
 public:
  virtual ~UpReceiver() = default;
  // `frame` was checked: the slot is in use by that generation and claimed by `lane`.
  virtual void on_frame(uint32_t lane, Ticket ticket, const FrameHeader& frame, std::string_view payload) = 0;
  // The lane's ring made no sense any more: the worker must be replaced (its lane is closed already).
  virtual void on_broken_lane(uint32_t lane, std::string_view why) = 0;
};

class FrontLink {
 public:
  // `front_index` < layout.fronts. Takes over whatever a dead predecessor left: its queued slots are freed, its
  // claimed ones are waited out and cancelled.
  FrontLink(Segment segment, uint32_t front_index, UpReceiver& receiver);
  ~FrontLink();

  // Queues a request; `body` is stored inline or in chunks as fits. nullopt: no slot or no chunk is free now.
  std::optional<Ticket> submit(const message::Request& request, RequestExtras extras, std::string_view body);
  // For a client that left or a deadline that passed. True: it was still queued and is free again. False: a worker
  // has claimed it; its slot stays until kReleased, and the caller may send kCancel or kDisconnect.
  bool take_back(Ticket ticket);
  SlotState state(Ticket ticket) const;
  // True when a request of `bytes` in all (head and body) could be submitted now.
  bool has_room() const;
  uint32_t queued() const;   // submitted, not yet claimed (a hint)
  uint32_t in_use() const;   // slots not free

  // A worker was started on `lane`: `wake` is its eventfd, `socket` the front's end of the lane's socket pair.
  void attach_lane(uint32_t lane, base::FileDescriptor wake, base::FileDescriptor socket);
  // Its process has ended (pidfd). Drains its complete frames first, then returns what it had claimed and never
  // ended (answer 502); the lane is reset and may be given to a new worker. Wakes another worker.
  std::vector<Ticket> lane_died(uint32_t lane);
  bool lane_attached(uint32_t lane) const;
  int lane_socket(uint32_t lane) const;

  // False when the down ring is full: try again after the lane's next frame.
  bool send_down(uint32_t lane, DownKind kind, Ticket ticket, uint32_t value, std::string_view payload);
  void retire_lane(uint32_t lane);  // kRetire, and a wake-up

  // Hands complete frames to the receiver, a bounded number per lane. True when it found any.
  bool drain();
  // End of the turn: one wake per queued request while a worker sleeps and the queue is not empty.
  void wake_workers();
  // Announces that this front is about to sleep and looks again (Dekker pair, seq_cst). False: frames are waiting,
  // do not sleep. awake() takes the announcement back.
  bool prepare_to_sleep();
  void awake();
  // Every 100 ms while requests are outstanding: wakes a worker if the idle mask was corrupted.
  void tick();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cutwater::link

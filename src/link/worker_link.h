// WorkerLink: one worker's end: claims requests from the queues of all fronts (late binding, one CAS),
// produces its up rings, consumes its down rings. Used from one thread at a time (under the GIL).
//
// In a forked child of the worker (os.fork() in an app) every call does nothing and returns false or empty,
// and the views of a Claim point to memory that is gone: see attached(), also in loops that wait for room.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "link/frame.h"
#include "link/request_record.h"
#include "link/segment.h"
#include "message/response.h"

namespace cutwater::link {

struct Claim {
  uint32_t front = 0;
  uint32_t slot = 0;
  uint32_t generation = 0;
  std::string_view record;       // for decode_request; lives until release() or a frame with kReleases
  std::string_view inline_body;  // with kInline; with kChunks see body_chunks
  std::vector<std::string_view> body_chunks;
};

struct DownFrame {
  uint32_t front;
  FrameHeader header;        // kind is a DownKind
  std::string_view payload;  // until the next receive() or prepare_to_...()
};

struct SendResult {
  enum Status {
    kSent,
    kFull,      // nothing was sent: prepare_to_wait(), sleep, awake(), try again
    kTooLarge,  // the head cannot be a record: over the ring's longest payload (64 KiB by default)
    kFailed     // send_file: the descriptor did not go (socket full or gone): send its bytes. Any: not
                // attached()
  } status = kFull;
  size_t body_bytes = 0;  // of the given body that went along; when not all, kComplete and kReleases are yet to be sent
};

class WorkerLink {
 public:
  struct Descriptors {
    base::FileDescriptor wake;                       // eventfd this worker sleeps on
    std::vector<base::FileDescriptor> front_wakes;   // eventfd of each front
    std::vector<base::FileDescriptor> front_alarms;  // timerfd of each front; without one no wake is delayed
    std::vector<base::FileDescriptor> lane_sockets;  // to each front, for descriptors only
  };
  WorkerLink(Segment segment, uint32_t lane, Descriptors descriptors);
  ~WorkerLink();

  // One CAS on the slot word; stamps it with `now`, which is the present but for some instructions. False: nothing is
  // queued, or retired().
  bool claim(Claim& claim, base::Instant now = base::monotonic_now());
  // A request is queued in some front: claim() would probably find it.
  bool has_queued() const;
  // About how many requests are queued in all fronts: what was taken back counts until it is passed.
  uint64_t queued() const;
  // Nothing of the slot is used any more: sends kReleased (kept here while the ring is full). Not after a
  // frame with kReleases.
  void release(const Claim& claim);
  // Some kReleased are kept: they go with the next call that sends, or that announces a sleep.
  bool keeps_releases() const;

  // The head with as much of `first_body` as fits one frame, in one frame. `flags`: kComplete if `first_body`
  // is the whole body, kReleases if the slot is no longer needed either; they are sent only if the body went
  // in whole. Then the worker goes on with send_body().
  SendResult send_response(const Claim& claim, const message::Response& response, std::string_view first_body,
                           uint32_t flags);
  // One kBody frame with as much of `bytes` as fits; flags as above.
  SendResult send_body(const Claim& claim, std::string_view bytes, uint32_t flags);
  // Reserves room, returns false when the ring is full or the payload over maximum_up_payload(). `credit` is
  // the caller's business.
  bool send_up(const Claim& claim, UpKind kind, uint32_t value, std::string_view payload);
  // As send_up, with the payload in several pieces (copied once, straight into the ring).
  bool send_up(const Claim& claim, UpKind kind, uint32_t value, std::initializer_list<std::string_view> payload);
  uint32_t maximum_up_payload() const;
  // Wakes fronts that sleep. Call it before anything that may last.
  void wake_fronts();
  // After a response, when the caller goes straight on to claim(): the wake may wait for up to 4 responses or 200 us,
  // if a request is queued and the last calls were short (both known here), and 1 ms if the next call is not. `now`:
  // about when the call ended.
  void wake_fronts_after_call(base::Instant now = base::monotonic_now());
  // After a streamed piece, when the caller at once asks the application for the next one: the same, for up to
  // 16 pieces, if they lately came fast.
  void wake_fronts_between_pieces();

  std::optional<DownFrame> receive();  // next frame of any down ring; kRetire is handed over too

  int wake_descriptor() const;
  int lane_socket(uint32_t front) const;
  // Announce idle and look again (Dekker pair). True: sleep on wake_descriptor() now. False: there is work.
  // Idle: this worker would claim. Either way awake() comes next.
  bool prepare_to_sleep();
  // The same for a worker that waits in the middle of a request: for a down frame, or for the room that the
  // last refused send lacked. It is not woken for queued requests.
  bool prepare_to_wait();
  // Takes the announcement back, clears the eventfd.
  void awake();
  // kRetire was received, a front's lane socket ended, or this is a forked child: claim() gives nothing.
  bool retired() const;
  // For a caller whose poll() reported a lane socket: looks whether a front is gone, which retires this
  // worker (then false).
  bool check_fronts();
  bool attached() const;  // false in a forked child

  // The body of a kDescriptor request: first send_up(kBodyWanted), then poll lane_socket(claim.front) (and
  // give the GIL up) until this gives a descriptor. Never blocks; not valid: not there yet, or the front is
  // gone (retired()).
  base::FileDescriptor receive_body_descriptor(const Claim& claim);
  // Sends an open file and its kFile frame. kFull: try again as with a full ring (the descriptor stays the
  // caller's).
  SendResult::Status send_file(const Claim& claim, int descriptor, uint64_t offset, uint64_t length);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cutwater::link

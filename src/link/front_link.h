// FrontLink: one front's end of one app generation: the producer of its queue, the consumer of its up rings.
// Owned by handler/app; single-threaded. Treats everything workers write as untrusted: copy, check, then use.
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
  enum Kind { kQueued, kClaimed } kind = kQueued;
  uint32_t lane = 0;  // with kClaimed
  base::Instant claimed_at{
      0};  // with kClaimed, by the worker's clock (CLOCK_MONOTONIC is one for all), never later than now
};

// Receives what the lanes bring. Called from drain(), lane_died() and tick(); `payload` lies in shared memory
// until the call returns. May call back into the FrontLink, but for drain(), attach_lane() and lane_died().
class UpReceiver {
 public:
  virtual ~UpReceiver() = default;
  // `frame` was checked: the slot is in use by that generation and claimed by `lane`, the kind is known, and
  // the order is right: kHead once and before body, trailers, kFile and end; nothing of the response after
  // its end. kReleased is not handed over. A frame with kReleases frees the slot when the call has returned.
  virtual void on_frame(uint32_t lane, Ticket ticket, const FrameHeader& frame, std::string_view payload) = 0;
  // The lane's ring made no sense any more: the worker must be replaced (its lane is closed already,
  // send_down gives false). What it had claimed stays claimed until lane_died().
  virtual void on_broken_lane(uint32_t lane, std::string_view why) = 0;
  // A send_down() to the lane was refused and there is room again.
  virtual void on_room(uint32_t lane);
};

class FrontLink {
 public:
  // `front_index` < layout.fronts. Takes over whatever a dead predecessor left: its queued slots are freed,
  // its claimed ones are waited out and cancelled.
  FrontLink(Segment segment, uint32_t front_index, UpReceiver& receiver);
  ~FrontLink();

  // For workers that run many requests at once, and so are seldom busy: each gets its share of what they keep open.
  void wake_in_turns();

  // Queues a request; `body` is stored inline or in chunks as fits (which sets extras.body_place and
  // body_length); with kDescriptor and kStreamed it must be empty. nullopt: no slot or no chunk is free now.
  std::optional<Ticket> submit(const message::Request& request, RequestExtras extras, std::string_view body);
  // Whether submit() can ever store it, its body aside.
  bool fits(const message::Request& request, const RequestExtras& extras) const;
  // The longest body submit() can ever store; longer ones go by descriptor.
  size_t maximum_body() const;
  // For a client that left or a deadline that passed. True: it was still queued and is free again. False: a
  // worker has claimed it; its slot stays until kReleased, and the caller may send kCancel or kDisconnect.
  bool take_back(Ticket ticket);
  // The worker reads nothing of the slot any more, by contract, though it keeps it (an accepted WebSocket): the pages
  // of record and body go back to the kernel. Should it read them, it finds zero bytes.
  void forget_content(Ticket ticket);
  SlotState state(Ticket ticket) const;  // kQueued for a ticket that is over
  // The slot is in use by that generation: queued, claimed, or ended but not yet released.
  bool holds(Ticket ticket) const;
  // True when a request of `bytes` in all (head and body) could be submitted now.
  bool has_room(size_t bytes = 0) const;
  uint32_t queued() const;  // submitted, not yet claimed (a hint, never too low)
  uint32_t in_use() const;  // slots not free
  // How many requests this front has for the app, queued anywhere or running; the other fronts see it.
  void publish_load(uint32_t requests);
  // The sum of what the others have published. Workers can write there too: a hint, never more than 2^32 each.
  uint64_t load_of_others() const;

  // A worker was started on `lane`: `wake` is its eventfd, `socket` the front's end of the lane's socket
  // pair.
  void attach_lane(uint32_t lane, base::FileDescriptor wake, base::FileDescriptor socket);
  // Its process has ended (pidfd). Drains its complete frames first, then returns what it had claimed and
  // never ended (answer 502); the lane is reset and may be given to a new worker. Wakes another worker.
  std::vector<Ticket> lane_died(uint32_t lane);
  bool lane_attached(uint32_t lane) const;
  int lane_socket(uint32_t lane) const;  // -1 without one

  // False when the down ring is full: try again at on_room(). Frames without payload are kept here meanwhile
  // and never refused. A payload is at most maximum_down_payload() bytes. Seen by the worker after
  // wake_workers().
  bool send_down(uint32_t lane, DownKind kind, Ticket ticket, uint32_t value, std::string_view payload);
  uint32_t maximum_down_payload() const;
  // Frames lie in the down ring: how far the worker has taken it, as it says. While that stays the same it looks at
  // none.
  std::optional<uint64_t> unread_from(uint32_t lane) const;
  void retire_lane(uint32_t lane);  // kRetire, and a wake-up
  void probe_lane(uint32_t lane);   // kProbe, if there is nothing unread anyway

  // The body of a kDescriptor request, or the file of a kFile frame (`id` is the frame's value), over the
  // lane's socket. send: false when the socket is full or gone. receive: never blocks; not valid when the
  // descriptor is not there, the front still has to check that it is a regular file.
  bool send_body_descriptor(uint32_t lane, Ticket ticket, int descriptor);
  base::FileDescriptor receive_file_descriptor(uint32_t lane, Ticket ticket, uint32_t id);

  // Hands complete frames to the receiver, a bounded number per lane. True when it found any.
  bool drain();
  // End of the turn: wakes workers for the queued requests while some sleep and the queue is not empty, and
  // those that wait for frames or room and got some.
  void wake_workers();
  // Whether it would look for somebody to wake.
  bool owes_wakes() const;
  // Where the line of queued requests begins: it moves when one is claimed.
  uint64_t line_start() const;
  // One that sleeps, if a request still waits: who was woken for it may not come. False: nobody was.
  bool wake_another();
  // Announces that this front is about to sleep and looks again (Dekker pair, seq_cst). False: frames are
  // waiting, do not sleep. awake() takes the announcement back.
  bool prepare_to_sleep();
  void awake();
  // Every 100 ms while requests are outstanding: mends what a corrupted head or idle mask or a worker killed
  // between two steps of a wake-up can have stalled.
  void tick();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cutwater::link

// WorkerFront: what a worker has of one front: the producer end of its up ring, the consumer end of its down
// ring.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "link/descriptor_stash.h"
#include "link/ring.h"
#include "link/segment_map.h"

namespace cutwater::link {

class WorkerFront {
 public:
  WorkerFront(const SegmentMap& map, uint32_t front, uint32_t lane, base::FileDescriptor wake,
              base::FileDescriptor alarm, base::FileDescriptor socket);

  // Room for one frame's payload, nullptr when there is none (remembered for room_lacks()).
  char* reserve(uint32_t length);
  void commit(const FrameHeader& frame);
  bool send(const FrameHeader& frame, std::initializer_list<std::string_view> payload);
  // kReleased, now or when there is room.
  void release(uint32_t slot, uint32_t generation);

  RingReader::Status receive(FrameHeader& frame, std::string_view& payload) { return down_.next(frame, payload); }
  // Gives the room of received frames back, and tells a front that waits for it.
  void publish_received();
  bool frames_pending() const { return down_.pending(); }
  // A send was refused and nobody was told of room since.
  bool wants_room() const { return refused_ || !releases_.empty(); }
  // The last refused send would succeed now: said once, for its sender may have given up.
  bool room_came();

  bool has_news() const { return news_; }  // frames went out since the front was looked after
  bool front_sleeps() const { return queue_.front_sleeps.value.load(std::memory_order_seq_cst) != 0; }
  void wake_if_asleep();
  // The front is woken no later than `kAlarm` from `now`, whatever this worker does meanwhile. False: it has
  // no alarm.
  bool ensure_alarm(base::Instant now);
  static constexpr base::Duration kAlarm = std::chrono::milliseconds(1);
  void forget_news() { news_ = false; }
  void flush_releases();
  bool keeps_releases() const { return !releases_.empty(); }

  int socket() const { return socket_.get(); }
  DescriptorStash& bodies() { return bodies_; }

 private:
  QueueControl& queue_;
  LaneControl& control_;
  RingWriter up_;
  RingReader down_;
  std::vector<FrameHeader> releases_;
  uint32_t refused_length_ = 0;
  bool refused_ = false;
  bool news_ = false;
  base::FileDescriptor wake_;
  base::FileDescriptor alarm_;
  base::FileDescriptor socket_;
  DescriptorStash bodies_;
};

}  // namespace cutwater::link

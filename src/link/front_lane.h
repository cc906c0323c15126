// FrontLane: the front's end of one lane: the consumer of its up ring, the producer of its down ring.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_descriptor.h"
#include "link/descriptor_stash.h"
#include "link/ring.h"
#include "link/segment_map.h"

namespace cutwater::link {

class FrontLane {
 public:
  FrontLane(const SegmentMap& map, uint32_t front, uint32_t lane);

  void attach(base::FileDescriptor wake, base::FileDescriptor socket);
  // Its worker is dead: both rings are empty again.
  void reset();
  void close();  // broken: nothing more is read from it or sent to it

  RingReader& up() { return up_; }
  // False when there is no room (or the lane is broken): on_room() is due later. Frames without payload are
  // kept here instead, in order, and reported as sent.
  bool send(const FrameHeader& frame, std::string_view payload);
  // Sends what was kept. True when nothing is left.
  bool flush();
  // A send was refused and would succeed now; asks once.
  bool room_came();
  // Frames went out since this was asked last, be it from the backlog.
  bool take_news() { return std::exchange(news_, false); }
  // Writes to the worker's eventfd if it announced that it sleeps and nobody took the announcement yet.
  void wake_if_waiting() { wake_if_wanting(kWantsFrames); }
  // The same if it was refused room in its up ring. One that only waits for work would be woken for nothing.
  void wake_if_wanting_room() { wake_if_wanting(kWantsRoom); }
  void wake();
  // Frames lie in the down ring.
  bool unread() const { return down_.unread(); }
  uint64_t taken() const { return down_.taken(); }

  base::FileDescriptor receive_file(uint32_t slot, uint32_t generation, uint32_t id) {
    return files_.take(socket_.get(), slot, generation, id);
  }
  void forget_files(uint32_t slot, uint32_t generation) {
    if (!files_.empty()) files_.forget(slot, generation);
  }

  bool attached() const { return attached_; }
  bool broken() const { return broken_ || down_.broken(); }
  int socket() const { return socket_.get(); }
  bool retiring = false;  // kRetire was sent: no more wake-ups for queued requests

 private:
  RingPlace up_place() const;
  RingPlace down_place() const;
  void wake_if_wanting(uint32_t least);
  bool write(const FrameHeader& frame, std::string_view payload);
  // Asks the worker to tell when it has read something, and looks again. True: there is room after all.
  bool announce_want(uint32_t length);
  void keep(const FrameHeader& frame);

  LaneControl& control_;
  SharedWord<uint32_t>& waits_;
  char* up_data_;
  char* down_data_;
  uint32_t up_bytes_;
  uint32_t down_bytes_;
  RingReader up_;
  RingWriter down_;
  std::vector<FrameHeader> backlog_;
  uint32_t refused_length_ = 0;
  bool refused_ = false;
  bool news_ = false;
  bool attached_ = false;
  bool broken_ = false;
  base::FileDescriptor wake_;
  base::FileDescriptor socket_;
  DescriptorStash files_;
};

}  // namespace cutwater::link

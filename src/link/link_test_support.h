// Shared by the tests of link/: a segment with both ends, and a receiver that notes what came.
#pragma once

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "link/front_link.h"
#include "link/response_record.h"
#include "link/worker_link.h"

namespace cutwater::link {

struct Received {
  uint32_t lane;
  Ticket ticket;
  FrameHeader frame;
  std::string payload;
  UpKind kind() const { return static_cast<UpKind>(frame.kind); }
};

class NotingReceiver : public UpReceiver {
 public:
  void on_frame(uint32_t lane, Ticket ticket, const FrameHeader& frame, std::string_view payload) override {
    frames.push_back({lane, ticket, frame, std::string(payload)});
    if (also) also(frames.back());
  }
  void on_broken_lane(uint32_t lane, std::string_view why) override { broken.push_back({lane, std::string(why)}); }
  void on_room(uint32_t lane) override { rooms.push_back(lane); }

  std::vector<Received> frames;
  std::vector<std::pair<uint32_t, std::string>> broken;
  std::vector<uint32_t> rooms;
  std::function<void(const Received&)> also;
};

inline base::FileDescriptor new_eventfd() {
  return base::FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}
inline base::FileDescriptor copy_of(const base::FileDescriptor& descriptor) {
  return base::FileDescriptor(dup(descriptor.get()));
}
inline uint64_t take_count(int eventfd_descriptor) {
  uint64_t count = 0;
  return read(eventfd_descriptor, &count, sizeof count) == sizeof count ? count : 0;
}

// A generation as the master makes it: segment, eventfds, lane sockets; ends are made on demand.
class World {
 public:
  explicit World(const Layout& layout = small_layout()) : layout_(layout) {
    auto memory = create_segment(layout);
    EXPECT_TRUE(memory.ok()) << memory.error().message;
    memory_ = std::move(*memory);
    auto mapped = Segment::map(memory_.get());
    EXPECT_TRUE(mapped.ok()) << mapped.error().message;
    segment_ = std::make_unique<Segment>(std::move(*mapped));
    for (uint32_t front = 0; front < layout.fronts; ++front) {
      front_wakes_.push_back(new_eventfd());
      front_alarms_.emplace_back(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    }
    for (uint32_t lane = 0; lane < layout.lanes; ++lane) lane_wakes_.push_back(new_eventfd());
  }

  static Layout small_layout() {
    Layout layout;
    layout.lanes = 3;
    layout.slots = 8;
    layout.chunks = 8;
    return layout;
  }

  std::unique_ptr<FrontLink> front(UpReceiver& receiver, uint32_t index = 0) {
    return std::make_unique<FrontLink>(segment_->alias(), index, receiver);
  }
  // A worker on `lane`, attached to all `fronts`.
  std::unique_ptr<WorkerLink> worker(uint32_t lane, std::vector<FrontLink*> fronts) {
    WorkerLink::Descriptors descriptors;
    descriptors.wake = copy_of(lane_wakes_[lane]);
    for (uint32_t front = 0; front < layout_.fronts; ++front) {
      int pair[2];
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
      descriptors.front_wakes.push_back(copy_of(front_wakes_[front]));
      descriptors.front_alarms.push_back(copy_of(front_alarms_[front]));
      descriptors.lane_sockets.emplace_back(pair[0]);
      base::FileDescriptor other(pair[1]);
      if (front < fronts.size()) fronts[front]->attach_lane(lane, copy_of(lane_wakes_[lane]), std::move(other));
    }
    return std::make_unique<WorkerLink>(segment_->alias(), lane, std::move(descriptors));
  }

  Segment& segment() { return *segment_; }
  int memory() const { return memory_.get(); }
  int front_wake(uint32_t front) const { return front_wakes_[front].get(); }
  int front_alarm(uint32_t front) const { return front_alarms_[front].get(); }
  int lane_wake(uint32_t lane) const { return lane_wakes_[lane].get(); }
  const Layout& layout() const { return layout_; }

 private:
  Layout layout_;
  base::FileDescriptor memory_;
  std::unique_ptr<Segment> segment_;
  std::vector<base::FileDescriptor> front_wakes_;
  std::vector<base::FileDescriptor> front_alarms_;
  std::vector<base::FileDescriptor> lane_wakes_;
};

inline message::Request hello_request() {
  message::Request request;
  request.method = "GET";
  request.raw_target = "/a%20b?x=1";
  request.path = "/a b";
  request.query = "x=1";
  request.scheme = "http";
  request.authority = "localhost:8000";
  request.headers.add("Host", "localhost:8000");
  request.headers.add("Accept", "*/*");
  request.remote_address = "127.0.0.1";
  request.remote_port = 40000;
  request.server_name = "localhost";
  request.server_port = 8000;
  return request;
}

inline message::Response hello_response() {
  message::Response response;
  response.headers.add("Content-Type", "text/plain");
  response.content_length = 5;
  return response;
}

}  // namespace cutwater::link

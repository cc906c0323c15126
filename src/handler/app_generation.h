// AppGeneration: one generation of one app, as this front sees it: its shared-memory link, its workers' lanes, and
// which request lies in which slot. What workers write is untrusted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "handler/app_request.h"
#include "handler/app_socket.h"
#include "io/loop.h"
#include "link/front_link.h"

namespace cutwater::handler {

struct GenerationOptions {
  std::string app;
  uint64_t number = 0;
  std::string prefix;                                 // SCRIPT_NAME
  base::Duration timeout = std::chrono::seconds(60);  // from the claim; see check_deadline
  unsigned queue = 100;                               // waiting requests; beyond: 503
  base::Duration queue_timeout = std::chrono::seconds(10);
  bool asynchronous = false;  // a worker runs many requests at once, and gets them before their bodies are complete
  unsigned requests_per_worker = 1;  // that one runs at once
  bool in_turns = false;             // a worker runs them in one thread: all workers get their share
  WebSocketOptions websocket;
  std::vector<std::string> websocket_origins;       // whose pages may open one; empty: all; see may_open_websocket()
  base::Duration grace = std::chrono::seconds(30);  // open WebSockets of a worker that is to end go on for so long
  base::Duration cancel_grace = std::chrono::seconds(5);  // then a worker that keeps what was cancelled is stuck
};

struct GenerationDescriptors {
  base::FileDescriptor segment;
  base::FileDescriptor wake;   // this front's eventfd: registered edge-triggered, never read
  base::FileDescriptor alarm;  // this front's timerfd, the same: set by a worker that lets a wake wait
};
struct WorkerDescriptors {
  base::FileDescriptor wake;
  base::FileDescriptor socket;
  base::FileDescriptor process;  // pidfd
};

class AppGeneration final : public link::UpReceiver {
 public:
  // `app` owns the generation.
  AppGeneration(AppHandler& app, GenerationOptions options, link::Segment segment, uint32_t front_index,
                base::FileDescriptor wake, base::FileDescriptor alarm);
  ~AppGeneration() override;

  const GenerationOptions& options() const { return options_; }
  link::FrontLink& link() { return link_; }

  // Never resets the lane: the worker may have claimed already, or be dead already.
  void attach_worker(uint32_t lane, WorkerDescriptors descriptors);
  size_t attached_workers() const { return attached_; }

  // Gives the request a slot; false: none is free now.
  bool submit(AppRequest& request);
  // False: submit() never will.
  bool fits(AppRequest& request) const;
  // The request leaves its slot: it is over, was given up, or goes elsewhere.
  void let_go(AppRequest& request);
  // Out of the queue when no worker has claimed it yet; it has no slot any more then.
  bool take_back(AppRequest& request);
  // Requests that nobody has claimed, taken out of their slots, in order of arrival.
  std::vector<AppRequest*> take_back_all();
  void give_credit(AppRequest& request, uint32_t bytes);
  // To the worker that has claimed it. False: its ring is full, and WorkerFeed::on_room() follows.
  bool send(AppRequest& request, link::DownKind kind, uint32_t value, std::string_view payload);
  // Something about it concerns the next check_deadlines().
  void look_at(AppRequest& request) { watch(use_of(request)); }

  // No worker comes before that moment; `refuse`: nobody shall wait for one.
  void pause_until(base::Instant moment, bool refuse) {
    paused_until_ = moment;
    refusing_ = refuse;
  }
  base::Duration pause_left(base::Instant now) const { return std::max(paused_until_ - now, base::Duration::zero()); }
  // Waiting since `entered`, a request has reached its queue_timeout, or will before a worker can come; or nobody
  // shall wait.
  bool waits_in_vain(base::Instant entered, base::Instant now) const;

  // The worker of that lane, or all of them, are to finish: their WebSockets are closed when `grace` is over.
  void retire_lane(uint32_t lane);
  void retire_sockets();
  void close_sockets(uint16_t code);

  void check_deadlines(base::Instant now);
  // Every request still here gets 502: the generation is about to go.
  void fail_all();
  bool idle() const { return link_.in_use() == 0; }
  // What counts against `queue` for the other fronts too: all that is here for a worker that runs one request at a
  // time, what waits for one that runs many.
  uint32_t load() const { return options_.asynchronous ? link_.queued() : link_.in_use(); }
  // As many requests more than `queue` may be under way: the workers run them, or are about to.
  uint64_t capacity() const { return uint64_t{attached_} * options_.requests_per_worker; }

  void on_frame(uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame, std::string_view payload) override;
  void on_broken_lane(uint32_t lane, std::string_view why) override;
  void on_room(uint32_t lane) override;

 private:
  class Wake;
  class WorkerProcess;
  struct SlotUse {
    enum class State : uint8_t { kFree, kActive, kAbandoned, kEnded };
    link::Ticket ticket;
    State state = State::kFree;
    bool answered = false;   // a frame of it came: it cannot be given to another worker
    bool head_seen = false;  // of the answer
    bool reported_stuck = false;
    bool told_disconnect = false;
    bool answered_504 = false;
    bool open_socket = false;
    bool lacks_room = false;      // its request stands in no_room_
    uint16_t place = kUnwatched;  // in watched_
    AppRequest* request = nullptr;
    base::Instant looked_at{0};  // when its deadline was checked last
    base::Duration held_up{0};   // how long its client did not take what had come, or send what was wanted
    base::Instant let_go_at{0};  // when its client was gone
    base::Instant cancelled_at{base::kNever};  // asked to stop
    std::string method, path;                  // kept for the log once the request is gone
  };
  static constexpr uint16_t kUnwatched = 0xffff;
  // Of a worker that does not look at what lies in its ring.
  struct Silence {
    std::optional<uint64_t> position;
    base::Instant since{0};
    base::Instant probed{0};
    bool reported = false;
  };

  void on_head(AppRequest& request, uint32_t lane, std::string_view payload, bool complete);
  void on_early_hints(AppRequest& request, std::string_view payload);
  void on_socket_frame(AppRequest& request, uint32_t lane, const link::FrameHeader& frame, std::string_view payload);
  bool accept_socket(AppRequest& request, std::string_view body, bool complete);
  void on_trailers(AppRequest& request, uint32_t lane, std::string_view payload);
  void on_file(AppRequest& request, uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame,
               std::string_view payload);
  void on_body_wanted(AppRequest& request, uint32_t lane, link::Ticket ticket);
  void drop_frame(uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame, std::string_view payload);
  void refuse(AppRequest& request, uint32_t lane, std::string_view why);
  void worker_ended(uint32_t lane);
  void close_retired_sockets(base::Instant now);
  void forget_room(SlotUse& use);
  void watch(SlotUse& use);
  void unwatch(SlotUse& use);
  void set_free(SlotUse& use);
  void check_deadline(SlotUse& use, base::Instant now);
  void check_asynchronous(SlotUse& use, const link::SlotState& where, base::Instant now,
                          base::Duration since_last_look);
  void cancel(SlotUse& use, uint32_t lane, base::Instant now);
  void report_stuck(SlotUse& use, uint32_t lane);
  void look_for_hanging_loops(base::Instant now);
  SlotUse& use_of(const AppRequest& request) { return slots_[request.ticket.slot]; }

  link::RequestExtras extras_of(AppRequest& request) const;

  AppHandler& app_;
  GenerationOptions options_;
  size_t most_slots_;
  std::vector<SlotUse> slots_;        // those ever used; has room for all, so that none ever moves
  std::vector<uint16_t> watched_;     // slots whose time may come; not those of answers that may last for days
  std::vector<AppRequest*> no_room_;  // were refused room in a ring; nullptr: left since
  std::vector<std::unique_ptr<WorkerProcess>> workers_;  // by lane
  size_t attached_ = 0;
  uint32_t open_sockets_ = 0;
  std::vector<base::Instant> retired_at_;  // by lane; kNever
  bool any_retired_ = false;
  std::vector<Silence> silences_;  // by lane
  base::Instant paused_until_{0};
  bool refusing_ = false;
  link::FrontLink link_;
  std::unique_ptr<Wake> wake_;
  std::unique_ptr<Wake> alarm_;
};

}  // namespace cutwater::handler

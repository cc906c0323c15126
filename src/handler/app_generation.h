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
#include "io/loop.h"
#include "link/front_link.h"

namespace cutwater::handler {

struct GenerationOptions {
  std::string app;
  uint64_t number = 0;
  std::string prefix;                                 // SCRIPT_NAME
  base::Duration timeout = std::chrono::seconds(60);  // from the claim to the release; see check_deadline
  unsigned queue = 100;                               // waiting requests; beyond: 503
  base::Duration queue_timeout = std::chrono::seconds(10);
  unsigned requests_per_worker = 1;  // that one runs at once
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
  // The request leaves its slot: it is over, was given up, or goes elsewhere.
  void let_go(AppRequest& request);
  // Out of the queue when no worker has claimed it yet; it has no slot any more then.
  bool take_back(AppRequest& request);
  // Requests that nobody has claimed, taken out of their slots, in order of arrival.
  std::vector<AppRequest*> take_back_all();
  void give_credit(AppRequest& request, uint32_t bytes);

  // No worker comes before that moment; `refuse`: nobody shall wait for one.
  void pause_until(base::Instant moment, bool refuse) {
    paused_until_ = moment;
    refusing_ = refuse;
  }
  base::Duration pause_left(base::Instant now) const { return std::max(paused_until_ - now, base::Duration::zero()); }
  // Waiting since `entered`, a request has reached its queue_timeout, or will before a worker can come; or nobody
  // shall wait.
  bool waits_in_vain(base::Instant entered, base::Instant now) const;

  void check_deadlines(base::Instant now);
  // Every request still here gets 502: the generation is about to go.
  void fail_all();
  bool idle() const { return link_.in_use() == 0; }

  void on_frame(uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame, std::string_view payload) override;
  void on_broken_lane(uint32_t lane, std::string_view why) override;

 private:
  class Wake;
  class WorkerProcess;
  struct SlotUse {
    enum class State : uint8_t { kFree, kActive, kAbandoned, kEnded };
    link::Ticket ticket;
    State state = State::kFree;
    bool answered = false;  // a frame of it came: it cannot be given to another worker
    bool reported_stuck = false;
    AppRequest* request = nullptr;
    base::Instant looked_at{0};  // when its deadline was checked last
    base::Duration unread{0};    // how long its client did not take what had come
    std::string method, path;    // kept for the log once the request is gone
  };

  void on_head(AppRequest& request, uint32_t lane, std::string_view payload, bool complete);
  void on_early_hints(AppRequest& request, std::string_view payload);
  void on_file(AppRequest& request, uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame,
               std::string_view payload);
  void on_body_wanted(AppRequest& request, uint32_t lane, link::Ticket ticket);
  void drop_frame(uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame, std::string_view payload);
  void refuse(AppRequest& request, uint32_t lane, std::string_view why);
  void worker_ended(uint32_t lane);
  void check_deadline(SlotUse& use, base::Instant now);
  void report_stuck(SlotUse& use, uint32_t lane);
  SlotUse& use_of(const AppRequest& request) { return slots_[request.ticket.slot]; }

  AppHandler& app_;
  GenerationOptions options_;
  std::vector<SlotUse> slots_;
  std::vector<std::unique_ptr<WorkerProcess>> workers_;  // by lane
  size_t attached_ = 0;
  base::Instant paused_until_{0};
  bool refusing_ = false;
  link::FrontLink link_;
  std::unique_ptr<Wake> wake_;
  std::unique_ptr<Wake> alarm_;
};

}  // namespace cutwater::handler

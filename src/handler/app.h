// AppHandler: one app on this front. Takes a request's body in, queues the request for the workers of the app's
// current generation, and writes what they answer. A request waits in a slot that any idle worker may claim, or, when
// all slots are taken, in the line behind them; both are bounded by `queue`, which all fronts share, and
// `queue_timeout`.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "handler/app_generation.h"
#include "handler/app_request.h"
#include "handler/delayed_wakes.h"
#include "handler/named_files.h"
#include "handler/rate_limited_log.h"
#include "handler/response_head.h"
#include "handler/spool.h"
#include "handler/web_server_fields.h"
#include "handler/websocket_handshake.h"
#include "io/loop.h"
#include "io/offload.h"
#include "message/exchange.h"

namespace cutwater::handler {

// What the client of a request that took too long got.
enum class StuckClient { k504, kCut, kNone };

// What an app tells the master.
class AppReports {
 public:
  virtual ~AppReports() = default;
  virtual void lane_free(const GenerationOptions& generation, uint32_t lane) = 0;
  // Without a method: it is the worker's event loop that hangs.
  virtual void worker_stuck(const GenerationOptions& generation, uint32_t lane, std::string_view method,
                            std::string_view path, StuckClient client) = 0;
  virtual void worker_broken(const GenerationOptions& generation, uint32_t lane, std::string_view why) = 0;
  virtual void generation_drained(const GenerationOptions& generation) = 0;
};

// How long, and how many, requests wait for an app whose first generation is still starting.
struct WaitingLimits {
  unsigned queue;
  base::Duration queue_timeout;
};

// What an app uses; everything outlives it.
struct AppServices {
  io::Loop& loop;
  io::Offload& offload;
  SpoolArea& spool;
  base::LogSink& log;
  AppReports& reports;
  uint32_t front_index = 0;
};

class AppHandler final : public message::Handler, public io::TurnHook {
 public:
  AppHandler(std::string name, const AppServices& services);
  // No exchange of it may be running any more.
  ~AppHandler() override;

  base::Task<void> handle(message::Exchange& exchange) override;

  // Files that the app may name instead of sending them.
  void send_named(std::unique_ptr<NamedFiles> files) { named_files_ = std::move(files); }
  // The first generation is on its way: requests wait in line for it.
  void expect_generation(const WaitingLimits& limits) { expecting_ = limits; }

  // The master's messages (docs/processes.md). Unknown generations are ignored: they may be gone already.
  base::Result<void> add_generation(GenerationOptions options, GenerationDescriptors descriptors);
  void attach_worker(uint64_t generation, uint32_t lane, WorkerDescriptors descriptors);
  void swap_to(uint64_t generation);
  void set_failed();
  void retire_worker(uint64_t generation, uint32_t lane);
  // No worker of it comes before so long, `refuse`: and then hardly either. The next attach_worker() ends that.
  void pause(uint64_t generation, base::Duration pause, bool refuse = false);
  void drop_generation(uint64_t generation);

  // The server ends: open WebSockets are closed, and those that open from now on.
  void close_sockets();

  bool end_of_turn() override;

  const std::string& name() const { return name_; }
  const AppGeneration* current() const { return current_; }

 private:
  friend class AppGeneration;
  friend class AppRequest;

  // 0, or the status to refuse with.
  uint16_t enqueue(AppRequest& request);
  bool queue_is_full(const WaitingLimits& limits) const;
  std::optional<WaitingLimits> limits() const;
  bool waits_in_vain(const AppRequest& request, base::Instant now) const;
  // Nobody will take it: 503, and a word in the log if it has waited for queue_timeout.
  void turn_away(AppRequest& request, base::Instant now);
  void fill_slots();
  void expect_claims();
  void wake_others();
  bool is_too_long(AppRequest& request);
  void put_in_line(AppRequest& request);
  void leave_line(AppRequest& request);
  AppRequest& take_first_in_line();
  void resume_at_end_of_turn(AppRequest& request);
  void forget_resumption(AppRequest& request);
  bool resume_all();
  bool wakes_can_wait();
  void be_patient_if_saturated();
  void wake_up();
  bool announce_sleep();
  void report_drained();
  void publish_load();
  void start_tick();
  void tick();
  void drop_those_who_left(base::Instant now);
  AppGeneration* find(uint64_t number);
  base::Task<void> ask(message::Exchange& exchange, ResponseHeadPool::Pointer* named);
  base::Task<void> ask_or_send_named(message::Exchange& exchange);
  base::Task<void> refuse_websocket(message::Exchange& exchange, WebSocketOffer offer);
  base::Task<void> run_socket(AppRequest& request);
  base::Task<void> answer_failure(message::Exchange& exchange, uint16_t status);

  std::string name_;
  AppServices services_;
  std::vector<std::unique_ptr<AppGeneration>> generations_;
  std::vector<AppGeneration*> draining_;
  AppGeneration* current_ = nullptr;
  std::optional<WaitingLimits> expecting_;  // until the first generation serves, or has failed
  bool failed_ = false;
  bool closing_ = false;
  bool announced_ = false;  // that this front sleeps
  uint64_t arrivals_ = 0;
  uint64_t arrivals_at_sleep_ = 0;
  base::Instant last_answer_{0};
  DelayedWakes delayed_wakes_;
  uint64_t turn_ = 0;  // counts end_of_turn()
  std::deque<AppRequest*> line_;
  std::vector<AppRequest*> to_resume_;
  ResponseHeadPool heads_;
  std::unique_ptr<WebSocketMemory> sockets_;  // once there was one
  SpoolBudget spool_budget_;
  std::unique_ptr<NamedFiles> named_files_;
  FileNameHint file_name_hint_;
  RateLimitedLog log_;
  io::Timer tick_;
  io::Timer second_wake_;
  uint64_t line_start_ = 0;  // of the current generation, when it was set
};

}  // namespace cutwater::handler

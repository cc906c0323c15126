// ThreadTeam: a WSGI worker of several threads that claim from the same queues. All of its state is guarded by the
// GIL, but for what the watcher reads without it.
//
// One of the threads is the leader: it alone claims, and sleeps on the lane's eventfd when there is nothing to claim.
// It keeps its role while its calls are short, since handing it over costs a switch between threads for each request.
// Another, the watcher, looks each millisecond whether the leader is still in the same call, and then takes the role
// over. While calls are found to block, the leader hands its role over before each call. All others lie on a stack,
// so that few threads (and what they keep: connections to databases) are used much. A thread comes when the watcher's
// place is empty; none ever goes.
//
// Calls that compute gain nothing from more threads: each that asks for the GIL makes all others wait. So there are
// few of them at once, unless they last.
//
// The main thread runs no request: it hears signals and the master, and waits for the others at the end.
#pragma once

#include <pthread.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "python/frame_wait.h"
#include "python/wsgi_runner.h"

struct pollfd;

namespace cutwater::python {

class ThreadTeam final : public FrameWait {
 public:
  struct Size {
    unsigned most;  // threads that run requests
    // sys.getswitchinterval(): how long a thread that computes keeps the GIL.
    base::Duration switch_interval;
  };
  // `link` outlives the team.
  ThreadTeam(const WsgiTypes& types, const WsgiSetup& setup, const Size& size, link::WorkerLink& link);
  ~ThreadTeam() override;

  // As WsgiWorker::serve(), in the main thread.
  bool serve(std::string& reason);
  // No thread uses the team any more. False after serve(): it must live as long as the process.
  bool is_over() const { return alive_ == 0; }

  Woken for_frame(RequestChannel& channel, uint32_t front, For what, int milliseconds) override;
  void of_another(const link::DownFrame& frame) override;

 private:
  // Who sleeps, and how it is woken: by what the kernel keeps until it is looked at.
  struct Sleeper {
    base::FileDescriptor kick;  // eventfd; not valid: the system gave none, nobody sleeps long without one
    RequestChannel* channel = nullptr;
    bool make();
    void wake() const;
    void clear() const;
  };
  struct Member {
    Member(ThreadTeam& owner, WsgiService& service) : team(owner), runner(service, owner) {}
    enum class Life { kStarting, kRuns, kGivenUp };
    ThreadTeam& team;
    Life life = Life::kStarting;
    WsgiRunner runner;
    Sleeper sleeper;
    std::atomic<bool> called{false};  // its role changed
    std::atomic<bool> rests{false};   // as the watcher, until the next call begins
    bool on_stack = false;
    bool computes = false;  // its call was taken over from it, and computed
    clockid_t clock = CLOCK_MONOTONIC;
    base::Instant call_began;
  };
  // What the watcher saw without the GIL.
  struct Observation {
    uint64_t call = 0;            // the one that lasts; 0: none
    bool broken = false;          // our descriptors were closed
    base::Duration processor{};   // what the leader had used of one when it was seen in that call first
    base::Duration gil_waited{};  // for the GIL, afterwards
  };

  // thread_team.cc: its life
  static PyObject* run_member(PyObject* capsule, PyObject*);
  bool start_member();
  void run(Member& me);
  void attend();
  void wait_for_members();
  void end(const std::string& reason);
  void broken();
  void broken_by_closing();
  void call_up(Member& member);

  // thread_team_lead.cc: who claims
  void lead(Member& me);
  void run_request(Member& me);
  bool stays_leader();
  void hand_over();
  void judge_call(base::Duration took, base::Duration processor);
  Member* take_from_stack();
  void follow(Member& me);
  void watch(Member& me);
  Observation observe(Member& me, base::Duration tick);
  bool may_take_over(const Observation& seen);
  void begin_call(Member& me);
  void end_call();
  bool calls_block(base::Instant now) const { return blocking_left_ > 0 && now >= contended_until_; }
  void note_wait(base::Duration waited);
  bool is_long_wait(base::Duration waited) const { return waited * 4 > switch_interval_ * 3; }

  // thread_team_wait.cc: who sleeps, on what
  void sleep_as_leader(Member& me);
  base::Duration sleep_until_called(Member& me);
  Woken look_out(Sleeper& sleeper, uint32_t front, For what, int milliseconds);
  Woken sit(Sleeper& sleeper, uint32_t front, For what, int milliseconds);
  Woken sleep(std::vector<pollfd>& entries, int milliseconds);
  void pass_lookout();
  std::unique_ptr<Sleeper> take_sleeper();
  void take_frames_in();
  bool may_add_member() const { return members_.size() < most_ && !ending_; }

  WsgiService service_;
  link::WorkerLink& link_;
  uint32_t fronts_;
  int control_;
  int signals_;
  size_t most_;
  base::Duration switch_interval_;

  std::vector<std::unique_ptr<Member>> members_;
  size_t alive_ = 0;
  unsigned started_ = 0;
  Member* leader_ = nullptr;
  Member* watcher_ = nullptr;
  std::vector<Member*> stack_;
  bool ending_ = false;
  PyRef failure_;  // the exception that ends the worker
  Sleeper main_;
  pthread_t main_thread_ = pthread_self();

  // Who polls the lane's eventfd; whose announcement the link's is. Others wait for their own kick.
  Sleeper* lookout_ = nullptr;
  std::vector<Sleeper*> sitting_;
  std::vector<std::unique_ptr<Sleeper>> spare_sleepers_;

  int blocking_left_ = 0;  // so many calls more are expected to block
  unsigned computing_ = 0;
  base::Instant contended_until_;
  base::Instant load_since_;
  base::Duration load_processor_{};
  bool computes_all_the_time_ = false;

  // Read by the watcher without the GIL.
  std::atomic<uint64_t> call_{0};  // odd: the leader is in a call, of this number
  std::atomic<clockid_t> leader_clock_{CLOCK_MONOTONIC};
};

}  // namespace cutwater::python

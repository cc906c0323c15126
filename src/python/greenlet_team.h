// GreenletTeam: a WSGI worker of several greenlets in one thread, beside the hub of gevent or eventlet. The hub calls
// turn() when the lane's eventfd is readable; turn() claims what is queued, switches to a greenlet for each request,
// and has the fronts woken. A greenlet that is done with its request is parked, and gets the next one: a fresh one
// costs 12 us. The greenlet that was parked last is used first, so that few are used much. No locks: all of it belongs
// to the hub's thread, but for waits of other threads that the application has started, under the GIL.
//
// THE RULE OF STACKS. Greenlets share the C stack of their thread: while one is switched out, a part of its stack lies
// elsewhere, and others write where it was. So nothing on a stack may be pointed to by what another greenlet can see:
// runners, channels and Waiting live on the heap, and whoever switches keeps nothing on its stack but what it alone
// looks at afterwards. Any call of Python may switch. No C++ exception is in flight at a switch.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "link/worker_link.h"
#include "python/frame_wait.h"
#include "python/py_api.h"
#include "python/wsgi_runner.h"

namespace cutwater::python {

class GreenletTeam final : public FrameWait {
 public:
  struct Setup {
    PyRef module;        // whose types this makes instances of: they go with it
    PyRef hub;           // the hub's greenlet
    PyRef to_hub;        // to_hub(): switches to it
    PyRef current;       // current(): the greenlet that runs
    PyRef new_greenlet;  // new_greenlet(run), not begun; its parent is the hub
    PyRef call_soon;     // call_soon(callback): by the hub, in its present round or the next
    PyRef call_later;    // call_later(seconds, callback): by the hub, after it has looked at its descriptors
    PyRef drained;       // drained(reason): the worker shall end, and its last request has ended
    PyRef detached;      // detached(): this is a child that the application has forked: nothing is to be watched
    uint32_t concurrency = 1;
    uint32_t workers = 1;  // of the generation: each leaves the others their share of what is queued
  };
  GreenletTeam(const WsgiTypes& types, const WsgiSetup& wsgi, Setup setup, std::unique_ptr<link::WorkerLink> link);
  ~GreenletTeam() override;

  // False with a Python exception. `self` is the Python object that holds this; it lives as long as any greenlet.
  bool prepare(PyObject* self);

  // For the hub: when the lane's eventfd is readable, and when a request has ended.
  void turn();
  // For the hub: somebody's time is up.
  void tick();
  // For the hub, when a lane socket is readable: takes descriptors in. Those whose front has ended, to be watched no
  // more.
  std::vector<int> look_at_sockets();
  // Claims nothing more; drained() is called when the last request has ended.
  void stop(const std::string& reason);

  int wake_descriptor() const { return link_->wake_descriptor(); }
  int lane_socket(uint32_t front) const { return link_->lane_socket(front); }
  uint32_t fronts() const { return fronts_; }
  size_t active() const { return active_; }

  Woken for_frame(RequestChannel& channel, uint32_t front, For what, int milliseconds) override;
  void of_another(const link::DownFrame& frame) override;
  bool let_out(RequestChannel& channel) override;
  void keep_out_of_child() override;
  // In the child, at once, in the greenlet that has forked.
  void forked();

 private:
  struct Member {
    Member(GreenletTeam& owner, WsgiService& service) : team(owner), runner(service, owner) {}
    GreenletTeam& team;
    WsgiRunner runner;
    PyRef greenlet;
    PyRef resume;  // its switch()
    bool runs = false;
    bool dismissed = false;
    bool over = false;
  };
  // Who waits in the middle of a request: its own greenlet, or another one that the application has begun.
  struct Waiting {
    RequestChannel* channel;
    uint32_t front;
    For what;
    base::Instant due;
    PyRef greenlet;
    bool woken = false;
  };

  // greenlet_team.cc
  static PyObject* run_member(PyObject* capsule, PyObject*);
  Member* take_parked();
  bool make_member();
  void live(Member& me);
  void forget_context(Member& me);
  bool switch_to(PyObject* resume);
  bool park();
  bool may_claim() const;
  bool claim_some();
  uint32_t share() const;
  void schedule();
  void call_again(double seconds, PyObject* callback);
  void dismiss_parked();
  void end_if_drained();
  void forget_finished();

  // greenlet_team_wait.cc
  bool on_its_thread() const;
  Woken park_until_woken(std::unique_ptr<Waiting> waiting);
  void mark(Waiting& waiting);
  template <class Predicate>
  void mark_all(Predicate predicate) {
    for (Waiting* waiting : waiting_) {
      if (predicate(*waiting)) mark(*waiting);
    }
  }
  void resume_woken();
  void take_frames_in();
  void arm(base::Instant due);

  Setup setup_;
  std::unique_ptr<link::WorkerLink> link_;
  WsgiService service_;
  uint32_t fronts_;
  PyObject* self_ = nullptr;
  PyRef turn_;  // bound methods
  PyRef tick_;
  PyRef context_name_;
  unsigned long thread_ = 0;

  std::vector<std::unique_ptr<Member>> members_;
  std::vector<Member*> parked_;
  size_t most_;
  size_t active_ = 0;
  std::vector<Waiting*> waiting_;
  std::deque<Waiting*> woken_;  // to be switched to in the next turn; of waiting_
  std::vector<bool> gone_;      // fronts
  base::Instant armed_ = base::kNever;
  PyRef forker_;  // in a child: whoever forked it
  bool in_turn_ = false;
  bool scheduled_ = false;
  bool someone_over_ = false;
  bool said_ = false;  // Host::ending()
  bool told_ = false;  // drained()
};

}  // namespace cutwater::python

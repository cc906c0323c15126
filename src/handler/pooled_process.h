// PooledProcess: one process of a pool as its front sees it: the socket it accepts on, which nobody else can reach
// since it has no name, what runs in it, for how long, and what it says outside of any request.
//
// The front holds the listening socket too. So a connection that the process has not accepted when it dies is not lost:
// it is found there, and its request is known not to have begun.
#pragma once

#include <sys/types.h>

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "base/log.h"
#include "base/result.h"
#include "handler/stderr_log.h"
#include "io/loop.h"
#include "io/timer.h"
#include "io/watch.h"
#include "upstream/peer.h"

namespace cutwater::handler {

class PooledProcess;

// What became of a request in a process, as far as the process is concerned.
enum class ProcessUse {
  kDone,      // it can have another one
  kNotBegun,  // it had nothing of it
  kLost,      // nobody knows when it is free again, or it has ended
};

class PooledProcessOwner {
 public:
  virtual ~PooledProcessOwner() = default;
  // The process is not in use any more. May destroy it, but for what the caller holds.
  virtual void on_use_over(PooledProcess& process, ProcessUse how) = 0;
  // Its request has run for as long as it may: it is to be killed.
  virtual void on_time_over(PooledProcess& process) = 0;
};

// Who waits for the answer of the request that runs.
class PooledProcessListener {
 public:
  virtual ~PooledProcessListener() = default;
  virtual void on_process_time_over() = 0;
};

class PooledProcess final {
 public:
  static constexpr unsigned kDescriptors = 6;  // of this process, at most

  struct Place {
    io::Loop& loop;
    PooledProcessOwner& owner;
    base::LogSink& log;
    StderrPace& pace;
    std::string pool;        // "pool php", for the log
    base::Duration timeout;  // of a request
    base::Duration slow;     // likewise, to be logged; 0: never
  };
  // What `place` names outlives this. `id`: the owner's.
  PooledProcess(Place place, uint64_t id);
  ~PooledProcess();
  PooledProcess(const PooledProcess&) = delete;
  PooledProcess& operator=(const PooledProcess&) = delete;

  // Makes its socket, whose file is in `directory` for a moment.
  base::Result<void> open(const std::string& directory);
  // What the process gets: control::StartProcess.
  std::vector<base::FileDescriptor> take_descriptors() { return std::move(theirs_); }

  uint64_t id() const { return id_; }
  // Its name for the log, once it has one: "process 1234".
  void set_pid(pid_t pid);
  const std::string& name() const { return peer_->name(); }
  upstream::Peer& peer() { return *peer_; }

  // A request is given to it: the clock runs. `request`: "GET /path?query".
  void begin(std::string request, PooledProcessListener& listener);
  // Nobody waits for the answer any more; its end is waited for, and its clock runs.
  void forget_listener() { listener_ = nullptr; }
  // While a client holds the answer up its time stands still.
  void hold_time(bool hold);
  // The request is over, the answer complete.
  void done() { end_use(ProcessUse::kDone); }
  // Nothing more is wanted of it, and the connection is closed: what it still writes fails. It is free again when it
  // accepts another one. `sent`: all of the request was; else it is lost, as it may take what it has for the whole.
  void finish(bool sent);

  bool in_use() const { return in_use_; }
  bool timed_out() const { return timed_out_; }
  const std::string& request() const { return request_; }  // that runs, or ran last
  base::Duration age() const { return place_.loop.now() - began_; }

  // It has ended.
  void set_ended(bool cleanly);
  bool ended() const { return ended_; }
  bool ended_cleanly() const { return ended_cleanly_; }
  // False: it had nothing of what it was given last.
  bool begun() const { return begun_; }
  void note_not_begun() { begun_ = false; }

  // co_await a named one: until its end is known, but no longer than `patience`. One waits at a time.
  class [[nodiscard]] Ended {
   public:
    Ended(PooledProcess& process, base::Duration patience) : process_(process), patience_(patience) {}
    ~Ended() { process_.waiter_ = nullptr; }
    Ended(const Ended&) = delete;
    Ended& operator=(const Ended&) = delete;
    bool await_ready() const { return process_.ended_; }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const {}

   private:
    PooledProcess& process_;
    base::Duration patience_;
  };

 private:
  std::string path_in_proc() const;
  bool send_probe();
  void end_probe(ProcessUse how);
  void on_clock();
  void set_clock();
  void end_use(ProcessUse how);
  void find_what_has_not_begun();
  void read_errors(size_t most);
  void write_error_line(std::string_view line);

  Place place_;
  const uint64_t id_;
  base::FileDescriptor listening_;  // as the process has it
  base::FileDescriptor path_;       // O_PATH: the file that connecting needs, though it has no name any more
  base::FileDescriptor errors_;
  std::vector<base::FileDescriptor> theirs_;
  std::optional<io::CallbackWatcher> errors_watch_;
  std::string error_line_;
  std::shared_ptr<upstream::Peer> peer_;

  std::string request_;
  PooledProcessListener* listener_ = nullptr;
  base::FileDescriptor probe_;  // while it may be busy with what nobody wants
  std::optional<io::CallbackWatcher> probe_watch_;
  base::Instant began_{};
  base::Duration held_{};  // in all
  base::Instant held_since_ = base::kNever;
  base::Instant ended_at_{};
  io::Timer clock_;  // slow, then timeout; or for its last answer
  io::Timer wake_;
  std::coroutine_handle<> waiter_;
  bool in_use_ = false;
  bool is_slow_ = false;  // and that was said
  bool timed_out_ = false;
  bool ended_ = false;
  bool ended_cleanly_ = false;
  bool begun_ = true;
};

}  // namespace cutwater::handler

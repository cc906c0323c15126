// ProcessPool: how many processes of one kind there are, which of them works, and when one is started or ended. What
// the processes do, and how they are started, is its owner's affair; so is the line of those who wait for one.
//
//   started -> idle <-> busy -> ended        a process is busy with one piece of work at a time
//
// One that dies before it has done anything useful makes the next start wait, longer each time; death at work does not,
// since that is the work's doing, and costs no more than a start for each piece of it (faults.md 149-153, 168).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>

#include "base/clock.h"
#include "supervise/exit_status.h"
#include "supervise/restart_policy.h"

namespace cutwater::supervise {

struct ProcessPoolOptions {
  unsigned min = 0;
  unsigned max = 8;
  unsigned spare = 0;                                // with nothing to do
  base::Duration idle = std::chrono::seconds(60);    // after so long one that is not needed ends
  uint64_t max_works = 0;                            // of one process, up to a tenth fewer by chance; 0: any number
  base::Duration healthy = std::chrono::seconds(5);  // who lives so long without work was no failure
};

// Why a process is to end.
enum class EndReason { kIdle, kWorn, kOutdated, kFailed };

// What its end means.
enum class EndKind {
  kAsked,        // we ended it
  kByItself,     // between two pieces of work, and without an error
  kAtWork,       // with what it worked on
  kUnprovoked,   // it had worked before, and died with nothing to do
  kNeverWorked,  // a start that failed
};

class ProcessPool {
 public:
  using Id = uint64_t;

  class Owner {
   public:
    virtual ~Owner() = default;
    // Answered by on_started() or on_refused(), not from within.
    virtual void start_process(Id id) = 0;
    // Answered by on_ended(), likewise.
    virtual void end_process(Id id, EndReason reason) = 0;
  };

  // `owner` outlives the pool. `seed`: of the chance in max_works.
  ProcessPool(ProcessPoolOptions options, Owner& owner, uint64_t seed);
  ProcessPool(const ProcessPool&) = delete;
  ProcessPool& operator=(const ProcessPool&) = delete;

  // Whether processes can be started at all. Closed, it forgets all it had.
  void open(base::Instant now);
  void close();

  // So many wait for a process.
  void set_waiting(size_t waiting, base::Instant now);
  // An idle one, the one used last: it is busy from now on. What should be spare instead is started by tick().
  std::optional<Id> take();
  // Its work is done.
  void release(Id id, base::Instant now);
  // It had nothing of what it was given: as if it had never been taken.
  void take_back(Id id, base::Instant now);
  // It is to end, whatever it does.
  void give_up(Id id);
  // All that there are make way for new ones: idle ones now, others behind their work. Failures are forgotten.
  void renew(base::Instant now);

  void on_started(Id id, base::Instant now);
  void on_refused(Id id, base::Instant now);
  EndKind on_ended(Id id, const ExitStatus& status, base::Instant now);

  // When tick() has something to do next.
  base::Instant next() const;
  void tick(base::Instant now);

  // No process is there, and none is started before paused_until().
  bool paused(base::Instant now) const;
  base::Instant paused_until() const { return start_after_; }
  bool failing() const { return failing_; }

  size_t size() const { return processes_.size(); }
  size_t idle() const { return count(State::kIdle); }
  size_t busy() const { return count(State::kBusy); }

 private:
  enum class State { kStarting, kIdle, kBusy, kEnding };
  struct Process {
    State state = State::kStarting;
    base::Instant started{};
    base::Instant idle_since{};
    uint64_t works = 0;
    uint64_t most_works = 0;
    uint64_t failures_before = 0;
    bool is_outdated = false;  // renew() was called since it was asked for
  };

  size_t count(State state) const;
  size_t living() const { return processes_.size() - count(State::kEnding); }
  void become_idle(Id id, Process& process, base::Instant now);
  void forget_failures(base::Instant now);
  void end(Id id, Process& process, EndReason reason);
  void note_failed_start(const Process& process, base::Instant now);
  void fill(base::Instant now);
  bool needs_more() const;
  base::Instant may_start() const;
  void verify() const;

  const ProcessPoolOptions options_;
  Owner& owner_;
  std::mt19937_64 chance_;
  RestartPolicy policy_;
  std::map<Id, Process> processes_;
  Id last_ = 0;
  size_t waiting_ = 0;
  bool open_ = false;
  bool failing_ = false;         // the last start failed: one at a time until one works
  uint64_t failures_ = 0;        // that counted
  base::Instant start_after_{};  // none before
};

}  // namespace cutwater::supervise

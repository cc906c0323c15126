// A *position* is one of the workers that should be there; a *worker* is a process that fills one, until it
// dies or is replaced.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "supervise/lanes.h"
#include "supervise/managed_process.h"
#include "supervise/restart_policy.h"

namespace cutwater::supervise {

struct Position;

struct Worker {
  enum class State { kStarting, kReady, kLeaving, kGone };

  uint64_t number = 0;
  unsigned lane = 0;
  State state = State::kStarting;
  Position* position = nullptr;  // nullptr: replaced, or wanted no more
  std::unique_ptr<ManagedProcess> process;
  std::optional<Lanes::Offer> offer;  // what it still has to be given
  pid_t claimed_pid = 0;              // what it says, while its zygote has not said it
  base::Instant ready_at = base::kNever;
  base::Instant stopped_since = base::kNever;  // by SIGSTOP, as far as we have looked
  std::string reason;                          // why it left, in its own words
  bool ends_by_itself = false;                 // so it said, maybe before its zygote has said its pid
  bool holds_strangers = false;
  std::unique_ptr<io::Timer> deadline;  // to be ready; or, when stuck, to be ended whatever its replacement does
};

struct Position {
  RestartPolicy policy;
  Worker* worker = nullptr;
  Worker* replaced = nullptr;  // is ended as soon as `worker` is ready
  bool wants_lane = false;
  std::unique_ptr<io::Timer> retry;
};

std::string name_of(const Worker& worker);  // "worker 3 (pid 4711)", or without the pid that nobody knows
// By SIGSTOP and the like.
bool is_stopped(const Worker& worker);

}  // namespace cutwater::supervise

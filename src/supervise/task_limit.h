// TaskLimit: how many processes and threads a user may have when a program that was started for him wants another, so
// that one that forks without end (faults.md 114) leaves room to others. It is what that user has now and a number: the
// kernel counts all that are his (RLIMIT_NPROC), his other services too. A cgroup would count the programs alone, but
// needs one that was delegated to this server, which containers and plain services mostly lack.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <map>

#include "base/clock.h"

namespace cutwater::supervise {

class TaskLimit {
 public:
  // Counted anew after five seconds: to look at all processes takes about a millisecond for a few hundred.
  rlim_t of(uid_t user);
  // Whether of() would say what it has said before.
  bool knows(uid_t user) const;
  // A program was refused by the kernel although of() left room (EAGAIN at exec): first what is believed is counted
  // anew, then the user has tasks that cannot be seen here, as those of other containers are which share his number.
  void note_shortage(uid_t user, bool counted_anew);
  // How many a user may have beside those he has: pools of threads are as large as there are processors.
  static rlim_t more();

 private:
  struct Counted {
    rlim_t limit = 0;
    rlim_t unseen = 0;
    base::Instant until{0};
  };
  std::map<uid_t, Counted> users_;
};

// Processes of that user, each of their threads counted.
size_t count_tasks(uid_t user);

}  // namespace cutwater::supervise

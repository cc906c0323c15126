// PoolStarter: starts processes of configured pools, whoever asks for them. A process finds the socket that it is to
// accept connections on as descriptor 0 (FastCGI 1.0 section 2.2: FCGI_LISTENSOCK_FILENO).
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "supervise/identity.h"
#include "supervise/program_start.h"
#include "supervise/task_limit.h"

namespace cutwater::supervise {

// Every process of a pool has this in its environment, with the pool's name, and what it starts has it too: so it is
// known for ours when nobody else knows it any more.
inline constexpr const char* kPoolVariable = "CUTWATER_POOL";

// One configured pool.
struct PoolEntry {
  std::string name;
  std::vector<std::string> command;  // its first is a name in PATH, or absolute
  std::string root;                  // the working directory, absolute
  std::string user;                  // "": the owner of root
  std::map<std::string, std::string> environment;
  size_t most = 1;    // processes of one front
  size_t in_all = 1;  // of all fronts
};

struct PoolStarted {
  pid_t pid = 0;     // 0: `text` says why not
  std::string text;  // for the log, with what to do about it
};

class PoolStarter {
 public:
  // `forbidden`: the user of the front, who must run nothing here. Users count for root alone: anybody else starts
  // processes as he is.
  PoolStarter(std::vector<PoolEntry> entries, std::optional<uid_t> forbidden);

  size_t entries() const { return entries_.size(); }
  size_t most(size_t entry) const { return entries_.at(entry).most; }
  // `socket`: listening; `errors`: becomes its error stream. 3 or more each.
  PoolStarted start(size_t entry, int socket, int errors);

 private:
  ProgramStarted start_within_limit(ProgramStart& program, uid_t user);

  const std::vector<PoolEntry> entries_;
  const std::optional<uid_t> forbidden_;
  const size_t in_all_;  // processes of all pools
  TaskLimit task_limit_;
  base::FileDescriptor null_;  // the standard output of all of them
};

// Who runs the processes of that pool; an error says why nobody can.
base::Result<Identity> identity_for_pool(const PoolEntry& entry, std::optional<uid_t> forbidden);
// The absolute path of its program; an error says that there is none, and what to do.
base::Result<std::string> program_of_pool(const PoolEntry& entry);

}  // namespace cutwater::supervise

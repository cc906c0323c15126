// Identity: the user a process runs as. Becoming one is final and verified; a process that cannot become who
// it should be must not go on (CVE-2014-0240 class).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace cutwater::supervise {

struct Identity {
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;  // supplementary, `group` included
  std::string name;           // "shop", or "1000" when the number has no name
  std::string home;           // "/" when unknown
};

bool running_as_root();
Identity current_identity();
base::Result<Identity> find_identity(const std::string& user);  // a name or a number
base::Result<Identity> identity_of_owner(const std::string& folder);
Identity identity_of(uid_t user, gid_t group);  // `group` counts when the number has no name

// setgroups -> setgid -> setuid -> all capabilities dropped -> checked that root cannot be regained. For a
// child that was forked for this. Clears PDEATHSIG and dumpability (the kernel's doing).
base::Result<void> become(const Identity& identity);

// Opens a folder (O_PATH) with the rights of `identity`, then takes the own ones back. Single-threaded
// callers only.
base::Result<base::FileDescriptor> open_folder_as(const Identity& identity, const std::string& folder);

// Whether `identity` may connect to the unix socket at `path`, as far as folders and permissions go.
base::Result<void> may_connect_as(const Identity& identity, const std::string& path);

}  // namespace cutwater::supervise

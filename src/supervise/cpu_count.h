// How many CPUs this process may really use: the affinity mask and the cgroup's quota, not what the machine
// has.
#pragma once

#include <string>

namespace cutwater::supervise {

unsigned usable_cpus();

// For tests: the quota of the cgroup (v2 "cpu.max" along the path in `self_cgroup`, else v1
// "cpu.cfs_quota_us"), as CPUs rounded up; 0 when there is none. `cgroup_root` is /sys/fs/cgroup,
// `self_cgroup` the text of /proc/self/cgroup.
unsigned cgroup_cpus(const std::string& cgroup_root, const std::string& self_cgroup);

}  // namespace cutwater::supervise

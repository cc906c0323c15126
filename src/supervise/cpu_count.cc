#include "supervise/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace cutwater::supervise {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// 0: no limit. Fractions count as a whole CPU.
unsigned to_cpus(double quota, double period) {
  if (quota <= 0 || period <= 0) return 0;
  const double cpus = quota / period;
  return cpus > 4096 ? 0 : std::max(1u, static_cast<unsigned>(cpus + 0.999));
}

// "max 100000" or "150000 100000".
unsigned quota_v2(const std::string& folder) {
  std::istringstream text(read_text(folder + "/cpu.max"));
  double quota = 0;
  double period = 0;
  if (!(text >> quota >> period)) return 0;
  return to_cpus(quota, period);
}

unsigned quota_v1(const std::string& folder) {
  std::istringstream quota_text(read_text(folder + "/cpu.cfs_quota_us"));
  std::istringstream period_text(read_text(folder + "/cpu.cfs_period_us"));
  double quota = 0;
  double period = 0;
  if (!(quota_text >> quota) || !(period_text >> period)) return 0;
  return to_cpus(quota, period);
}

unsigned smaller(unsigned left, unsigned right) {
  if (left == 0 || right == 0) return std::max(left, right);
  return std::min(left, right);
}

// A group's limit holds for all below it. In a container the path is of the host and the root is the group
// itself.
template <class Quota>
unsigned least_along(const std::string& root, std::string path, Quota quota) {
  unsigned least = quota(root);
  while (path.size() > 1) {
    least = smaller(least, quota(root + path));
    path.resize(path.rfind('/'));
  }
  return least;
}

}  // namespace

// Lines are "0::/path" (v2) or "4:cpu,cpuacct:/path" (v1).
unsigned cgroup_cpus(const std::string& cgroup_root, const std::string& self_cgroup) {
  unsigned least = 0;
  std::istringstream lines(self_cgroup);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") {
      least = smaller(least, least_along(cgroup_root, path, quota_v2));
    } else if (controllers.find(",cpu,") != std::string::npos) {
      least = smaller(least, least_along(cgroup_root + "/cpu", path, quota_v1));
    }
  }
  return least;
}

unsigned usable_cpus() {
  cpu_set_t set;
  unsigned cpus = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = std::max(1u, static_cast<unsigned>(CPU_COUNT(&set)));
  return smaller(cpus, cgroup_cpus("/sys/fs/cgroup", read_text("/proc/self/cgroup")));
}

}  // namespace cutwater::supervise

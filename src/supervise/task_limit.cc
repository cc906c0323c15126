#include "supervise/task_limit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

namespace cutwater::supervise {

namespace {

constexpr base::Duration kBelieved = std::chrono::seconds(5);
constexpr rlim_t kMostUnseen = 1 << 20;
constexpr rlim_t kMore = 256;
constexpr rlim_t kMoreOfEachProcessor = 32;

}  // namespace

// A folder has a link from each folder in it, and two of its own: /proc/1/task has one for each thread.
size_t count_tasks(uid_t user) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc"), closedir);
  size_t count = 0;
  while (const dirent* entry = folder ? readdir(folder.get()) : nullptr) {
    const std::string name = entry->d_name;
    struct stat status;
    if (name[0] < '0' || name[0] > '9') continue;
    if (fstatat(dirfd(folder.get()), name.c_str(), &status, 0) != 0 || status.st_uid != user) continue;
    const bool known = fstatat(dirfd(folder.get()), (name + "/task").c_str(), &status, 0) == 0;
    count += known ? std::max<size_t>(status.st_nlink, 3) - 2 : 1;
  }
  return count;
}

rlim_t TaskLimit::more() {
  static const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  return kMore + kMoreOfEachProcessor * static_cast<rlim_t>(std::max(1L, processors));
}

rlim_t TaskLimit::of(uid_t user) {
  const base::Instant now = base::monotonic_now();
  Counted& counted = users_[user];
  if (now >= counted.until) {
    counted.limit = count_tasks(user) + counted.unseen + more();
    counted.until = now + kBelieved;
  }
  return counted.limit;
}

bool TaskLimit::knows(uid_t user) const {
  const auto found = users_.find(user);
  return found != users_.end() && base::monotonic_now() < found->second.until;
}

void TaskLimit::note_shortage(uid_t user, bool counted_anew) {
  Counted& counted = users_[user];
  counted.until = base::Instant{0};
  if (counted_anew) counted.unseen = std::min(kMostUnseen, std::max(more(), 2 * counted.unseen));
}

}  // namespace cutwater::supervise

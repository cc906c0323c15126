#include "supervise/descriptor_room.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/file_descriptor.h"

namespace cutwater::supervise {
namespace {

constexpr unsigned kOfZygote = 2;       // channel, pidfd
constexpr unsigned kOfEachWorker = 4;   // channel, pidfd twice, wake-up; and a lane socket for each front
constexpr unsigned kWhileStarting = 3;  // the other end of a channel, a front that is started again meanwhile

rlim_t limit_before = 0;  // 0: it is still what it was

// At most `wanted`; with fewer errno says why. Found by trying: which are open already is known to nobody, and the
// whole system has a limit too.
size_t descriptors_left(size_t wanted) {
  std::vector<base::FileDescriptor> tried;
  while (tried.size() < wanted) {
    base::FileDescriptor another(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!another.valid()) break;
    tried.push_back(std::move(another));
  }
  const int why = errno;
  const size_t left = tried.size();
  tried.clear();
  errno = why;
  return left;
}

// As far as everybody may. The low limit that is usual is there for programs that use select(2).
bool raise_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return false;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  if (limit_before == 0) limit_before = before;
  return true;
}

}  // namespace

// Beside these the shared memory, with two wake-ups for each front, and the other ends of lane sockets.
unsigned descriptors_of_generation(unsigned workers, unsigned fronts) {
  return kOfZygote + 1 + 2 * fronts + workers * (kOfEachWorker + fronts) + fronts + kWhileStarting;
}

std::string lack_of_descriptors(unsigned wanted) {
  size_t left = descriptors_left(wanted);
  if (left < wanted && errno == EMFILE && raise_limit()) left = descriptors_left(wanted);
  if (left == wanted) return "";
  const int why = errno;
  rlimit limit{};
  if (why != EMFILE || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return fmt::format(
        "{} more file descriptors are needed: {}\n"
        "fix: close files of other programs, or raise the system's limit (sysctl fs.file-max)",
        wanted, std::strerror(why));
  }
  return fmt::format(
      "{} more file descriptors are needed, and the limit of open files of {} leaves {}\n"
      "fix: ulimit -n {} or more (of a systemd service: LimitNOFILE), or fewer workers",
      wanted, limit.rlim_cur, left, limit.rlim_cur - left + wanted);
}

void restore_descriptor_limit() {
  rlimit limit{};
  if (limit_before == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit_before;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace cutwater::supervise

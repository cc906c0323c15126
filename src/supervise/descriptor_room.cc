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

}  // namespace

// Beside these the shared memory, with two wake-ups for each front, and the other ends of lane sockets.
unsigned descriptors_of_generation(unsigned workers, unsigned fronts) {
  return kOfZygote + 1 + 2 * fronts + workers * (kOfEachWorker + fronts) + fronts + kWhileStarting;
}

// Found by trying: which of them are open already is known to nobody, and the whole system has a limit too.
std::string lack_of_descriptors(unsigned wanted) {
  std::vector<base::FileDescriptor> tried;
  while (tried.size() < wanted) {
    base::FileDescriptor another(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!another.valid()) break;
    tried.push_back(std::move(another));
  }
  if (tried.size() == wanted) return "";
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
      wanted, limit.rlim_cur, tried.size(), limit.rlim_cur - tried.size() + wanted);
}

}  // namespace cutwater::supervise

#include "io/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string_view>

namespace cutwater::io {

namespace {

constexpr int kToRead = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
constexpr int kToKnow = O_PATH | O_CLOEXEC;
constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
constexpr int kAttempts = 8;  // RESOLVE_BENEATH gives EAGAIN when a rename races with ".."

// One segment at a time, following nothing.
OpenOutcome open_step_by_step(int root, std::string_view path, int how) {
  base::FileDescriptor folder;
  int at = root;
  for (;;) {
    size_t slash = path.find('/');
    std::string segment(path.substr(0, slash));
    if (segment.empty() || segment == "..") return {{}, EXDEV};
    if (slash == std::string_view::npos || slash + 1 == path.size()) {
      int flags = how | O_NOFOLLOW | (slash == std::string_view::npos ? 0 : O_DIRECTORY);
      base::FileDescriptor file(openat(at, segment.c_str(), flags));
      int error = file.valid() ? 0 : errno;
      return {std::move(file), error};
    }
    base::FileDescriptor next(openat(at, segment.c_str(), O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC));
    if (!next.valid()) return {{}, errno};
    folder = std::move(next);
    at = folder.get();
    path.remove_prefix(slash + 1);
  }
}

OpenOutcome open_resolved(int root, const std::string& path, int flags, uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags);
  how.resolve = resolve;
  int descriptor = static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
  return {base::FileDescriptor(descriptor), descriptor < 0 ? errno : 0};
}

std::atomic<bool> has_openat2{true};
std::atomic<bool> has_cached_resolve{true};

OpenOutcome open_slowly(int root, const std::string& path, int flags) {
  if (!has_openat2) return open_step_by_step(root, path, flags);
  OpenOutcome outcome;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    outcome = open_resolved(root, path, flags, kResolve);
    if (outcome.error != EAGAIN && outcome.error != EINTR) break;
  }
  if (outcome.error == ENOSYS || outcome.error == EPERM) {
    // EPERM is also a file's own answer: only a probe of the root tells a sandbox from it.
    OpenOutcome probe = open_resolved(root, ".", flags, kResolve);
    if (probe.error == ENOSYS || probe.error == EPERM) {
      has_openat2 = false;
      return open_step_by_step(root, path, flags);
    }
  }
  return outcome;
}

OpenOutcome open_from_cache(int root, const std::string& path, int flags) {
  if (!has_openat2 || !has_cached_resolve) return {{}, EAGAIN};
  OpenOutcome outcome = open_resolved(root, path, flags, kResolve | RESOLVE_CACHED);
  if (outcome.error == EINVAL) has_cached_resolve = false;  // before Linux 5.12
  if (outcome.error == ENOSYS || outcome.error == EPERM || outcome.error == EINVAL) outcome.error = EAGAIN;
  return outcome;
}

}  // namespace

OpenOutcome open_beneath(int root, const std::string& path) {
  return open_slowly(root, path, kToRead);
}
OpenOutcome open_beneath_cached(int root, const std::string& path) {
  return open_from_cache(root, path, kToRead);
}
OpenOutcome find_beneath(int root, const std::string& path) {
  return open_slowly(root, path, kToKnow);
}
OpenOutcome find_beneath_cached(int root, const std::string& path) {
  return open_from_cache(root, path, kToKnow);
}

OpenOutcome find_folder(const std::string& path) {
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  if (has_openat2) {
    OpenOutcome outcome = open_resolved(AT_FDCWD, path, kFlags, RESOLVE_NO_MAGICLINKS);
    if (outcome.error != ENOSYS && outcome.error != EPERM) return outcome;
  }
  base::FileDescriptor folder(open(path.c_str(), kFlags));
  const int error = folder.valid() ? 0 : errno;
  return {std::move(folder), error};
}

}  // namespace cutwater::io

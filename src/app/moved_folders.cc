#include "app/moved_folders.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <utility>

#include "base/clock.h"

namespace cutwater::app {

namespace {

// Whoever waits for a server of files that does not answer supervises nothing meanwhile.
constexpr int kNotOverTheNetwork = AT_STATX_DONT_SYNC;

}  // namespace

MovedFolders::MovedFolders(io::Loop& loop, base::LogSink& log, std::function<void(size_t)> moved)
    : log_(log), moved_(std::move(moved)), next_(loop.timers(), [this] { look(); }) {}

// Nothing while there is none, as in the middle of a build: what was held stays until there is another.
std::optional<MovedFolders::Identity> MovedFolders::identity_of(const struct statx& status) {
  if (!S_ISDIR(status.stx_mode)) return std::nullopt;
  return Identity{makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino};
}

std::optional<MovedFolders::Identity> MovedFolders::identity_at(const std::string& path) {
  struct statx status;
  if (statx(AT_FDCWD, path.c_str(), kNotOverTheNetwork, STATX_TYPE | STATX_INO, &status) != 0) return std::nullopt;
  return identity_of(status);
}

void MovedFolders::watch(std::vector<RouteFolder> folders, const std::vector<base::FileDescriptor>& held) {
  watched_.clear();
  for (size_t number = 0; number < folders.size() && number < held.size(); ++number) {
    struct statx status;
    if (statx(held[number].get(), "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO, &status) != 0) continue;
    if (const auto identity = identity_of(status)) {
      watched_.emplace(number, Watched{std::move(folders[number]), *identity, *identity});
    }
  }
  if (!watched_.empty()) next_.set(base::monotonic_now() + kEvery);
}

void MovedFolders::look() {
  for (auto& [number, watched] : watched_) {
    const auto now = identity_at(watched.folder.path);
    if (!now || *now == watched.last) continue;
    watched.last = *now;
    log_.info(watched.folder.what + ": " + watched.folder.path + " is another folder now");
    moved_(number);
  }
  next_.set(base::monotonic_now() + kEvery);
}

std::vector<size_t> MovedFolders::moved() const {
  std::vector<size_t> numbers;
  for (const auto& [number, watched] : watched_) {
    if (watched.last != watched.held) numbers.push_back(number);
  }
  return numbers;
}

}  // namespace cutwater::app

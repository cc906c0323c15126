#include "app/app_output.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string_view>

namespace cutwater::app {
namespace {

constexpr size_t kPiece = 64 * 1024;
constexpr size_t kLongestLine = 64 * 1024;  // a longer one is passed on in pieces

}  // namespace

base::Result<std::unique_ptr<AppOutput>> AppOutput::open(io::Loop& loop, ConsoleLog& log, std::optional<uid_t> user) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::system_error("a pipe for an app's standard error");
  base::FileDescriptor reading(ends[0]);
  base::FileDescriptor writing(ends[1]);
  fcntl(reading.get(), F_SETFL, O_NONBLOCK);
  if (user && fchown(writing.get(), *user, static_cast<gid_t>(-1)) != 0) {
    return base::system_error("the owner of a pipe for an app's standard error");
  }
  return std::unique_ptr<AppOutput>(new AppOutput(loop, log, std::move(reading), std::move(writing)));
}

AppOutput::AppOutput(io::Loop& loop, ConsoleLog& log, base::FileDescriptor reading, base::FileDescriptor writing)
    : log_(log),
      reading_(std::move(reading)),
      writing_(std::move(writing)),
      watcher_(loop, reading_.get(), EPOLLIN, [this](uint32_t) { read_once(); }) {}

bool AppOutput::read_once() {
  char buffer[kPiece];
  const ssize_t size = ::read(reading_.get(), buffer, sizeof buffer);
  if (size <= 0) return false;
  rest_.append(buffer, static_cast<size_t>(size));
  const size_t last_end = rest_.rfind('\n');
  const size_t whole = last_end != std::string::npos ? last_end + 1 : rest_.size() >= kLongestLine ? rest_.size() : 0;
  if (whole == 0) return true;
  log_.pass_on(std::string_view(rest_).substr(0, whole));
  rest_.erase(0, whole);
  return true;
}

void AppOutput::finish() {
  int waiting = 0;
  ioctl(reading_.get(), FIONREAD, &waiting);
  for (int pieces = waiting / static_cast<int>(kPiece) + 1; pieces > 0 && read_once(); --pieces) {
  }
  if (!rest_.empty()) log_.pass_on(rest_ + "\n");
  rest_.clear();
}

}  // namespace cutwater::app

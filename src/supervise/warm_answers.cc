#include "supervise/warm_answers.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "control/channel.h"

namespace cutwater::supervise {

base::Result<std::pair<WarmAnswers, base::FileDescriptor>> WarmAnswers::make() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::system_error("pipe");
  base::FileDescriptor reading(ends[0]);
  base::FileDescriptor writing(ends[1]);
  if (fcntl(reading.get(), F_SETFL, O_NONBLOCK) != 0) return base::system_error("pipe");
  return std::pair(WarmAnswers(std::move(reading)), std::move(writing));
}

WarmAnswers::Outcome WarmAnswers::receive(nlohmann::json& body) {
  while (true) {
    const size_t end = unread_.find('\n');
    if (end != std::string::npos) {
      auto parsed = control::parse_message(std::string_view(unread_).substr(0, end));
      unread_.erase(0, end + 1);
      if (!parsed) return Outcome::kNoMessage;
      body = std::move(*parsed);
      return Outcome::kMessage;
    }
    if (unread_.size() > PIPE_BUF) return Outcome::kNoMessage;
    char buffer[PIPE_BUF];
    const ssize_t size = read(pipe_.get(), buffer, sizeof buffer);
    if (size == 0) return Outcome::kEnd;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN ? Outcome::kNothing : Outcome::kEnd;
    unread_.append(buffer, static_cast<size_t>(size));
  }
}

}  // namespace cutwater::supervise

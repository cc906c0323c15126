#include "handler/cgi_run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/stream.h"

namespace cutwater::handler {

namespace {

constexpr unsigned kReadsPerTurn = 4;  // of an error stream: a script that floods it must not hold the loop
constexpr unsigned kLastReads = 16;    // more than a pipe holds

}  // namespace

CgiRun::CgiRun(Place place)
    : place_(std::move(place)),
      errors_log_(place_.log, place_.pace, place_.who, place_.request_id, "CW0707", place_.method, place_.path),
      wake_(place_.loop.timers(),
            [this] {
              if (waiter_) std::exchange(waiter_, nullptr).resume();
            }),
      deadline_(place_.loop.timers(), [this] { on_deadline(); }) {}

CgiRun::~CgiRun() {
  if (script_ && !end_) place_.runner.forget(*script_);
}

base::Result<void> CgiRun::make_pipe(base::FileDescriptor& ours, base::FileDescriptor& theirs) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::system_error("pipe");
  ours.reset(ends[0]);
  theirs.reset(ends[1]);
  // This end alone: programs do not expect an output that would block to fail.
  if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return base::system_error("pipe");
  return {};
}

CgiRun::Begun CgiRun::begin(control::StartScript start, base::FileDescriptor script, base::FileDescriptor input) {
  std::vector<base::FileDescriptor> descriptors(control::StartScript::kDescriptors);
  descriptors[0] = std::move(script);
  descriptors[1] = std::move(input);
  if (!make_pipe(output_, descriptors[2]) || !make_pipe(errors_, descriptors[3])) return Begun::kNoRoom;
  errors_watch_.emplace(place_.loop, errors_.get(), EPOLLIN, [this](uint32_t) { read_errors(); });
  script_ = place_.runner.start(std::move(start), std::move(descriptors), *this);
  if (!script_) return Begun::kTooLarge;
  left_ = place_.timeout;
  hold_time(false);
  return Begun::kYes;
}

void CgiRun::kill() {
  if (script_ && !end_) place_.runner.end(*script_);
}

void CgiRun::leave() {
  if (!std::exchange(listener_, nullptr) || !end_) return;
  deadline_.cancel();
  place_.over(*this);
}

void CgiRun::hold_time(bool hold) {
  if ((end_ && !listener_) || timed_out_ || hold != deadline_.armed()) return;
  const base::Instant now = place_.loop.now();
  if (hold) {
    left_ = deadline_.deadline() - now;
    deadline_.cancel();
  } else {
    deadline_.set(now + left_);
  }
}

void CgiRun::on_deadline() {
  timed_out_ = true;
  kill();
  if (listener_) {
    listener_->on_run_over();
  } else {
    place_.log.warning("CW0705",
                       fmt::format("{}: a script ran on after its answer until its time was over; it is ended\n"
                                   "fix: let a service do what takes so long, or raise `timeout` of the route",
                                   place_.who));
  }
}

bool CgiRun::read_errors_once() {
  const std::span<char> buffer = io::shared_read_buffer();
  const ssize_t size = ::read(errors_.get(), buffer.data(), buffer.size());
  if (size > 0) errors_log_.on_stderr({buffer.data(), static_cast<size_t>(size)});
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) errors_watch_.reset();
  return size > 0;
}

void CgiRun::read_errors() {
  for (unsigned reads = 0; reads < kReadsPerTurn && errors_watch_ && read_errors_once();) ++reads;
}

void CgiRun::on_script_end(const ScriptEnd& end) {
  end_ = end;
  for (unsigned reads = 0; reads < kLastReads && errors_watch_ && read_errors_once();) ++reads;
  errors_watch_.reset();
  errors_.reset();
  if (waiter_) wake_.set(base::Instant{0});
  const bool is_lost = end.kind != ScriptEnd::Kind::kExited && end.kind != ScriptEnd::Kind::kKilled;
  if (!listener_) {
    deadline_.cancel();
    return place_.over(*this);
  }
  if (is_lost) return listener_->on_run_over();
  const base::Instant held_until = place_.loop.now() + kHeldOutput;
  left_ = std::min(left_, kHeldOutput);
  if (deadline_.armed()) deadline_.set(std::min(deadline_.deadline(), held_until));
}

void CgiRun::Ended::await_suspend(std::coroutine_handle<> waiter) {
  run_.waiter_ = waiter;
  run_.wake_.set(run_.place_.loop.now() + patience_);
}

std::string describe(const ScriptEnd& end) {
  if (end.kind != ScriptEnd::Kind::kKilled) return fmt::format("exited with status {}", end.code);
  const char* name = sigabbrev_np(end.signal);
  return name ? fmt::format("was killed by SIG{}", name) : fmt::format("was killed by signal {}", end.signal);
}

}  // namespace cutwater::handler

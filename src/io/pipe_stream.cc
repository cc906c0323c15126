#include "io/pipe_stream.h"

#include <unistd.h>

namespace cutwater::io {

namespace {

constexpr uint32_t kEnded = EPOLLHUP | EPOLLERR;  // reported whether asked for or not

}  // namespace

PipeStream::PipeStream(Loop& loop, base::FileDescriptor pipe)
    : loop_(loop), pipe_(std::move(pipe)), deadline_(loop.timers(), [this] { on_deadline(); }) {}

PipeStream::~PipeStream() {
  if (registered_) loop_.remove(pipe_.get(), *this);
}

IoResult PipeStream::read(std::span<char> into) {
  if (cut_) return {IoStatus::kEndOfStream};
  ssize_t count;
  do {
    count = ::read(pipe_.get(), into.data(), into.size());
  } while (count < 0 && errno == EINTR);
  if (count > 0) return {IoStatus::kDone, static_cast<size_t>(count)};
  if (count == 0) return {IoStatus::kEndOfStream};
  if (errno == EAGAIN) {
    ended_ = false;  // somebody has opened it anew, by /dev/stdout say
    return {IoStatus::kWouldBlock};
  }
  return {IoStatus::kFailed, 0, errno};
}

// Whoever waits goes on when the loop comes to its timers: never from within this call.
void PipeStream::shut_down() {
  cut_ = true;
  if (reader_) deadline_.set(base::Instant{0});
}

bool PipeStream::start_wait(ReadinessAwaiter& wait, bool for_reading, base::Instant deadline) {
  if (!for_reading || ended_ || cut_) return false;
  watch(EPOLLIN);
  cut_ = !registered_;  // epoll refused: nothing could ever be heard of it
  if (cut_) return false;
  reader_ = &wait;
  if (deadline != base::kNever) {
    deadline_.set(deadline);
  } else {
    deadline_.cancel();
  }
  return true;
}

void PipeStream::forget_wait(ReadinessAwaiter& wait, bool) {
  if (reader_ == &wait) reader_ = nullptr;
}

void PipeStream::on_events(uint32_t events) {
  if (events & kEnded) {
    ended_ = true;
    loop_.remove(pipe_.get(), *this);  // it would be reported in every turn
    registered_ = false;
  } else if (!reader_) {
    watch(0);
  }
  if (reader_) resume(reader_, WaitResult::kReady);
}

void PipeStream::on_deadline() {
  if (!reader_) return;
  if (cut_ || reader_->deadline() <= loop_.now())
    return resume(reader_, cut_ ? WaitResult::kReady : WaitResult::kTimedOut);
  deadline_.set(reader_->deadline());
}

void PipeStream::watch(uint32_t events) {
  if (!registered_) {
    registered_ = loop_.add(pipe_.get(), events, *this).ok();
  } else if (events != interest_) {
    loop_.modify(pipe_.get(), events, *this);
  }
  interest_ = events;
}

}  // namespace cutwater::io

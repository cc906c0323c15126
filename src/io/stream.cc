#include "io/stream.h"

#include <algorithm>
#include <utility>

namespace cutwater::io {

ReadinessAwaiter::~ReadinessAwaiter() {
  if (waiter_) stream_.forget_wait(*this, for_reading_);
}

bool ReadinessAwaiter::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  if (stream_.start_wait(*this, for_reading_, deadline_)) return true;
  waiter_ = nullptr;
  return false;
}

void Stream::resume(ReadinessAwaiter*& slot, WaitResult result) {
  ReadinessAwaiter* wait = std::exchange(slot, nullptr);
  wait->result_ = result;
  std::exchange(wait->waiter_, nullptr).resume();
}

std::span<char> shared_read_buffer() {
  constexpr size_t kSize = 64 * 1024;
  thread_local const std::unique_ptr<char[]> buffer(new char[kSize]);
  return {buffer.get(), kSize};
}

}  // namespace cutwater::io

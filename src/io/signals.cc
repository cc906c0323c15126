#include "io/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace cutwater::io {

base::Result<std::unique_ptr<SignalWatcher>> SignalWatcher::create(Loop& loop, std::initializer_list<int> signals,
                                                                   Callback callback) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  if (int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return base::system_error("blocking signals", error);
  }
  base::FileDescriptor descriptor(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!descriptor.valid()) return base::system_error("signalfd");
  auto watcher = std::make_unique<SignalWatcher>(loop, std::move(descriptor), std::move(callback));
  if (!watcher->watcher_.valid()) return base::Error{"signals cannot be watched"};
  return watcher;
}

SignalWatcher::SignalWatcher(Loop& loop, base::FileDescriptor descriptor, Callback callback)
    : descriptor_(std::move(descriptor)),
      callback_(std::move(callback)),
      watcher_(loop, descriptor_.get(), EPOLLIN, [this](uint32_t) { read_signals(); }) {}

void SignalWatcher::read_signals() {
  signalfd_siginfo batch[16];
  while (true) {
    const ssize_t count = ::read(descriptor_.get(), batch, sizeof batch);
    if (count <= 0) return;
    const size_t signals = static_cast<size_t>(count) / sizeof batch[0];
    for (size_t index = 0; index < signals; ++index) callback_(static_cast<int>(batch[index].ssi_signo));
  }
}

void ignore_signals_of_the_master() {
  for (int number : kSignalsOfTheMaster) signal(number, SIG_IGN);
}

void reset_signals_for_child(std::span<const int> ignored) {
  struct sigaction action {};
  for (int signal = 1; signal < NSIG; ++signal) {
    const bool is_ignored = std::find(ignored.begin(), ignored.end(), signal) != ignored.end();
    action.sa_handler = is_ignored ? SIG_IGN : SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace cutwater::io

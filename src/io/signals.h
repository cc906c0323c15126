// SignalWatcher: signals as calls on the loop. The signals are blocked and read from a signalfd, so they
// interrupt nothing and arrive between other events.
#pragma once

#include <signal.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <span>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/watch.h"

namespace cutwater::io {

class SignalWatcher {
 public:
  // Called once per delivered signal. The kernel merges equal pending signals: SIGCHLD means "one or more".
  using Callback = std::function<void(int signal)>;
  // Blocks `signals` in this thread; make it before other threads start, they inherit the mask. The signals
  // stay blocked when the watcher ends. `loop` outlives it; the callback may stop the loop but not destroy
  // the watcher.
  static base::Result<std::unique_ptr<SignalWatcher>> create(Loop& loop, std::initializer_list<int> signals,
                                                             Callback callback);
  SignalWatcher(Loop& loop, base::FileDescriptor descriptor, Callback callback);

 private:
  void read_signals();

  base::FileDescriptor descriptor_;
  Callback callback_;
  CallbackWatcher watcher_;
};

// Those that mean something to the master alone. Who sends one to all processes of the server (systemctl kill, pkill)
// must end or stop none of the others.
inline constexpr int kSignalsOfTheMaster[] = {SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU};
void ignore_signals_of_the_master();

// Between fork and exec: default dispositions (SIGPIPE included), but for what is ignored, and an empty mask.
// Async-signal-safe.
void reset_signals_for_child(std::span<const int> ignored = {});

}  // namespace cutwater::io

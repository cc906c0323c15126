// AppOutput: what an app writes to its standard error, on its way to the server's log when that is a file: print(),
// logging, warnings, the last words of a crash. A pipe and not the file itself: so it goes to the new file after a
// rotation, and the app needs no right to the log. A pipe of its own: no app sees or garbles what another one says.
// Lines are passed on as they are, whole ones at a time.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "app/console_log.h"
#include "base/file_descriptor.h"
#include "base/result.h"
#include "io/watch.h"

namespace cutwater::app {

class AppOutput {
 public:
  // `loop` and `log` outlive it. `user`: the app's own, who may then open /dev/stderr; nullopt: ours.
  static base::Result<std::unique_ptr<AppOutput>> open(io::Loop& loop, ConsoleLog& log, std::optional<uid_t> user);

  // What becomes the app's standard error.
  int descriptor() const { return writing_.get(); }
  // What has come until now, a line without an end included. When the app has ended: what it left behind may go on.
  void finish();

 private:
  AppOutput(io::Loop& loop, ConsoleLog& log, base::FileDescriptor reading, base::FileDescriptor writing);
  bool read_once();

  ConsoleLog& log_;
  const base::FileDescriptor reading_;
  const base::FileDescriptor writing_;
  std::string rest_;  // of a line that has not ended
  io::CallbackWatcher watcher_;
};

}  // namespace cutwater::app

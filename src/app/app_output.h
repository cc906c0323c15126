// AppOutput: what apps write to their standard error, on its way to the server's log when that is a file: print(),
// logging, warnings, the last words of a crash. A pipe and not the file itself: so it goes to the new file after a
// rotation, and apps need no right to the log. Lines are passed on as they are, whole ones at a time.
#pragma once

#include <memory>
#include <string>

#include "app/console_log.h"
#include "base/file_descriptor.h"
#include "base/result.h"
#include "io/watch.h"

namespace cutwater::app {

class AppOutput {
 public:
  // `loop` and `log` outlive it.
  static base::Result<std::unique_ptr<AppOutput>> open(io::Loop& loop, ConsoleLog& log);

  // What becomes an app's standard error. Open for reading too, so that without a master nobody gets EPIPE.
  int descriptor() const { return writing_.get(); }
  // Everything that has come, a line without an end included. When all apps have ended.
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

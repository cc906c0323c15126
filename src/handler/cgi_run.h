// CgiRun: one script from its start to its end, which may come long after its answer: its error stream goes to the log,
// it is ended when its time is over, and as long as it runs it counts for the route's `max`. So does an output that it
// left to others, while somebody waits for that to end.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "handler/script_runner.h"
#include "handler/stderr_log.h"
#include "io/loop.h"
#include "io/timer.h"
#include "io/watch.h"

namespace cutwater::handler {

// Who waits for the answer.
class CgiRunListener {
 public:
  virtual ~CgiRunListener() = default;
  // The script's time is over, or the spawner took it along: nothing more is to be expected.
  virtual void on_run_over() = 0;
};

class CgiRun final : public ScriptWatcher {
 public:
  struct Place {
    io::Loop& loop;
    ScriptRunner& runner;
    base::LogSink& log;
    StderrPace& pace;
    std::string who;      // "cgi /cgi-bin/*", for the log
    uint64_t request_id;  // likewise
    std::string method;   // likewise
    std::string path;
    base::Duration timeout;
    std::function<void(CgiRun&)> over;  // it has ended, and nobody listens: destroys it, maybe
  };
  // What `place` names outlives the run.
  explicit CgiRun(Place place);
  ~CgiRun() override;
  CgiRun(const CgiRun&) = delete;
  CgiRun& operator=(const CgiRun&) = delete;

  // How long an output may be held by others when the script has ended. The spawner ends within two seconds all that it
  // can know of; what still holds it then is not of this server.
  static constexpr base::Duration kHeldOutput = std::chrono::seconds(3);

  enum class Begun { kYes, kTooLarge, kNoRoom };
  // Makes the pipes and asks for the start. `over` is called only after kYes.
  Begun begin(control::StartScript start, base::FileDescriptor script, base::FileDescriptor input);
  base::FileDescriptor take_output() { return std::move(output_); }

  // Until leave(), which whoever listens calls when the output is of no more use. May end the run.
  void listen(CgiRunListener& listener) { listener_ = &listener; }
  void leave();
  void kill();
  // While a client holds the script up its time stands still.
  void hold_time(bool hold);
  bool timed_out() const { return timed_out_; }
  const std::optional<ScriptEnd>& ended() const { return end_; }

  // co_await a named one: until the script's end is known, but no longer than `patience`.
  class [[nodiscard]] Ended {
   public:
    Ended(CgiRun& run, base::Duration patience) : run_(run), patience_(patience) {}
    ~Ended() { run_.waiter_ = nullptr; }
    Ended(const Ended&) = delete;
    Ended& operator=(const Ended&) = delete;
    bool await_ready() const { return run_.end_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiter);
    void await_resume() const {}

   private:
    CgiRun& run_;
    base::Duration patience_;
  };

  void on_script_end(const ScriptEnd& end) override;

 private:
  base::Result<void> make_pipe(base::FileDescriptor& ours, base::FileDescriptor& theirs);
  void read_errors();
  bool read_errors_once();
  void on_deadline();

  Place place_;
  StderrLog errors_log_;
  base::FileDescriptor output_;
  base::FileDescriptor errors_;
  std::optional<io::CallbackWatcher> errors_watch_;
  CgiRunListener* listener_ = nullptr;
  std::optional<uint64_t> script_;
  std::optional<ScriptEnd> end_;
  bool timed_out_ = false;
  base::Duration left_{};
  std::coroutine_handle<> waiter_;
  io::Timer wake_;
  io::Timer deadline_;
};

// "exited with status 3", "was killed by SIGSEGV": to be put behind the script's name.
std::string describe(const ScriptEnd& end);

}  // namespace cutwater::handler

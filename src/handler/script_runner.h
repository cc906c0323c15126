// ScriptRunner: a front's way to the spawner: scripts are started, ended and waited for by messages. While the spawner
// is being replaced, what is asked for waits a moment.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "control/channel.h"
#include "control/script_messages.h"
#include "io/loop.h"
#include "io/timer.h"
#include "io/watch.h"

namespace cutwater::handler {

// How a script ended, or why it did not begin.
struct ScriptEnd {
  enum class Kind {
    kExited,       // `code`
    kKilled,       // by `signal`
    kRefused,      // not started: `reason` and `text` are the spawner's
    kSpawnerGone,  // the spawner died, and with it what it had started
    kNoSpawner,    // there was none for as long as requests wait for one
  } kind = Kind::kExited;
  int code = 0;
  int signal = 0;
  std::string reason = {};
  std::string text = {};
};

class ScriptWatcher {
 public:
  virtual ~ScriptWatcher() = default;
  // Once for each script, from within the loop's dispatch. May start others.
  virtual void on_script_end(const ScriptEnd& end) = 0;
};

// Who else asks the same spawner for something, and is answered by messages of its own.
class SpawnerUser {
 public:
  virtual ~SpawnerUser() = default;
  virtual void on_spawner_here() = 0;  // a new one, that runs nothing yet
  virtual void on_spawner_gone() = 0;  // and all that it ran
  virtual void on_spawner_message(const control::Message& message) = 0;
};

class ScriptRunner {
 public:
  static constexpr base::Duration kPatience = std::chrono::seconds(2);  // with no spawner

  explicit ScriptRunner(io::Loop& loop);
  ScriptRunner(const ScriptRunner&) = delete;
  ScriptRunner& operator=(const ScriptRunner&) = delete;

  // At most one, which outlives this or is taken back by nullptr. Before connect().
  void serve_also(SpawnerUser* user) { user_ = user; }
  // For that one. False: there is no spawner.
  bool ask(const nlohmann::json& body, const std::vector<base::FileDescriptor>& descriptors);

  // To a new spawner: the one before, and all that it ran, is gone.
  void connect(base::FileDescriptor channel);
  // `tell` hears what the spawner has to say of scripts in general.
  void on_notice(std::function<void(const std::string&)> tell) { tell_ = std::move(tell); }

  // `descriptors` as control::StartScript has them; they are closed here as soon as the spawner has them. `watcher`
  // outlives the script, or is taken out by forget(). Gives the script's number; nullopt: the variables are too large
  // for a message.
  std::optional<uint64_t> start(control::StartScript start, std::vector<base::FileDescriptor> descriptors,
                                ScriptWatcher& watcher);
  void end(uint64_t script);
  // Ends it, and tells nobody.
  void forget(uint64_t script);

 private:
  struct Waiting {
    uint64_t script;
    nlohmann::json message;
    std::vector<base::FileDescriptor> descriptors;
    base::Instant until;
  };
  enum class Sent { kYes, kTooLarge, kGone };
  Sent send(const nlohmann::json& body, const std::vector<base::FileDescriptor>& descriptors);
  void on_events();
  void on_message(const control::Message& message);
  void tell(uint64_t script, const ScriptEnd& end);
  void lose_spawner();
  void give_up_waiting();

  io::Loop& loop_;
  SpawnerUser* user_ = nullptr;
  std::function<void(const std::string&)> tell_;
  std::optional<control::Channel> channel_;
  std::unique_ptr<io::CallbackWatcher> listening_;
  std::map<uint64_t, ScriptWatcher*> running_;
  std::deque<Waiting> waiting_;
  io::Timer patience_;
  uint64_t last_ = 0;
};

}  // namespace cutwater::handler

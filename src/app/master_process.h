// Master: the loop that starts, watches and replaces everything else. Signals become calls, deaths become
// calls, messages become calls; each is a short function below.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/app_output.h"
#include "app/console_log.h"
#include "app/master.h"
#include "app/master_fronts.h"
#include "app/master_sockets.h"
#include "app/master_spawner.h"
#include "io/signals.h"
#include "supervise/app_supervisor.h"
#include "supervise/repeated_messages.h"

namespace cutwater::app {

class Master : public io::TurnHook {
 public:
  Master(const ServeRequest& request, config::Loaded loaded);
  ~Master() override;

  int run();  // the exit code
  bool end_of_turn() override;

 private:
  bool prepare();
  bool start();
  bool start_fronts();
  bool make_apps();
  bool start_apps();
  bool choose_identity_of_fronts();
  base::Result<supervise::AppSpec> spec_of(const config::App& app, const supervise::AppSpec* before);

  void on_signal(int signal);
  void on_stop_signal(int number);
  std::string ending_line(std::string_view signal) const;
  void reload();
  bool may_take(const config::Config& fresh);
  std::optional<std::vector<supervise::AppSpec>> specs_of(const config::Config& fresh);
  supervise::AppSupervisor* find_app(const std::string& name);
  void warn_of_front_settings(const config::Config& fresh);
  void reopen_logs();
  void renew_pools();
  void renew_roots();

  void on_front_message(unsigned front, control::Message& message);
  void on_front_started(unsigned front);
  void on_front_gone(unsigned front);
  void announce_when_serving();

  void stop(base::Duration grace);  // gracefully; zero: now
  void end_apps();
  void finish_when_over();
  void give_up(int exit_code);
  bool stopping() const { return stop_deadline_ != base::kNever; }

  const ServeRequest request_;
  config::Config config_;
  std::string configuration_file_;                     // of the settings that apps have by now
  bool configuration_is_empty_;                        // likewise: they set nothing, or there are none
  std::optional<supervise::Identity> front_identity_;  // as root: chosen once, for fronts that are started later, too
  ConsoleLog log_;
  io::Loop loop_;
  supervise::RepeatedMessages app_log_{loop_, log_};               // what apps and their processes make us say
  std::map<std::string, std::unique_ptr<AppOutput>> app_outputs_;  // by app; none: they have our standard error
  supervise::Children children_{loop_};
  std::unique_ptr<io::SignalWatcher> signals_;
  Sockets sockets_;
  std::string library_;
  std::unique_ptr<FrontGroup> fronts_;
  std::unique_ptr<supervise::World> world_;
  std::vector<std::unique_ptr<supervise::AppSupervisor>> apps_;
  std::unique_ptr<MasterSpawner> spawner_;
  io::Timer announce_timer_;
  base::Instant announce_by_ = base::kNever;
  io::Timer stop_timer_;
  base::Instant stop_deadline_ = base::kNever;
  bool asked_to_stop_ = false;
  bool apps_ending_ = false;
  bool announced_ = false;
  bool reload_waits_ = false;
  int exit_code_ = 0;
};

}  // namespace cutwater::app

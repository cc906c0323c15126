// AppSupervisor: one app through all its generations. The one that serves stays until a newer one is ready; a
// newer one that fails is thrown away and its failure shown. At most one starts at a time and at most one
// reload waits.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervise/changes_at_start.h"
#include "supervise/code_watch.h"
#include "supervise/generation.h"
#include "supervise/restart_policy.h"

namespace cutwater::supervise {

class AppSupervisor : public io::TurnHook {
 public:
  struct Events {
    std::function<void()> first_served;                     // the first generation takes the traffic
    std::function<void(const BootFailure&)> never_started;  // the first generation failed: there is nothing to serve
    std::function<void()> ended;                            // after end(): nothing of the app runs any more
  };
  // `world` must outlive this.
  AppSupervisor(World& world, AppSpec spec, Events events);
  ~AppSupervisor() override;

  void start() { begin(); }
  // A new generation beside the old one. While one starts the request waits; more requests are one.
  void reload(AppSpec spec, const std::string& why);
  // With the settings that it was given last, also those that still wait.
  void reload_as_it_is(const std::string& why) { reload(waiting_ ? *waiting_ : spec_, why); }
  // reload() will be called when nothing starts any more: told, and what has been starting for too long is given up.
  void on_reload_waits(const std::string& why);
  // More or fewer workers, within what the generation has room for; those after it have so many, too.
  void scale(int change);
  // Everything ends: finish what runs, be gone after `grace`. May be called again with less.
  void end(base::Duration grace);

  // Messages of a front, by its number; those about other apps or generations long gone are ignored.
  void on_front_message(unsigned front, const control::Message& message);
  void introduce_front(unsigned front);
  void on_front_gone(unsigned front);

  const std::string& name() const { return spec_.name; }
  const Generation* serving() const { return serving_.get(); }
  bool starting() const { return starting_ && starting_->state() < Generation::State::kEnding; }
  bool over() const { return ending_ && !serving_ && !starting_ && retired_.empty(); }
  bool end_of_turn() override;

 private:
  void begin();
  void give_up_start();
  void on_ready();
  void on_failed(const BootFailure& failure);
  void on_needs_successor(const std::string& why);
  void on_imported();
  bool workers_start() const;
  bool is_news(const std::string& path);
  void tell_own_change(const std::string& path, bool is_news);
  void on_code_changed(const std::string& path, base::Instant at);
  void watch_code(const control::WatchFolders& found);
  Generation* find(uint64_t number);
  template <class Work>
  void for_each(Work work);
  void check_invariants() const;

  World& world_;
  AppSpec spec_;
  Events events_;
  std::unique_ptr<Generation> serving_;
  std::unique_ptr<Generation> starting_;
  std::vector<std::unique_ptr<Generation>> retired_;
  std::optional<AppSpec> waiting_;  // the reload that comes after the one that starts
  std::string waiting_told_;        // why, as the log has it
  base::Instant last_began_{};      // when the last generation began to start
  base::Instant last_ready_{};      // when the last one became ready that did
  base::Duration last_start_{};     // how long the last generation took that became ready
  io::Timer give_up_;
  uint64_t next_number_ = 1;
  std::string last_failure_;  // of a new generation that nobody asked for, as the log has it
  int extra_workers_ = 0;     // TTIN, TTOU; kept over reloads
  int extra_at_start_ = 0;    // when the last generation began
  bool ending_ = false;
  bool end_told_ = false;
  ChangesAtStart changes_at_start_;
  std::string changed_at_start_;  // for which a reload comes later
  base::Duration later_wait_{};   // from the end of the start
  io::Timer later_;
  RestartPolicy successors_{{.short_life = std::chrono::seconds(1)}};  // of what was lost soon after it was ready
  io::Timer successor_;
  CodeWatch code_watch_;
};

}  // namespace cutwater::supervise

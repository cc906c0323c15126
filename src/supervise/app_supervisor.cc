#include "supervise/app_supervisor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace cutwater::supervise {

AppSupervisor::AppSupervisor(World& world, AppSpec spec, Events events)
    : world_(world),
      spec_(std::move(spec)),
      events_(std::move(events)),
      give_up_(world.loop.timers(),
               [this] {
                 if (starting()) give_up_start();
               }),
      later_(world.loop.timers(), [this] { reload_as_it_is(changed_at_start_ + " changed"); }),
      successor_(world.loop.timers(),
                 [this] {
                   if (!starting_ && !waiting_ && !world_.is_stopping()) begin();
                 }),
      code_watch_(
          world.loop, world.log, [this](const std::string& path, base::Instant at) { on_code_changed(path, at); },
          [this](const std::string& path) { return is_news(path); }) {
  world_.loop.add_hook(*this);
}

AppSupervisor::~AppSupervisor() {
  world_.loop.remove_hook(*this);
}

template <class Work>
void AppSupervisor::for_each(Work work) {
  for (auto& generation : retired_) work(*generation);
  if (serving_) work(*serving_);
  if (starting_) work(*starting_);
}

void AppSupervisor::begin() {
  if (starting_) retired_.push_back(std::move(starting_));  // it failed in this turn
  waiting_.reset();
  waiting_told_.clear();
  give_up_.cancel();
  AppSpec spec = spec_;
  const int wanted = static_cast<int>(spec.workers) + extra_workers_;
  spec.workers = static_cast<unsigned>(std::clamp(wanted, 1, static_cast<int>(Generation::kMostWorkers)));
  extra_workers_ = extra_at_start_ = static_cast<int>(spec.workers) - static_cast<int>(spec_.workers);
  // What could not be forked the last time is not imported twice again to find the same.
  const bool lone = serving_ && serving_->lone() && !serving_->imported().fork_safe && spec.preload == "auto";
  starting_ = std::make_unique<Generation>(
      world_, std::move(spec), next_number_++, lone,
      Generation::Events{[this] { on_ready(); }, [this](const BootFailure& failure) { on_failed(failure); },
                         [this](const std::string& why) { on_needs_successor(why); }, [this] { on_imported(); }});
  last_began_ = base::monotonic_now();
  later_.cancel();
  successor_.cancel();
  changes_at_start_.begin();
  starting_->start();
}

void AppSupervisor::reload(AppSpec spec, const std::string& why) {
  if (ending_ || world_.is_stopping()) return;
  last_failure_.clear();  // who asks wants to see why
  if (starting()) {
    on_reload_waits(why);
    waiting_ = std::move(spec);
    return;
  }
  spec_ = std::move(spec);
  world_.log.info(fmt::format("{}: {}; generation {} starts", spec_.name, why, next_number_));
  begin();
}

void AppSupervisor::on_reload_waits(const std::string& why) {
  if (!starting() || ending_ || std::exchange(waiting_told_, why) == why) return;
  const base::Instant now = base::monotonic_now();
  const Journey& journey = starting_->journey();
  std::string until = fmt::format("generation {} comes after it", next_number_);
  if (serving_) {
    const base::Duration left = std::max(spec_.start_patience, 2 * last_start_) - journey.lasted(now);
    give_up_.set(now + left);
    until =
        left > base::Duration::zero() ? fmt::format("{}, in {} at most", until, to_seconds(left)) : "it is given up";
  }
  world_.log.info(fmt::format("{}: {}; generation {} is still starting ({}), {}", spec_.name, why, starting_->number(),
                              journey.where(now), until));
}

// Whoever asked may yet be refused, as a HUP with a broken configuration: then it is tried once more as it was. And the
// next start has as long as this one had, and twice that.
void AppSupervisor::give_up_start() {
  if (!waiting_) waiting_ = spec_;
  last_start_ = std::max(last_start_, starting_->journey().lasted(base::monotonic_now()));
  starting_->give_up();
}

// From the first import on, before there is a worker: what is saved while they start is not missed. A file saved before
// that, and after the import had read it, is told by the generation itself.
void AppSupervisor::on_imported() {
  if (!serving_) watch_code(starting_->watch());
  const std::string& changed = starting_->watch().changed;
  if (!changed.empty()) code_watch_.tell_stale(changed);
}

void AppSupervisor::on_ready() {
  const bool first = !serving_;
  if (serving_) retired_.push_back(std::move(serving_));
  serving_ = std::move(starting_);
  last_ready_ = base::monotonic_now();
  last_start_ = serving_->journey().lasted(last_ready_);
  give_up_.cancel();
  if (later_.armed()) later_.set(last_ready_ + later_wait_);
  serving_->serve();
  if (extra_workers_ != extra_at_start_) {  // asked for meanwhile
    const int wanted = static_cast<int>(serving_->workers()) + extra_workers_ - extra_at_start_;
    serving_->set_workers(static_cast<unsigned>(std::max(wanted, 1)));
  }
  last_failure_.clear();
  watch_code(serving_->watch());
  if (first) {
    if (events_.first_served) events_.first_served();
    return;
  }
  retired_.back()->drain();
  world_.log.info(
      fmt::format("{}: generation {} serves ({})", spec_.name, serving_->number(), serving_->journey().durations()));
}

void AppSupervisor::on_failed(const BootFailure& failure) {
  if (!serving_) {
    world_.log.error(failure.code, spec_.name + ": " + failure.text);
    world_.fronts.broadcast(control::encode(control::AppFailed{spec_.name, failure.text}));
    events_.never_started(failure);
    return;
  }
  const std::string meanwhile = serving_->ready_workers() > 0
                                    ? fmt::format("generation {} keeps serving", serving_->number())
                                    : "no worker is left, requests are answered 503 until it does";
  // While workers are missing it is tried again and again: the same traceback is worth one look.
  const bool known = failure.text == std::exchange(last_failure_, failure.text);
  world_.log.error(failure.code,
                   fmt::format("{}: new code {} start; {}\n{}", spec_.name, known ? "still does not" : "does not",
                               meanwhile, known ? "with the same error as before" : failure.text));
  serving_->on_successor_failed();
  // And what is watched: the root may have become another folder that nobody could import from.
  control::WatchFolders folders = serving_->watch();
  const std::vector<std::string> watched = code_watch_.folders();
  folders.folders.insert(folders.folders.end(), watched.begin(), watched.end());
  const control::WatchFolders& failed = starting_->watch();
  folders.folders.insert(folders.folders.end(), failed.folders.begin(), failed.folders.end());
  folders.templates.insert(folders.templates.end(), failed.templates.begin(), failed.templates.end());
  folders.pages.insert(folders.pages.end(), failed.pages.begin(), failed.pages.end());
  watch_code(folders);
}

// Forking from today's code into a generation of yesterday's would mix them; so the next need brings a new
// generation.
void AppSupervisor::on_needs_successor(const std::string& why) {
  if (ending_ || starting_ || waiting_ || world_.is_stopping() || successor_.armed()) return;
  const base::Instant now = base::monotonic_now();
  const base::Duration wait = successors_.wait_after(now - last_ready_);
  if (wait == base::Duration::zero()) {
    world_.log.info(fmt::format("{}: {}; generation {} starts", spec_.name, why, next_number_));
    return begin();
  }
  world_.log.info(fmt::format("{}: {}; generation {} starts in {}", spec_.name, why, next_number_, to_seconds(wait)));
  successor_.set(now + wait);
}

// The first one is ready, the others may still import the app themselves, side by side.
bool AppSupervisor::workers_start() const {
  return serving_ && serving_->ready_workers() < serving_->workers() &&
         base::monotonic_now() < last_ready_ + last_start_ * serving_->workers();
}

bool AppSupervisor::is_news(const std::string& path) {
  if (!starting() && !workers_start()) return true;
  const ChangesAtStart::Verdict verdict = changes_at_start_.judge(path);
  if (verdict.is_to_be_told) tell_own_change(path, verdict.is_news);
  if (!verdict.is_news) return false;
  if (verdict.wait == base::Duration::zero()) return true;
  if (!later_.armed()) {
    world_.log.info(fmt::format("{}: {} changed while the app starts, as files did in the starts before: reload in {}",
                                spec_.name, path, to_seconds(verdict.wait)));
  }
  changed_at_start_ = path;
  later_wait_ = verdict.wait;
  later_.set(base::monotonic_now() + later_wait_);
  return false;
}

// `is_news`: other files did in the starts before.
void AppSupervisor::tell_own_change(const std::string& path, bool is_news) {
  const std::string what =
      is_news ? fmt::format(
                    "files changed in each of the last {} starts of the app, at last {}: it seems to write them, "
                    "and is reloaded for such changes up to 5 minutes later",
                    ChangesAtStart::kStartsOfApp, path)
              : fmt::format(
                    "{} changed in each of the last {} starts of the app, which seems to write it: it is not "
                    "reloaded for that file any more, unless it changes while nothing starts",
                    path, ChangesAtStart::kStartsOfApp);
  world_.log.warning("CW0531", fmt::format("{}: {}; for others it is reloaded at once\nfix: let the app write what it "
                                           "keeps to a file that is no code, or set app.{}.watch",
                                           spec_.name, what, spec_.name));
}

// Nothing new for what began later and has read it, for one because of a signal.
void AppSupervisor::on_code_changed(const std::string& path, base::Instant at) {
  if (last_began_ <= at) reload_as_it_is(path + " changed");
}

void AppSupervisor::watch_code(const control::WatchFolders& found) {
  code_watch_.watch(CodeWatch::to_mode(spec_.watch), spec_.root, found.folders, found.templates, found.pages);
  if (!found.left_out.empty()) code_watch_.tell_left_out(found.left_out);
}

void AppSupervisor::scale(int change) {
  if (!serving_ || ending_) return;
  const unsigned before = serving_->workers();
  serving_->set_workers(static_cast<unsigned>(std::max(static_cast<int>(before) + change, 1)));
  const unsigned now = serving_->workers();
  extra_workers_ += static_cast<int>(now) - static_cast<int>(before);
  const char* why = "";
  if (now == before && change < 0) why = ", the fewest there can be";
  if (now == before && change > 0) {
    why = now == Generation::kMostWorkers ? ", the most there can be" : ", the most there is room for until a reload";
  }
  world_.log.info(spec_.name + ": " + base::counted(now, "worker") + why);
}

void AppSupervisor::end(base::Duration grace) {
  ending_ = true;
  waiting_.reset();
  later_.cancel();
  successor_.cancel();
  code_watch_.watch(CodeWatch::Mode::kOff, spec_.root, {});
  for_each([grace](Generation& generation) { generation.end(grace); });
}

Generation* AppSupervisor::find(uint64_t number) {
  Generation* found = nullptr;
  for_each([&](Generation& generation) {
    if (generation.number() == number) found = &generation;
  });
  return found;
}

void AppSupervisor::on_front_message(unsigned front, const control::Message& message) {
  const std::string type = message.type();
  auto read = [&]<class Body>(Body, auto use) {
    base::Result<Body> decoded = control::decode<Body>(message.body);
    if (!decoded || decoded->app != spec_.name) return;
    if (Generation* generation = find(decoded->generation)) use(*generation, *decoded);
  };
  if (type == control::LaneFree::kType) {
    read(control::LaneFree(), [front](Generation& it, auto& body) { it.on_lane_free(front, body.lane); });
  } else if (type == control::WorkerStuck::kType) {
    read(control::WorkerStuck(), [](Generation& it, auto& body) { it.on_stuck(body); });
  } else if (type == control::WorkerBroken::kType) {
    read(control::WorkerBroken(), [](Generation& it, auto& body) { it.on_broken(body); });
  } else if (type == control::GenerationDrained::kType) {
    read(control::GenerationDrained(), [front](Generation& it, auto&) { it.on_drained(front); });
  }
}

void AppSupervisor::introduce_front(unsigned front) {
  for_each([front](Generation& generation) { generation.introduce_front(front); });
}

void AppSupervisor::on_front_gone(unsigned front) {
  for_each([front](Generation& generation) { generation.on_front_gone(front); });
}

bool AppSupervisor::end_of_turn() {
  for_each([](Generation& generation) { generation.sweep(); });
  size_t changes =
      std::erase_if(retired_, [](const auto& generation) { return generation->state() == Generation::State::kOver; });
  if (serving_ && serving_->state() == Generation::State::kOver) {
    serving_.reset();
    ++changes;
  }
  if (starting_ && starting_->state() >= Generation::State::kEnding) {
    // It failed, or everything ends: what is left of it goes in the background.
    retired_.push_back(std::move(starting_));
    ++changes;
  }
#ifndef NDEBUG
  check_invariants();
#endif
  if (!starting_ && waiting_ && !ending_) {
    AppSpec spec = std::move(*waiting_);
    reload(std::move(spec), "asked again meanwhile");
  }
  if (over() && !std::exchange(end_told_, true) && events_.ended) events_.ended();
  return changes > 0;
}

void AppSupervisor::check_invariants() const {
  const auto check = [](const Generation& generation, auto... allowed) {
    generation.check_invariants();
    if (((generation.state() != allowed) && ...)) std::abort();
  };
  using State = Generation::State;
  if (serving_) check(*serving_, State::kServing, State::kEnding);
  if (starting_) check(*starting_, State::kStarting);
  for (const auto& generation : retired_) check(*generation, State::kDraining, State::kEnding, State::kOver);
  if (!starting_ && !serving_ && !retired_.empty() && waiting_) std::abort();
}

}  // namespace cutwater::supervise

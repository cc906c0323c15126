#include "supervise/warm_pythons.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace cutwater::supervise {

namespace {

constexpr size_t kMostPlaces = 64;  // remembered, those without an interpreter included
constexpr size_t kMostTold = 1000;
// One that never was ready will hardly be at the next try.
constexpr base::Duration kFirstWait = std::chrono::seconds(30);
constexpr base::Duration kLongestWait = std::chrono::hours(1);

std::string key_of(const WarmCommand& command) {
  std::string key = command.identity ? std::to_string(command.identity->user) : "";
  for (const auto* part : {&command.words, &command.environment}) {
    key += '\n';
    for (const std::string& word : *part) key.append(word).push_back('\0');
  }
  return key;
}

std::string who_of(const WarmCommand& command) {
  return fmt::format("{} as {}", fmt::join(command.words, " "),
                     command.identity ? command.identity->name : current_identity().name);
}

}  // namespace

WarmPythons::WarmPythons(io::Loop& loop, ProgramGroups& groups, Options options,
                         std::function<void(const std::string&)> notice)
    : loop_(loop),
      groups_(groups),
      options_(std::move(options)),
      notice_(std::move(notice)),
      sweep_(loop.timers(), [this] { sweep(); }) {}

WarmPythons::~WarmPythons() = default;

// Of the interpreter and of the file that makes it one of a virtual environment.
WarmPythons::Fingerprint WarmPythons::fingerprint_of(const std::string& executable) {
  Fingerprint fingerprint;
  const std::string folder = executable.substr(0, executable.rfind('/'));
  size_t at = 0;
  for (const std::string& file : {executable, folder + "/../pyvenv.cfg"}) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) status = {};
    for (int64_t value : {static_cast<int64_t>(status.st_dev), static_cast<int64_t>(status.st_ino),
                          static_cast<int64_t>(status.st_size),
                          int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec}) {
      fingerprint.values[at++] = value;
    }
  }
  return fingerprint;
}

std::optional<uint64_t> WarmPythons::run(WarmCommand command, control::RunScript message,
                                         const std::array<int, 5>& descriptors, const std::string& file,
                                         WarmRunWatcher& watcher) {
  if (options_.library.empty()) return std::nullopt;
  command.library = options_.library;
  Place* const place = place_for(key_of(command), command);
  if (!place || !place->python) return std::nullopt;
  const uint64_t run = ++last_run_;
  if (!place->python->run(run, std::move(message), descriptors, command.most_processes)) return std::nullopt;
  place->used_at = base::monotonic_now();
  runs_.emplace(run, Run{place->python.get(), &watcher, file});
  return run;
}

// nullptr: there is none for it, and none can be had now.
WarmPythons::Place* WarmPythons::place_for(const std::string& key, const WarmCommand& command) {
  const Fingerprint fingerprint = fingerprint_of(command.words.front());
  auto found = places_.find(key);
  if (found != places_.end()) {
    settle(found->second);
    if (found->second.fingerprint != fingerprint) {
      retire(found->second);
      places_.erase(found);
      found = places_.end();
    } else if (found->second.python) {
      return is_usable(found->second) ? &found->second : nullptr;
    }
  }
  const base::Instant now = base::monotonic_now();
  if (found != places_.end() && now < found->second.not_before) return nullptr;
  if (!make_room()) {
    say_no_room(key, command);
    return nullptr;
  }
  Place& place = places_[key];
  place.fingerprint = fingerprint;
  place.who = who_of(command);
  place.started_at = now;
  place.used_at = now;
  place.python = std::make_unique<WarmPython>(loop_, groups_, static_cast<WarmPythonOwner&>(*this), options_.patience);
  const std::string why = place.python->start(command);
  if (!why.empty()) {
    place.python.reset();
    note_failure(place, why);
    return nullptr;
  }
  if (!sweep_.armed()) sweep_.set(now + options_.idle);
  return is_usable(place) ? &place : nullptr;
}

// A request waits for the start of an interpreter, but only where starts are known to end.
bool WarmPythons::is_usable(Place& place) {
  if (!place.python->accepts()) return false;
  if (place.python->is_ready()) place.hung = 0;
  return place.hung == 0;
}

void WarmPythons::say_no_room(const std::string& key, const WarmCommand& command) {
  if (told_.size() >= kMostTold || !told_.insert(key).second) return;
  notice_(fmt::format("scripts that run by {} start it anew: {} other warm ones are in use, and there are no more",
                      who_of(command), options_.most));
}

bool WarmPythons::make_room() {
  const auto is_older = [](const auto& one, const auto& other) { return one.second.used_at < other.second.used_at; };
  if (places_.size() >= kMostPlaces) {
    std::erase_if(places_, [](const auto& each) { return !each.second.python; });
  }
  const auto count =
      std::count_if(places_.begin(), places_.end(), [](const auto& each) { return each.second.python != nullptr; });
  if (static_cast<size_t>(count) < options_.most) return true;
  auto oldest = places_.end();
  for (auto each = places_.begin(); each != places_.end(); ++each) {
    if (!each->second.python || each->second.python->has_waiting()) continue;
    if (base::monotonic_now() - each->second.used_at < options_.keep) continue;
    if (oldest == places_.end() || is_older(*each, *oldest)) oldest = each;
  }
  if (oldest == places_.end()) return false;
  retire(oldest->second);
  places_.erase(oldest);
  return true;
}

// What can take no more makes its place free, and why is said.
void WarmPythons::settle(Place& place) {
  if (!place.python || place.python->accepts()) return;
  note_failure(place, place.python->why_unfit());
  retire(place);
}

void WarmPythons::retire(Place& place) {
  if (!place.python) return;
  place.python->retire();
  retired_.push_back(std::move(place.python));
  if (!sweep_.armed()) sweep_.set(base::monotonic_now() + options_.idle);
}

void WarmPythons::note_failure(Place& place, const std::string& why) {
  const base::Instant now = base::monotonic_now();
  const bool was_ready = place.python && place.python->is_ready();
  const base::Duration wait = place.policy.wait_after(was_ready ? now - place.started_at : base::Duration::zero());
  const base::Duration longer = std::min(kLongestWait, kFirstWait * (1 << std::min(place.hung, 7U)));
  if (!was_ready) ++place.hung;
  place.not_before = now + (was_ready ? wait : std::max(wait, longer));
  if (why.empty() || std::exchange(place.was_told, true)) return;
  notice_(fmt::format("scripts that run by {} start it anew each time{}: {}", place.who,
                      was_ready ? ", until there is another warm one" : ", no warm one can be had", why));
}

void WarmPythons::sweep() {
  const base::Instant now = base::monotonic_now();
  base::Instant next = base::kNever;
  for (auto& [key, place] : places_) {
    settle(place);
    if (!place.python) continue;
    if (now - place.used_at >= options_.idle && !place.python->has_waiting()) {
      retire(place);
    } else {
      next = std::min(next, std::max(place.used_at, now - options_.idle / 2) + options_.idle);
    }
  }
  std::erase_if(retired_, [](const auto& python) { return python->is_over(); });
  if (!retired_.empty()) next = std::min(next, now + options_.idle);
  if (next != base::kNever) sweep_.set(next);
}

void WarmPythons::end(uint64_t run) {
  const auto found = runs_.find(run);
  if (found != runs_.end()) found->second.python->end_run(run);
}

void WarmPythons::forget(uint64_t run) {
  const auto found = runs_.find(run);
  if (found == runs_.end()) return;
  found->second.watcher = nullptr;
  found->second.python->end_run(run);
}

bool WarmPythons::on_program_end(pid_t pid, const ExitStatus& status) {
  bool was_one = false;
  for (auto& [key, place] : places_) was_one |= place.python && place.python->on_program_end(pid, status);
  for (auto& python : retired_) was_one |= python->on_program_end(pid, status);
  if (was_one) {
    for (auto& [key, place] : places_) settle(place);
  }
  return was_one;
}

void WarmPythons::renew() {
  for (auto& [key, place] : places_) retire(place);
  places_.clear();
  told_.clear();
}

void WarmPythons::on_run_begun(uint64_t run, pid_t pid) {
  const auto found = runs_.extract(run);
  if (found.empty()) return;
  if (found.mapped().watcher) return found.mapped().watcher->on_warm_begin(run, pid);
  groups_.end(pid);
}

void WarmPythons::on_run_refused(uint64_t run, const std::string& why) {
  const auto found = runs_.extract(run);
  if (found.empty()) return;
  if (!why.empty() && told_.size() < kMostTold && told_.insert(found.mapped().file).second) {
    notice_(fmt::format("{}: starts a Python anew each time: {}", found.mapped().file, why));
  }
  if (found.mapped().watcher) found.mapped().watcher->on_warm_refusal(run);
}

void WarmPythons::on_run_over(uint64_t run, const ExitStatus& status) {
  const auto found = runs_.extract(run);
  if (!found.empty() && found.mapped().watcher) found.mapped().watcher->on_warm_end(run, status);
}

}  // namespace cutwater::supervise

#include "app/front_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "app/master_fronts.h"

namespace cutwater::app {

namespace {

constexpr base::Duration kGrace = std::chrono::seconds(2);

supervise::ProcessPoolOptions options_of(const config::Pool& pool, const config::Config& config) {
  supervise::ProcessPoolOptions options;
  options.max = share_of(pool.processes.max, config);
  options.min = pool.processes.min == 0 ? 0 : std::min(options.max, share_of(pool.processes.min, config));
  options.spare = pool.processes.spare == 0 ? 0 : std::min(options.max, share_of(pool.processes.spare, config));
  options.idle = pool.processes.idle;
  options.max_works = pool.max_requests;
  return options;
}

handler::GatewayPoolOptions line_of(const config::Pool& pool) {
  return {pool.name, pool.timeout, pool.queue, pool.queue_timeout};
}

}  // namespace

FrontPool::FrontPool(const Place& place, const config::Config& config, unsigned number)
    : GatewayPool(place.loop, line_of(config.pools.at(number))),
      place_(place),
      number_(number),
      who_("pool " + config.pools[number].name),
      process_timeout_(config.pools[number].timeout),
      slow_(config.pools[number].slow),
      has_spare_(config.pools[number].processes.spare > 0),
      problems_(place.log),
      pace_(place.loop),
      processes_(options_of(config.pools[number], config), *this, std::random_device()()),
      tick_(place.loop.timers(), [this] { settle(); }) {}

FrontPool::~FrontPool() {
  tick_.cancel();
}

void FrontPool::open() {
  processes_.open(loop_.now());
  settle();
}

void FrontPool::close() {
  processes_.close();
  unstarted_.clear();
  for (auto& [id, process] : std::exchange(known_, {})) {
    if (!process->ended()) process->set_ended(false);
  }
  ended_.clear();
  tick_.cancel();
}

void FrontPool::renew() {
  processes_.renew(loop_.now());
  settle();
}

// ---- what the spawner says

void FrontPool::on_started(uint64_t id, pid_t pid) {
  const auto found = known_.find(id);
  if (found == known_.end()) return;
  found->second->set_pid(pid);
  processes_.on_started(id, loop_.now());
  settle();
}

void FrontPool::on_refused(uint64_t id, const std::string& why) {
  known_.erase(id);
  processes_.on_refused(id, loop_.now());
  const size_t line = why.find('\n');
  problems_.write(base::Severity::kError, "CW0711",
                  fmt::format("{}: a process cannot be started: {}{}{}", who_, why.substr(0, line), pause_text(),
                              line == std::string::npos ? "" : why.substr(line)),
                  loop_.now());
  settle();
}

// Its last answer may not have been read yet.
void FrontPool::on_ended(uint64_t id, const supervise::ExitStatus& status) {
  const auto found = known_.find(id);
  if (found == known_.end()) return;
  const std::shared_ptr<handler::PooledProcess> process = found->second;
  ended_.emplace(id, status);
  process->set_ended(status.clean());
  if (process->in_use() || !known_.contains(id)) return;
  processes_.take_back(id, loop_.now());
  conclude(id);
}

void FrontPool::conclude(uint64_t id) {
  const auto found = known_.find(id);
  const auto end = ended_.find(id);
  if (found == known_.end() || end == ended_.end()) return;
  const std::shared_ptr<handler::PooledProcess> process = std::move(found->second);
  const supervise::ExitStatus status = end->second;
  known_.erase(found);
  ended_.erase(end);
  tell(*process, status, processes_.on_ended(id, status, loop_.now()));
  settle();
}

std::string FrontPool::pause_text() const {
  const auto pause = std::chrono::duration<double>(processes_.paused_until() - loop_.now()).count();
  if (pause <= 0) return "; it is tried again";
  return fmt::format("; the next try is in {:.1f} s, and requests are answered 503 when no process is left", pause);
}

void FrontPool::tell(const handler::PooledProcess& process, const supervise::ExitStatus& status,
                     supervise::EndKind kind) {
  const std::string what = fmt::format("{}: {} {}", who_, process.name(), status.describe());
  switch (kind) {
    case supervise::EndKind::kAsked:
    case supervise::EndKind::kByItself:
      return;
    case supervise::EndKind::kAtWork:
      return problems_.write(base::Severity::kError, "CW0712",
                             fmt::format("{} while it ran {}; another one is started\n"
                                         "fix: look at what that page does; the client got 502, or a cut",
                                         what, process.request()),
                             loop_.now());
    case supervise::EndKind::kUnprovoked:
      return problems_.write(base::Severity::kWarning, "CW0712",
                             fmt::format("{} while it had nothing to do; another one is started when it is needed\n"
                                         "fix: look at who ended it",
                                         what),
                             loop_.now());
    case supervise::EndKind::kNeverWorked:
      return problems_.write(base::Severity::kError, "CW0713",
                             fmt::format("{} before it had answered anything{}\n"
                                         "fix: run its command by hand, as its user; it must speak FastCGI on "
                                         "descriptor 0",
                                         what, pause_text()),
                             loop_.now());
  }
}

// ---- what the line of requests asks

std::shared_ptr<handler::PooledProcess> FrontPool::take() {
  const auto id = processes_.take();
  if (!id) return nullptr;
  if (has_spare_) tick_.set(base::Instant{0});
  return known_.at(*id);
}

void FrontPool::give_back(handler::PooledProcess& process) {
  processes_.take_back(process.id(), loop_.now());
  settle();
}

bool FrontPool::is_paused() const {
  return processes_.paused(loop_.now());
}

void FrontPool::on_waiting() {
  processes_.set_waiting(waiting(), loop_.now());
  settle();
}

std::string FrontPool::retry_after() const {
  constexpr std::chrono::seconds kLeast{1};
  const auto pause = std::chrono::ceil<std::chrono::seconds>(processes_.paused_until() - loop_.now());
  return std::to_string(std::max(kLeast, pause).count());
}

// ---- what ProcessPool decides

// Its kept connection would keep it from hearing the signal's consequence: it waits there for another request.
void FrontPool::end_process(uint64_t id, supervise::EndReason reason) {
  const auto found = known_.find(id);
  if (found == known_.end()) return;
  found->second->peer().pool().close_all();
  place_.spawner.end(*this, id, reason == supervise::EndReason::kFailed ? base::Duration::zero() : kGrace);
}

void FrontPool::start_process(uint64_t id) {
  auto process = std::make_shared<handler::PooledProcess>(
      handler::PooledProcess::Place{loop_, *this, place_.log, pace_, who_, process_timeout_, slow_}, id);
  if (auto opened = process->open(place_.directory); !opened) {
    unstarted_.emplace(id, opened.error().message);
    tick_.set(base::Instant{0});
    return;
  }
  std::vector<base::FileDescriptor> descriptors = process->take_descriptors();
  known_.emplace(id, std::move(process));
  place_.spawner.start(*this, id, std::move(descriptors));
}

// ---- what processes tell

void FrontPool::on_use_over(handler::PooledProcess& process, handler::ProcessUse how) {
  const uint64_t id = process.id();
  if (!known_.contains(id)) return;  // the spawner took it along
  if (how == handler::ProcessUse::kDone) processes_.release(id, loop_.now());
  if (how == handler::ProcessUse::kNotBegun) processes_.take_back(id, loop_.now());
  if (ended_.contains(id)) return conclude(id);
  if (how == handler::ProcessUse::kLost) processes_.give_up(id);
  settle();
}

void FrontPool::on_time_over(handler::PooledProcess& process) {
  problems_.write(base::Severity::kError, "CW0714",
                  fmt::format("{}: {} ran in {} for longer than timeout; that process is killed\n"
                              "fix: raise `timeout` of the pool, or look at what keeps it",
                              who_, process.request(), process.name()),
                  loop_.now());
  processes_.give_up(process.id());
  settle();
}

// What each change may lead to; and it may come again from within.
void FrontPool::settle() {
  if (std::exchange(settling_, true)) {
    tick_.set(base::Instant{0});
    return;
  }
  const base::Instant now = loop_.now();
  for (const auto& [id, why] : std::exchange(unstarted_, {})) on_refused(id, why);
  processes_.tick(now);
  serve_line();
  if (is_paused()) refuse_line();
  settling_ = false;
  const base::Instant next = unstarted_.empty() ? processes_.next() : base::Instant{0};
  next == base::kNever ? tick_.cancel() : tick_.set(next);
}

}  // namespace cutwater::app

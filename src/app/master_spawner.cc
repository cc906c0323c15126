#include "app/master_spawner.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "app/front_identity.h"
#include "app/master_specs.h"
#include "app/spawner.h"
#include "config/route_pattern.h"
#include "control/script_messages.h"
#include "supervise/program_groups.h"

namespace cutwater::app {

namespace {

constexpr base::Duration kNow = base::Duration::zero();
constexpr base::Duration kGrace = std::chrono::seconds(1);
constexpr base::Duration kOrphanPause = std::chrono::milliseconds(20);
constexpr base::Duration kOrphanPatience = std::chrono::milliseconds(500);

bool is_cgi(const config::Route& route) {
  return route.kind == config::Route::Kind::kCgi;
}

std::optional<uid_t> front_user_of(const config::Config& config) {
  const auto identity = choose_front_identity(config);
  return identity ? std::optional(identity->user) : std::nullopt;
}

// In the order of the routes: the numbers that fronts call them by. Their folders are those of Sockets::static_roots().
std::vector<supervise::ScriptEntry> script_entries(const config::Config& config, std::vector<int>& folders,
                                                   const Sockets& sockets) {
  std::vector<supervise::ScriptEntry> entries;
  size_t root = config.static_routes.size();
  for (const config::Route& route : config.routes) {
    if (!has_scripts(route)) continue;
    const size_t number = root++;
    if (!is_cgi(route)) continue;
    supervise::ScriptEntry entry;
    entry.root = route.cgi.root == "/" ? "" : route.cgi.root;
    entry.user = route.cgi.user;
    entry.suffixes = route.cgi.suffixes;
    // The fronts keep to `max`, one at least each; as many again may be ending that a front before them had started.
    entry.most = 2 * std::max<size_t>(route.cgi.most, front_count(config));
    entry.interpreters = route.cgi.interpreters;
    entry.environment = route.cgi.environment;
    if (route.auth) entry.variables = route.auth->variables;
    entry.warm = route.cgi.warm == "true";
    folders.push_back(sockets.static_roots().at(number).get());
    entries.push_back(std::move(entry));
  }
  return entries;
}

// In the order of the configuration: the numbers that fronts call them by.
std::vector<supervise::PoolEntry> pool_entries(const config::Config& config) {
  std::vector<supervise::PoolEntry> entries;
  for (const config::Pool& pool : config.pools) {
    supervise::PoolEntry entry;
    entry.name = pool.name;
    entry.command = pool.command;
    entry.root = pool.root;
    entry.user = pool.user;
    entry.environment = pool.environment;
    entry.most = share_of(pool.processes.max, config);
    entry.in_all = entry.most * front_count(config);
    entries.push_back(std::move(entry));
  }
  return entries;
}

// Whether that process was started with what every CGI script and every process of a pool has, by them if not by the
// spawner.
bool comes_from_a_program(pid_t pid) {
  const std::string of_pool = std::string(supervise::kPoolVariable) + "=";
  std::ifstream file(fmt::format("/proc/{}/environ", pid), std::ios::binary);
  for (std::string variable; std::getline(file, variable, '\0');) {
    if (variable == "GATEWAY_INTERFACE=CGI/1.1" || variable.starts_with(of_pool)) return true;
  }
  return false;
}

}  // namespace

bool starts_programs(const config::Config& config) {
  return !config.pools.empty() || std::any_of(config.routes.begin(), config.routes.end(), is_cgi);
}

MasterSpawner::MasterSpawner(io::Loop& loop, supervise::Children& children, base::LogSink& log,
                             const config::Config& config, std::optional<uid_t> front_user, Sockets& sockets,
                             FrontGroup& fronts)
    : loop_(loop),
      children_(children),
      log_(log),
      config_(config),
      front_user_(front_user),
      sockets_(sockets),
      fronts_(fronts),
      restart_(loop.timers(),
               [this] {
                 if (ending_) return;
                 if (start()) {
                   introduce_all();
                 } else {
                   restart_after({});
                 }
               }),
      orphans_(loop.timers(), [this] { end_orphans(); }) {}

bool MasterSpawner::start() {
  auto channels = control::Channel::make_pair();
  if (!channels) {
    log_.error("CW0803", "no spawner can be started: " + channels.error().message + kLimitsFix);
    return false;
  }
  auto& [ours, theirs] = *channels;
  std::vector<int> folders;
  std::vector<supervise::ScriptEntry> entries = script_entries(config_, folders, sockets_);
  std::vector<int> keep = sockets_.files().descriptors();
  keep.insert(keep.end(), folders.begin(), folders.end());
  keep.push_back(theirs.descriptor());
  auto started = supervise::fork_role(std::move(keep), [&, descriptor = theirs.descriptor()] {
    // In the child the parent's owners are never destroyed, so the numbers can be owned anew.
    for (size_t number = 0; number < folders.size(); ++number) entries[number].folder.reset(folders[number]);
    return run_spawner({control::Channel(base::FileDescriptor(descriptor)), sockets_.files(), std::move(entries),
                        pool_entries(config_), front_user_, find_library().ok() ? *find_library() : ""});
  });
  if (!started) {
    log_.error("CW0803", "no spawner can be started: " + started.error().message + kLimitsFix);
    return false;
  }
  started_at_ = base::monotonic_now();
  process_ = std::make_unique<supervise::ManagedProcess>(
      loop_, children_, std::move(*started), std::move(ours),
      supervise::ManagedProcess::Events{[](control::Message&) {},
                                        [this](const supervise::ExitStatus& status) { on_exit(status); },
                                        [this](const std::string&) { process_->terminate_after(kNow, kGrace); }});
  return true;
}

void MasterSpawner::introduce(unsigned front) {
  if (!running() || !fronts_.running(front)) return;
  if (!starts_programs(config_)) return;
  auto channels = control::Channel::make_pair();
  if (!channels) {
    log_.error("CW0803", "a front cannot be given the spawner: " + channels.error().message + kLimitsFix);
    return;
  }
  process_->send(control::encode(control::ServeFront{front}), {channels->first.descriptor()});
  fronts_.send(front, control::encode(control::SpawnerStarted{}), {channels->second.descriptor()});
}

void MasterSpawner::introduce_all() {
  for (unsigned front = 0; front < fronts_.count(); ++front) introduce(front);
}

void MasterSpawner::renew_warm() {
  if (running()) process_->send(control::encode(control::RenewWarm{}));
}

void MasterSpawner::end(base::Duration patience, base::Duration grace) {
  ending_ = true;
  restart_.cancel();
  if (process_) process_->end(patience, grace);
}

void MasterSpawner::on_exit(const supervise::ExitStatus& status) {
  if (ending_) return;
  log_.warning("CW0803", fmt::format("the spawner {}; another one is started", status.describe()));
  restart_after(base::monotonic_now() - started_at_);
  orphans_until_ = base::monotonic_now() + kOrphanPatience;
  end_orphans();
}

// The kernel kills the scripts of a spawner that dies, but not what they had started themselves: that falls to this
// process. Who loses its parent only then comes a moment later, so it is looked for until none has come for a while.
void MasterSpawner::end_orphans() {
  const base::Instant now = base::monotonic_now();
  for (pid_t pid : supervise::children_of_this_thread()) {
    if (children_.knows(pid) || !comes_from_a_program(pid)) continue;
    orphans_until_ = now + kOrphanPatience;
    const pid_t group = getpgid(pid);
    kill(group > 1 && group != getpgrp() ? -group : pid, SIGKILL);
  }
  if (now < orphans_until_) orphans_.set(now + kOrphanPause);
}

void MasterSpawner::restart_after(base::Duration lived) {
  restart_.set(base::monotonic_now() + policy_.wait_after(lived));
}

bool check_script_users(const config::Config& config, base::LogSink& log) {
  bool all = true;
  for (const config::Route& route : config.routes) {
    if (!is_cgi(route) || route.cgi.user.empty()) continue;
    const std::string who = fmt::format("the scripts at {} cannot run as {}", pattern_of(route), route.cgi.user);
    const auto identity = supervise::find_identity(route.cgi.user);
    std::string why;
    if (!identity) {
      why = identity.error().message;
    } else if (supervise::running_as_root() && identity->user == 0) {
      why = "no script runs as root";
    } else if (!supervise::running_as_root() && identity->user != supervise::current_identity().user) {
      why = "only root can start programs as another user";
    }
    if (why.empty()) continue;
    log.error("CW0805", fmt::format("{}: {}\nfix: correct `user` of that route", who, why));
    all = false;
  }
  return all;
}

bool check_pool_users(const config::Config& config, base::LogSink& log) {
  bool all = true;
  for (const supervise::PoolEntry& entry : pool_entries(config)) {
    const auto identity = supervise::identity_for_pool(entry, front_user_of(config));
    if (!identity) log.error("CW0805", fmt::format("pool {}: {}", entry.name, identity.error().message));
    all = all && identity;
  }
  return all;
}

bool check_pools(const config::Config& config, base::LogSink& log) {
  bool all = check_pool_users(config, log);
  for (const supervise::PoolEntry& entry : pool_entries(config)) {
    const auto program = supervise::program_of_pool(entry);
    if (!program) log.error("CW0711", fmt::format("pool {}: {}", entry.name, program.error().message));
    all = all && program;
  }
  return all;
}

}  // namespace cutwater::app

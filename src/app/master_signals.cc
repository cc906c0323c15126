// What the master does at each signal (interface.md section 11: gunicorn's table).
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <tuple>

#include "app/front_identity.h"
#include "app/master_process.h"
#include "app/master_specs.h"
#include "base/text.h"

namespace cutwater::app {
namespace {

constexpr base::Duration kNow = base::Duration::zero();
constexpr int kSignalled = 128;
constexpr const char* kAskedToReload = "asked to reload";

auto key_of(const config::Listen& listen) {
  return std::tie(listen.address, listen.backlog, listen.mode, listen.owner, listen.group, listen.protocol,
                  listen.trusted_proxies, listen.trusted_users);
}

auto key_of(const config::StaticRoute& route) {
  return std::tie(route.prefix, route.root, route.index, route.cache);
}

auto key_of(const config::Route& route) {
  return std::tie(route.path, route.exact, route.kind, route.app, route.static_route, route.proxy, route.cgi,
                  route.auth, route.filter);
}

auto key_of(const config::Upstream& upstream) {
  return std::tie(upstream.name, upstream.servers, upstream.balance, upstream.max_fails, upstream.keepalive,
                  upstream.keepalive_written, upstream.look_up, upstream.check.path, upstream.check.every,
                  upstream.check.fails);
}

auto key_of(const config::Pool& pool) {
  return std::tie(pool.name, pool.command, pool.processes, pool.user, pool.root, pool.environment, pool.max_requests,
                  pool.timeout, pool.slow, pool.queue, pool.queue_timeout);
}

template <class Setting>
bool differ(const std::vector<Setting>& left, const std::vector<Setting>& right) {
  return !std::equal(left.begin(), left.end(), right.begin(), right.end(),
                     [](const Setting& one, const Setting& other) { return key_of(one) == key_of(other); });
}

auto key_of(const config::Limits& limits) {
  return std::tie(limits.header, limits.header_count, limits.header_names, limits.body, limits.header_timeout,
                  limits.body_min_rate, limits.keepalive, limits.connections, limits.websocket_message,
                  limits.websocket_unfinished, limits.websocket_ping);
}

bool is_named(const config::Config& config, const std::string& app) {
  return std::any_of(config.apps.begin(), config.apps.end(), [&](const config::App& each) { return each.name == app; });
}

auto key_of(const config::Log& log) {
  return std::tie(log.access, log.format, log.error, log.level);
}

}  // namespace

void Master::on_signal(int signal) {
  switch (signal) {
    case SIGCHLD:
      children_.reap();
      break;
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
      on_stop_signal(signal);
      break;
    case SIGHUP:
      reload_waits_ = true;
      for (auto& app : apps_) app->on_reload_waits(kAskedToReload);
      break;
    case SIGUSR1:
      reopen_logs();
      break;
    case SIGUSR2:
      log_.warning("CW0106",
                   "SIGUSR2: handing over to a new binary is known, not in this version\n"
                   "fix: restart instead; what runs is finished first");
      break;
    case SIGTTIN:
    case SIGTTOU:
      if (stopping()) break;
      for (auto& app : apps_) app->scale(signal == SIGTTIN ? 1 : -1);
      break;
    default:
      break;
  }
}

std::string Master::ending_line(std::string_view signal) const {
  return fmt::format("{}: what runs is finished, for at most {}", signal, base::seconds_text(config_.shutdown_grace));
}

// The first TERM or INT lets what runs finish, and the exit code is 0. A second one, as QUIT, ends all now: the exit
// code then names the signal, as a shell does.
void Master::on_stop_signal(int number) {
  const bool again = std::exchange(asked_to_stop_, true);
  const std::string name = std::string("SIG") + sigabbrev_np(number);
  if (!again && number != SIGQUIT) {
    log_.info(ending_line(name) + (number == SIGINT ? "; Ctrl-C again ends it now" : ""));
    stop(config_.shutdown_grace);
    return;
  }
  log_.info(name + (again ? " after another signal to stop: ending now" : ": ending now"));
  if (exit_code_ == 0) exit_code_ = kSignalled + number;
  stop(kNow);
}

// At the end of the turn; while all apps still start it waits, so a storm of SIGHUP is one reload now and one after.
// Each app that still starts waits for itself: one whose import hangs holds up no other.
void Master::reload() {
  const bool busy =
      !apps_.empty() && std::all_of(apps_.begin(), apps_.end(), [](const auto& app) { return app->starting(); });
  if (busy || !announced_) return;
  reload_waits_ = false;
  config::Loaded fresh = config::load(request_.target, request_.overrides, configuration_file_);
  for (const config::Diagnostic& diagnostic : fresh.diagnostics) {
    if (diagnostic.is_error) {
      log_.error(diagnostic.code, diagnostic.text);
    } else {
      log_.warning(diagnostic.code, diagnostic.text);
    }
  }
  auto specs = fresh.exit_code == 0 && may_take(fresh.config) ? specs_of(fresh.config) : std::nullopt;
  if (!specs) {
    log_.error("CW0807",
               "reload refused: the configuration cannot be used; everything keeps running as it is\n"
               "fix: correct the errors above and send HUP again");
    return;
  }
  configuration_file_ = fresh.config.file;
  configuration_is_empty_ = fresh.config.file.empty() || fresh.config.file_is_empty;
  warn_of_front_settings(fresh.config);
  spawner_->renew_warm();
  renew_pools();
  renew_roots();
  for (supervise::AppSpec& spec : *specs) {
    supervise::AppSupervisor& app = *find_app(spec.name);
    app.reload(std::move(spec), kAskedToReload);
  }
  for (auto& app : apps_) {
    if (!is_named(fresh.config, app->name())) app->reload_as_it_is(kAskedToReload);
  }
}

// Whether a start would, as far as it is about who is whom.
bool Master::may_take(const config::Config& fresh) {
  // As one is that is just being written. With the defaults another user, interpreter and other limits would count.
  const bool lost = fresh.file_is_empty && !configuration_is_empty_;
  if (lost) {
    log_.error("CW0105",
               fmt::format("{} is empty, which had settings\nfix: put them back, or restart to go on without; "
                           "a file that is written elsewhere and moved into place is never seen half",
                           fresh.file));
  }
  const auto apart = check_front_identity(front_identity_, fresh);
  if (!apart) log_.error("CW0403", apart.error().message);
  const bool scripts = check_script_users(fresh, log_);
  const bool pools = check_pool_users(fresh, log_);
  return !lost && apart && scripts && pools;
}

// All of them before any is reloaded: those of apps that are there since the start.
std::optional<std::vector<supervise::AppSpec>> Master::specs_of(const config::Config& fresh) {
  std::vector<supervise::AppSpec> specs;
  bool all = true;
  for (const config::App& app : fresh.apps) {
    supervise::AppSupervisor* known = find_app(app.name);
    if (!known) continue;  // told by warn_of_front_settings
    const supervise::Generation* serving = known->serving();
    auto spec = spec_of(app, serving ? &serving->spec() : nullptr);
    if (spec) {
      specs.push_back(std::move(*spec));
    } else {
      log_.error("CW0805", spec.error().message);
      all = false;
    }
  }
  return all ? std::optional(std::move(specs)) : std::nullopt;
}

supervise::AppSupervisor* Master::find_app(const std::string& name) {
  auto known = std::find_if(apps_.begin(), apps_.end(), [&](const auto& each) { return each->name() == name; });
  return known == apps_.end() ? nullptr : known->get();
}

// A front follows those that it can reach by itself; below a home of mode 0700 it cannot.
void Master::renew_roots() {
  if (!front_identity_) return;  // fronts have the rights of this process
  for (const size_t number : sockets_.reopen_roots(config_, *front_identity_)) {
    for (unsigned front = 0; front < fronts_->count(); ++front) {
      fronts_->send(front, control::encode(control::RootOpened{number}), {sockets_.static_roots()[number].get()});
    }
  }
}

// They read their own settings at their start, php.ini for one.
void Master::renew_pools() {
  if (config_.pools.empty()) return;
  log_.info("reload: the processes of pools make way for new ones, each when it has nothing to do");
  for (unsigned front = 0; front < fronts_->count(); ++front)
    fronts_->send(front, control::encode(control::RenewPools{}), {});
}

void Master::warn_of_front_settings(const config::Config& fresh) {
  std::vector<std::string> changed;
  if (differ(config_.listens, fresh.listens)) changed.push_back("[[listen]]");
  if (differ(config_.routes, fresh.routes) || differ(config_.static_routes, fresh.static_routes)) {
    changed.push_back("routes");
  }
  if (differ(config_.upstreams, fresh.upstreams)) changed.push_back("upstreams");
  if (differ(config_.pools, fresh.pools)) changed.push_back("pools");
  if (config_.fronts != fresh.fronts) changed.push_back("fronts");
  if (config_.front_user != fresh.front_user) changed.push_back("front_user");
  if (config_.shutdown_grace != fresh.shutdown_grace) changed.push_back("[shutdown]");
  if (key_of(config_.limits) != key_of(fresh.limits)) changed.push_back("[limits]");
  if (key_of(config_.log) != key_of(fresh.log)) changed.push_back("[log]");
  const auto names_files = [](const config::App& one, const config::App& other) {
    return one.name == other.name && one.sendfile != other.sendfile;
  };
  for (const config::App& app : config_.apps) {
    for (const config::App& other : fresh.apps) {
      if (names_files(app, other)) changed.push_back("sendfile of app." + app.name);
    }
  }
  const auto same_app = [](const config::App& one, const config::App& other) { return one.name == other.name; };
  if (!std::is_permutation(config_.apps.begin(), config_.apps.end(), fresh.apps.begin(), fresh.apps.end(), same_app)) {
    changed.push_back("the list of apps");
    for (const auto& app : apps_) {
      if (!is_named(fresh, app->name())) changed.back() += " (" + app->name() + " keeps its settings)";
    }
  }
  if (changed.empty()) return;
  log_.warning("CW0808", fmt::format("changes of {} take effect at the next restart; all others do now\n"
                                     "fix: restart when it suits",
                                     fmt::join(changed, ", ")));
}

void Master::reopen_logs() {
  if (auto reopened = log_.reopen(); !reopened) log_.error("CW0809", reopened.error().message);
  fronts_->send_reopen_logs();
}

}  // namespace cutwater::app

#include "app/front.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "app/console_log.h"
#include "app/front_apps.h"
#include "app/front_gates.h"
#include "app/front_identity.h"
#include "app/front_log.h"
#include "app/front_master_link.h"
#include "app/front_pools.h"
#include "app/front_routes.h"
#include "app/master_fronts.h"
#include "app/master_spawner.h"
#include "app/memory_return.h"
#include "base/text.h"
#include "config/exit_codes.h"
#include "handler/access_log.h"
#include "handler/listener_spool.h"
#include "handler/router.h"
#include "handler/script_runner.h"
#include "handler/spool.h"
#include "io/loop.h"
#include "io/offload.h"
#include "io/signals.h"
#include "supervise/identity.h"

namespace cutwater::app {

namespace {

constexpr base::Duration kGraceWithoutMaster = std::chrono::milliseconds(4500);
constexpr size_t kOffloadThreads = 4;
constexpr size_t kFewConnections = 100;    // that the limit of files leaves: hardly meant so
constexpr rlim_t kOtherDescriptors = 512;  // workers, static files, spools, logs

// Descriptors for each client: its connection, and where others are asked the one to such a server and one that is
// kept, or the two pipes of a script, and a spool file each for what goes there and what comes back.
rlim_t descriptors_each(const config::Config& config) {
  const bool asks_others = std::any_of(config.routes.begin(), config.routes.end(), [](const config::Route& route) {
    return route.kind == config::Route::Kind::kProxy || route.auth || route.filter;
  });
  return asks_others || starts_programs(config) ? 5 : 1;
}

// Descriptors beside those of clients.
rlim_t other_descriptors(const config::Config& config) {
  rlim_t others = kOtherDescriptors;
  for (const config::Pool& pool : config.pools) {
    others += handler::PooledProcess::kDescriptors * share_of(pool.processes.max, config);
  }
  return others;
}

// Connections this process has descriptors for, `each` for one.
size_t raise_descriptor_limit(size_t wanted, rlim_t each, rlim_t others) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t left = limit.rlim_cur > 2 * others ? limit.rlim_cur - others : limit.rlim_cur / 2;
  return std::min<size_t>(wanted, left / each);
}

// The second line of defence against a master that vanishes; the first is the channel's EOF. Set after the change of
// user, which clears it.
bool follow_master(pid_t master) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  return getppid() == master;
}

class FrontProcess final : public io::TurnHook {
 public:
  FrontProcess(FrontStart& start, LogFiles files, FrontLog& log, size_t connections);
  ~FrontProcess() override { loop_.remove_hook(*this); }
  base::Result<void> open();
  int run();
  bool end_of_turn() override;

 private:
  void make_observer(base::FileDescriptor access_file);
  void warn_of_other_spool();
  void say_ready();
  void admit_clients();
  void stop(base::Duration grace);
  void give_up();
  void reopen_logs(std::vector<base::FileDescriptor> files);

  FrontStart& start_;
  FrontLog& log_;
  const bool access_is_file_;
  const bool error_is_file_;
  const size_t connections_;
  io::Loop loop_;
  io::Offload offload_;
  handler::SpoolArea spool_;
  handler::ListenerSpool listener_spool_{spool_};
  FrontMasterLink master_;
  handler::ScriptRunner scripts_{loop_};
  FrontPools pools_;
  handler::Router router_;
  FrontApps apps_;
  FrontRoutes routes_;
  LostLines lost_lines_{loop_, log_};
  std::unique_ptr<serve::ExchangeObserver> observer_;
  handler::AccessLog* access_log_ = nullptr;  // the observer, when it is one
  std::unique_ptr<FrontGates> gates_;         // first to go: its connections use everything above
  std::unique_ptr<io::SignalWatcher> signals_;
  io::Timer deadline_;
  MemoryReturn memory_return_{loop_.timers()};
  bool ready_said_ = false;
  bool stopping_ = false;
  bool stop_has_time_ = false;       // else whoever asked for it wants no more to be finished
  bool clients_are_served_ = false;  // the last of them, while stopping
};

FrontProcess::FrontProcess(FrontStart& start, LogFiles files, FrontLog& log, size_t connections)
    : start_(start),
      log_(log),
      access_is_file_(files.access_is_file),
      error_is_file_(files.error_is_file),
      connections_(connections),
      offload_(loop_, kOffloadThreads),
      spool_{offload_, handler::find_spool_directory(), handler::spool_shares(start.config.limits.body)},
      master_(loop_, std::move(start.master), log,
              {[this](base::Duration grace) { stop(grace); },
               [this](std::vector<base::FileDescriptor> reopened) { reopen_logs(std::move(reopened)); },
               [this] { pools_.renew(); },
               [this](uint64_t number, base::FileDescriptor folder) { routes_.offer_root(number, std::move(folder)); },
               [this] { stop(kGraceWithoutMaster); },
               [this](base::FileDescriptor channel) {
                 scripts_.connect(std::move(channel));
                 say_ready();
               }}),
      pools_(loop_, scripts_, spool_.directory, log),
      apps_(router_, {loop_, offload_, spool_, log, master_, start.index}, [this] { admit_clients(); }),
      routes_({router_, loop_, offload_, spool_, scripts_, pools_, log, start.instance, start.index == 0}),
      deadline_(loop_.timers(), [this] { give_up(); }) {
  loop_.add_hook(*this);
  loop_.watch_turns(log);
  scripts_.on_notice([&log](const std::string& text) {
    log.warning("CW0710", "cgi: " + text + "\nfix: see what it names, or write warm = false into `cgi` of the route");
  });
  make_observer(std::move(files.access));
  if (start_.index == 0) warn_of_other_spool();  // one of all fronts
}

void FrontProcess::warn_of_other_spool() {
  const std::string why = handler::why_not_in_tmpdir();
  if (why.empty()) return;
  const std::string instead =
      spool_.directory.empty() ? "stays there, as no folder can be had" : "goes to " + spool_.directory;
  log_.warning("CW0409", "TMPDIR is not used: " + why + "; what is too large for memory " + instead +
                             "\nfix: let user " + supervise::current_identity().name +
                             " make that folder, mode 700, or unset TMPDIR");
}

void FrontProcess::make_observer(base::FileDescriptor access_file) {
  if (!access_file.valid()) {
    observer_ = std::make_unique<handler::NoAccessLog>();
    return;
  }
  const auto format = start_.config.log.format == "json" ? handler::LogFormat::kJson : handler::LogFormat::kCombined;
  auto lost = [this](uint64_t lines, std::string_view why) { lost_lines_.add(lines, why); };
  auto access_log = std::make_unique<handler::AccessLog>(loop_, format, std::move(access_file), std::move(lost));
  access_log_ = access_log.get();
  observer_ = std::move(access_log);
}

base::Result<void> FrontProcess::open() {
  auto signals = io::SignalWatcher::create(loop_, {SIGTERM}, [this](int) { stop(kGraceWithoutMaster); });
  if (!signals) return signals.error();
  signals_ = std::move(*signals);
  apps_.limit_websockets(start_.config.limits);
  for (const config::App& app : start_.config.apps) apps_.add(app);
  pools_.add(start_.config);
  routes_.add(start_.config, std::move(start_.static_roots), apps_, connections_);
  GateServices services{loop_, router_, *observer_, log_, serve_options(start_.config.limits)};
  services.options.connections = connections_;
  services.options.spool = &listener_spool_;
  services.options.log_refusals = start_.config.log.level == "debug";
  auto gates = FrontGates::open(start_.config.listens, std::move(start_.listening), services);
  if (!gates) return gates.error();
  gates_ = std::move(*gates);
  if (!start_.config.apps.empty()) gates_->hold();
  master_.connect(apps_);
  if (!starts_programs(start_.config)) say_ready();
  return {};
}

// Where there are scripts, a front is ready when it can have them started.
void FrontProcess::say_ready() {
  if (!std::exchange(ready_said_, true)) master_.send_ready();
}

// Until the first app serves nothing could be answered, its static files included: who connects meanwhile waits in the
// kernel's backlog, and a front that replaces a dead one turns nobody away.
void FrontProcess::admit_clients() {
  if (!stopping_) gates_->admit();
}

int FrontProcess::run() {
  loop_.run();
  master_.disconnect();
  gates_.reset();
  return 0;
}

// May come again with less time, or when the master goes while this front is stopping already.
void FrontProcess::stop(base::Duration grace) {
  const base::Instant deadline = base::monotonic_now() + grace;
  if (deadline < deadline_.deadline()) deadline_.set(deadline);
  stop_has_time_ = grace > base::Duration::zero();
  if (std::exchange(stopping_, true)) return;
  apps_.stop_expecting();
  if (grace > base::Duration::zero()) gates_->drain([this] { clients_are_served_ = true; });
}

// Of what clients wait for, the access log tells.
void FrontProcess::give_up() {
  const size_t late = routes_.late_ends();
  if (late > 0 && stop_has_time_) {
    log_.warning("CW0523", base::counted(late, "program") +
                               " behind FastCGI routes worked on behind an answer for longer than shutdown.grace; "
                               "the connections are closed, which may end that work\nfix: raise `grace` of [shutdown]");
  }
  gates_->close_all();
  loop_.stop();
}

// A page that works on behind its answer is a request that runs, though no client waits for it.
bool FrontProcess::end_of_turn() {
  if (clients_are_served_ && routes_.late_ends() == 0) loop_.stop();
  return false;
}

void FrontProcess::reopen_logs(std::vector<base::FileDescriptor> files) {
  // The order of the master: the access log's file, then the error log's, each only if it is a file.
  auto given = files.begin();
  auto next = [&](const std::string& path) {
    if (given != files.end()) return std::move(*given++);
    auto opened = open_log_file(path);
    if (opened) return std::move(*opened);
    log_.error("CW0809", opened.error().message);
    return base::FileDescriptor();
  };
  if (access_log_ && access_is_file_) {
    if (auto file = next(start_.config.log.access); file.valid()) access_log_->reopen(std::move(file));
  }
  if (error_is_file_) {
    if (auto file = next(start_.config.log.error); file.valid()) log_.reopen(std::move(file));
  }
}

}  // namespace

int run_front(FrontStart start) {
  prctl(PR_SET_NAME, "cutwater-front");
  const pid_t master = getppid();
  io::ignore_signals_of_the_master();
  for (int ignored : {SIGPIPE, SIGXFSZ}) signal(ignored, SIG_IGN);
  ConsoleLog early_log(to_severity(start.config.log.level), start.config.log.json);
  auto files = open_log_files(start.config.log);
  if (!files) {
    early_log.error("CW0809", files.error().message);
    return config::kUsage;
  }
  const size_t connections = raise_descriptor_limit(start.config.limits.connections, descriptors_each(start.config),
                                                    other_descriptors(start.config));
  if (auto dropped = drop_to_front_identity(start.identity); !dropped) {
    early_log.error("CW0403", dropped.error().message);
    return config::kUsage;
  }
  if (!follow_master(master)) return 0;
  FrontLog log(to_severity(start.config.log.level), std::move(files->error), start.config.log.json);
  if (start.index == 0 && connections < start.config.limits.connections / 2) {
    const std::string text = "no more than " + base::counted(connections, "connection") +
                             " at once: the limit of file descriptors (ulimit -n) is lower than limits.connections";
    if (connections < kFewConnections) {
      log.warning("CW0810", text + "\nfix: ulimit -n 1024 or more (of a systemd service: LimitNOFILE)");
    } else {
      log.info(text);
    }
  }
  try {
    FrontProcess front(start, std::move(*files), log, connections);
    if (auto opened = front.open(); !opened) {
      log.error("CW0404", "the front cannot serve: " + opened.error().message);
      return config::kRuntimeFailure;
    }
    return front.run();
  } catch (const std::exception& failure) {
    log.error("CW0404", std::string("the front cannot go on: ") + failure.what());
    return config::kRuntimeFailure;
  }
}

}  // namespace cutwater::app

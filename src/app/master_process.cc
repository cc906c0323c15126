#include "app/master_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>

#include "app/front_identity.h"
#include "app/master_lines.h"
#include "app/master_specs.h"
#include "config/exit_codes.h"
#include "control/messages.h"
#include "link/segment.h"
#include "supervise/descriptor_room.h"

namespace cutwater::app {
namespace {

constexpr base::Duration kNow = base::Duration::zero();
// What workers get when the fronts used up the whole grace, or when everything shall end now.
constexpr base::Duration kLeastGrace = std::chrono::seconds(1);
constexpr base::Duration kLeastGraceAtOnce = std::chrono::milliseconds(200);  // after a second TERM or INT, or QUIT
constexpr base::Duration kAnnouncePatience = std::chrono::seconds(2);
constexpr base::Duration kSpawnerPatience = std::chrono::seconds(1);

// Any request that may come fits a chunk: what its target says is in its record as it came and decoded.
uint32_t chunk_bytes_for(const config::Limits& limits) {
  constexpr uint64_t kRounding = 4096;
  constexpr uint64_t kLengthsOfField = 8;
  const uint64_t most = 2 * (limits.header + kLengthsOfField * limits.header_count) + kRounding;
  return static_cast<uint32_t>(
      std::max<uint64_t>(link::Layout().chunk_bytes, most / kRounding * kRounding + kRounding));
}

base::Result<base::FileDescriptor> create_segment(const config::Limits& limits, unsigned fronts, unsigned lanes,
                                                  unsigned requests) {
  // What nobody touches costs no memory, so each front gets room for all.
  constexpr unsigned kFewestSlots = 256;
  constexpr unsigned kMostSlots = 16384;
  link::Layout layout;
  layout.fronts = fronts;
  layout.lanes = lanes;
  layout.slots = std::clamp(requests + kFewestSlots / 2, kFewestSlots, kMostSlots);
  layout.chunk_bytes = chunk_bytes_for(limits);
  // WebSocket messages and streamed uploads come this way: with 64 KiB front and worker would wake each other for
  // every few of them.
  layout.down_ring_bytes = 256 * 1024;
  return link::create_segment(layout);
}

}  // namespace

Master::Master(const ServeRequest& request, config::Loaded loaded)
    : request_(request),
      config_(std::move(loaded.config)),
      configuration_file_(config_.file),
      configuration_is_empty_(config_.file.empty() || config_.file_is_empty),
      log_(to_severity(config_.log.level), config_.log.json),
      announce_timer_(loop_.timers(), [this] { announce_when_serving(); }),
      stop_timer_(loop_.timers(), [this] { end_apps(); }) {
  loop_.add_hook(*this);
}

Master::~Master() {
  loop_.remove_hook(*this);
}

int Master::run() {
  if (!prepare()) return exit_code_;
  if (start()) {
    loop_.run();
  }
  for (auto& [app, output] : app_outputs_) output->finish();
  sockets_.files().remove();
  return exit_code_;
}

// Everything that can fail before a process is started.
bool Master::prepare() {
  exit_code_ = config::kRuntimeFailure;
  if (auto opened = ConsoleLog::open(log_, config_.log.error); !opened) {
    log_.error("CW0809", opened.error().message);
    exit_code_ = config::kUsage;
    return false;
  }
  auto library = find_library();
  if (!library) {
    log_.error("CW0206", library.error().message);
    return false;
  }
  library_ = std::move(*library);
  if (!choose_identity_of_fronts()) {
    exit_code_ = config::kUsage;
    return false;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_DUMPABLE, 0);
  // A disposition of "ignore" inherited from nohup would keep the signal from the signalfd.
  for (int taken : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH, SIGCHLD}) {
    ::signal(taken, SIG_DFL);
  }
  for (int ignored : {SIGPIPE, SIGXFSZ}) ::signal(ignored, SIG_IGN);  // they come as errors, too
  auto signals = io::SignalWatcher::create(
      loop_, {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH, SIGCHLD},
      [this](int signal) { on_signal(signal); });
  if (!signals) {
    log_.error("CW0803", signals.error().message);
    return false;
  }
  signals_ = std::move(*signals);
  if (!sockets_.open(config_, log_)) {
    sockets_.files().remove();
    return false;
  }
  exit_code_ = 0;
  return true;
}

// The spawner before anything that hears the network, the fronts before the apps: they are told of each
// generation.
bool Master::start() {
  FrontGroup::Events events;
  events.message = [this](unsigned front, control::Message& message) { on_front_message(front, message); };
  events.all_ready = [this] { announce_when_serving(); };
  events.started = [this](unsigned front) { on_front_started(front); };
  events.gone = [this](unsigned front) { on_front_gone(front); };
  events.never_ready = [this](int exit_code) { give_up(exit_code); };
  events.all_ended = [this] { end_apps(); };
  fronts_ = std::make_unique<FrontGroup>(loop_, children_, log_, config_, front_identity_, sockets_, std::move(events));
  const auto make_segment = [this](unsigned fronts, unsigned lanes, unsigned requests) {
    return create_segment(config_.limits, fronts, lanes, requests);
  };
  world_ = std::make_unique<supervise::World>(
      supervise::World{loop_, app_log_, children_, *fronts_, make_segment, link::check_segment});
  const auto front_user = front_identity_ ? std::optional(front_identity_->user) : std::nullopt;
  spawner_ = std::make_unique<MasterSpawner>(loop_, children_, log_, config_, front_user, sockets_, *fronts_);
  if (!check_script_users(config_, log_) || !check_pools(config_, log_)) {
    give_up(config::kUsage);
  } else if (!make_apps()) {
    if (exit_code_ == 0) exit_code_ = config::kRuntimeFailure;
    return false;  // there is nobody to wait for
  } else if (!spawner_->start() || !start_fronts() || !start_apps()) {
    give_up(exit_code_ == 0 ? config::kRuntimeFailure : exit_code_);
  }
  return true;
}

// They know the spawner before they hear a client.
bool Master::start_fronts() {
  if (!fronts_->start()) return false;
  spawner_->introduce_all();
  return true;
}

bool Master::choose_identity_of_fronts() {
  auto identity = identity_of_fronts(config_);
  if (identity) {
    front_identity_ = std::move(*identity);
  } else {
    log_.error("CW0403", identity.error().message);
  }
  return identity.ok();
}

base::Result<supervise::AppSpec> Master::spec_of(const config::App& app, const supervise::AppSpec* before) {
  auto spec = make_app_spec(app, library_, log_, before);
  // Its folder may have become somebody else's since that was looked at.
  if (spec && front_identity_ && spec->identity && spec->identity->user == front_identity_->user) {
    return base::Error{fmt::format("{}: {} is the user of the fronts\nfix: set app.{}.user", app.name,
                                   front_identity_->name, app.name)};
  }
  if (!spec || !log_.to_file()) return spec;
  std::unique_ptr<AppOutput>& output = app_outputs_[app.name];
  if (!output) {
    auto opened = AppOutput::open(loop_, log_, spec->identity ? std::optional(spec->identity->user) : std::nullopt);
    if (!opened) return opened.error();
    output = std::move(*opened);
  }
  spec->error_stream = output->descriptor();
  return spec;
}

// And looks whether there is room for all: an app whose workers cannot be started would say so worker by worker.
bool Master::make_apps() {
  unsigned needed = descriptors_beside_apps(fronts_->count());
  for (const config::App& app : config_.apps) {
    auto spec = spec_of(app, nullptr);
    if (!spec) {
      log_.error("CW0805", spec.error().message);
      exit_code_ = config::kUsage;
      return false;
    }
    needed += supervise::descriptors_of_generation(spec->workers, fronts_->count());
    supervise::AppSupervisor::Events events;
    events.first_served = [this] { announce_when_serving(); };
    events.never_started = [this](const supervise::BootFailure& failure) { give_up(failure.exit_code); };
    events.ended = [this] { finish_when_over(); };
    apps_.push_back(std::make_unique<supervise::AppSupervisor>(*world_, std::move(*spec), std::move(events)));
  }
  const std::string lack = supervise::lack_of_descriptors(needed);
  if (!lack.empty()) log_.error("CW0810", "cutwater cannot start: " + lack);
  return lack.empty();
}

bool Master::start_apps() {
  for (auto& app : apps_) {
    if (!stopping()) app->start();
  }
  return true;
}

// An app serves from its first worker on; the operator is told when the others are there too, or fail to
// come.
void Master::announce_when_serving() {
  if (announced_ || stopping() || !fronts_->ready()) return;
  const bool all_serve = std::all_of(apps_.begin(), apps_.end(), [](const auto& app) { return app->serving(); });
  if (!all_serve) return;
  const bool complete = std::all_of(apps_.begin(), apps_.end(), [](const auto& app) {
    return app->serving()->ready_workers() == app->serving()->workers();
  });
  const base::Instant now = base::monotonic_now();
  if (announce_by_ == base::kNever) announce_by_ = now + kAnnouncePatience;
  if (!complete && now < announce_by_) {
    announce_timer_.set(announce_by_);
    return;
  }
  announced_ = true;
  for (const std::string& url : sockets_.urls()) log_.info("listening on " + url);
  for (const auto& app : apps_) {
    const supervise::Generation& generation = *app->serving();
    log_.info(serving_line(generation.spec(), generation.imported(), sockets_.urls(), config_));
  }
  const bool all_static = std::all_of(config_.routes.begin(), config_.routes.end(), is_plain_static);
  if (!all_static) {
    for (const std::string& line : route_lines(config_)) log_.info(line);
  }
  if (apps_.empty()) log_.info(all_static ? "serving static files only" : "serving these routes only");
}

void Master::on_front_message(unsigned front, control::Message& message) {
  for (auto& app : apps_) app->on_front_message(front, message);
}

void Master::on_front_started(unsigned front) {
  spawner_->introduce(front);
  for (auto& app : apps_) app->introduce_front(front);
}

void Master::on_front_gone(unsigned front) {
  for (auto& app : apps_) app->on_front_gone(front);
}

void Master::give_up(int exit_code) {
  if (exit_code_ == 0) exit_code_ = exit_code;
  stop(kNow);
}

// First the fronts finish what runs; then the workers have nothing to do any more and are ended.
void Master::stop(base::Duration grace) {
  const base::Instant deadline = base::monotonic_now() + grace;
  if (deadline >= stop_deadline_) return;
  stop_deadline_ = deadline;
  sockets_.close_listening();  // no front is started any more
  if (!fronts_) return;
  if (world_) world_->stops = true;
  if (world_) world_->ends_at_once = grace == kNow;
  fronts_->stop(grace);
  stop_timer_.set(deadline + kLeastGrace);
  if (grace == kNow || fronts_->ended()) end_apps();
}

void Master::end_apps() {
  if (!stopping()) return;
  apps_ending_ = true;
  const base::Duration least = world_ && world_->ends_at_once ? kLeastGraceAtOnce : kLeastGrace;
  const base::Duration left = std::max(stop_deadline_ - base::monotonic_now(), least);
  for (auto& app : apps_) app->end(left);
  if (spawner_) spawner_->end(kSpawnerPatience, least);
}

void Master::finish_when_over() {
  const bool apps_over = std::all_of(apps_.begin(), apps_.end(), [](const auto& app) { return app->over(); });
  const bool spawner_over = !spawner_ || !spawner_->running();
  if (apps_ending_ && apps_over && fronts_->ended() && spawner_over) loop_.stop();
}

bool Master::end_of_turn() {
  if (fronts_) fronts_->sweep();
  if (stopping()) {
    finish_when_over();
  } else if (!announced_) {
    announce_when_serving();
  } else if (reload_waits_) {
    reload();
  }
  return false;
}

int run_master(const ServeRequest& request, config::Loaded loaded) {
  Master master(request, std::move(loaded));
  return master.run();
}

}  // namespace cutwater::app

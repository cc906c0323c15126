// `check`: what `serve` would do, up to the point where it would serve.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/console_log.h"
#include "app/front_identity.h"
#include "app/listen_advice.h"
#include "app/listen_options.h"
#include "app/master.h"
#include "app/master_fronts.h"
#include "app/master_lines.h"
#include "app/master_spawner.h"
#include "app/master_specs.h"
#include "app/port_holder.h"
#include "base/text.h"
#include "config/exit_codes.h"
#include "control/messages.h"
#include "handler/file_rights.h"
#include "io/listener.h"
#include "io/signals.h"
#include "supervise/descriptor_room.h"
#include "supervise/identity.h"
#include "supervise/interpreter.h"
#include "supervise/told.h"
#include "upstream/peer_address.h"

namespace cutwater::app {
namespace {

constexpr base::Duration kQuitPatience = std::chrono::seconds(1);

using Say = std::function<void(const std::string& line)>;

// One app's import in its own interpreter; the loop runs until the outcome is known and the process is gone.
class ImportCheck {
 public:
  ImportCheck(supervise::AppSpec spec, base::LogSink& log, const Say& say)
      : spec_(std::move(spec)), log_(log), say_(say), deadline_(loop_.timers(), [this] { give_up(); }) {}

  int run() {
    auto signals = io::SignalWatcher::create(loop_, {SIGCHLD}, [this](int) { children_.reap(); });
    supervise::ManagedProcess::Events events{[this](control::Message& message) { on_message(message); },
                                             [this](const supervise::ExitStatus& status) { on_exit(status); },
                                             [](const std::string&) {}};
    auto started = supervise::start_interpreter(loop_, children_, spec_, "check", std::move(events));
    if (!started) {
      log_.error("CW0205", spec_.name + ": the interpreter does not start: " + started.error().message +
                               supervise::fix_for_start(started.error(), spec_.name));
      return config::kBootFailure;
    }
    process_ = std::move(*started);
    deadline_.set(base::monotonic_now() + spec_.start_timeout);
    loop_.run();
    return exit_code_.value_or(config::kBootFailure);
  }

 private:
  void on_message(const control::Message& message) {
    if (supervise::log_if_told(message, log_)) return;
    if (message.type() == control::Imported::kType) {
      auto imported = control::decode<control::Imported>(message.body);
      if (imported) on_imported(*imported);
    } else if (message.type() == control::BootFailed::kType) {
      auto failed = control::decode<control::BootFailed>(message.body);
      log_.error(failed ? failed->code : "CW0316",
                 spec_.name + ": " + (failed ? failed->text : failed.error().message));
      exit_code_ = failed && failed->exit_code == 4 ? 4 : config::kBootFailure;
    }
    process_->end(kQuitPatience, kQuitPatience);
  }

  void on_imported(const control::Imported& imported) {
    exit_code_ = 0;
    say_(fmt::format("{}: {} imports with {}; {}, {}", spec_.name, app_label(imported),
                     interpreter_label(spec_, imported.python), base::counted(spec_.workers, "worker"),
                     imported.fork_safe ? "forked from one import" : "started one by one: " + imported.fork_reason));
    for (const std::string& note : imported.notes) say_(spec_.name + ": " + note);
    for (const control::StaticFolder& folder : imported.static_folders) check_folder(folder);
  }

  void check_folder(const control::StaticFolder& folder) {
    auto opened =
        supervise::open_folder_as(spec_.identity ? *spec_.identity : supervise::current_identity(), folder.root);
    if (opened) {
      say_(fmt::format("{}: static {} -> {}", spec_.name, folder.prefix, folder.root));
    } else {
      log_.warning("CW0806", fmt::format("{}: static files at {} will not be served: {}", spec_.name, folder.prefix,
                                         opened.error().message));
    }
  }

  void on_exit(const supervise::ExitStatus& status) {
    if (!exit_code_) {
      log_.error("CW0316", fmt::format("{}: the interpreter {} while importing the app\n{}", spec_.name,
                                       status.describe(), supervise::import_by_hand(spec_)));
    }
    loop_.stop();
  }

  void give_up() {
    log_.error("CW0317", spec_.name + ": importing the app took longer than start_timeout");
    exit_code_ = config::kBootFailure;
    process_->end({}, kQuitPatience);
  }

  const supervise::AppSpec spec_;
  base::LogSink& log_;
  const Say& say_;
  io::Loop loop_;
  supervise::Children children_{loop_};
  io::Timer deadline_;
  std::unique_ptr<supervise::ManagedProcess> process_;
  std::optional<int> exit_code_;
};

// Counts the warnings that go by.
class CountingLog final : public base::LogSink {
 public:
  explicit CountingLog(base::LogSink& log) : log_(log) {}
  void write(base::Severity severity, std::string_view code, std::string_view text) override {
    if (severity == base::Severity::kWarning) ++warnings_;
    log_.write(severity, code, text);
  }
  size_t warnings() const { return warnings_; }

 private:
  base::LogSink& log_;
  size_t warnings_ = 0;
};

// A port may well be taken by the very server this configuration is checked for.
int check_taken(const std::string& address, const std::string& text, const ServeRequest& request, base::LogSink& log,
                const Say& say) {
  const std::optional<PortHolder> holder = find_port_holder(address);
  if (!holder) {
    log.warning("CW0801", text +
                              "\nwho has it cannot be seen from here; that is right if it is this server\n"
                              "fix: as root: ss -ltnp");
    return 0;
  }
  if (serves_the_same(*holder, request)) {
    say(fmt::format("listen {}: in use by this very server (process {})", address, holder->pid));
    return 0;
  }
  log.error("CW0801", text + taken_by(*holder));
  return config::kUsage;
}

// `opened` get what listens: it does so until all are tried, for one may be in the way of another.
int check_listen(const config::Listen& listen, const config::Config& config, const ServeRequest& request,
                 std::vector<base::FileDescriptor>& opened, base::LogSink& log, const Say& say) {
  const auto options = listen_options(listen, config);
  if (!options.ok()) {
    log.error("CW0801", "listen " + listen.address + ": " + options.error().message + "\nfix: correct owner or group");
    return config::kUsage;
  }
  auto socket = open_listener(listen, options.value());
  if (socket) {
    const std::string protocol = listen.protocol == "http" ? "" : " (" + listen.protocol + ")";
    say("listen " + listen.address + protocol + ": free");
    opened.push_back(std::move(*socket));
    return 0;
  }
  const std::string& text = socket.error().message;
  if (socket.error().system_errno == EADDRINUSE) return check_taken(listen.address, text, request, log, say);
  log.error("CW0801", text + listen_advice(listen.address, socket.error()));
  return config::kUsage;
}

// A log that is not there yet is not made and removed again: it could be the one of a server that starts just now.
base::Result<void> try_log_file(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) == 0 || errno != ENOENT) {
    auto opened = open_log_file(path);
    if (!opened) return opened.error();
    return {};
  }
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
  return cannot_open_log(path);
}

int check_log(const std::string& setting, const std::string& path, base::LogSink& log, const Say& say) {
  if (auto tried = try_log_file(path); !tried) {
    log.error("CW0809", setting + ": " + tried.error().message);
    return config::kUsage;
  }
  say(fmt::format("{} {}: can be written", setting, path));
  return 0;
}

int check_front_user(const config::Config& config, base::LogSink& log) {
  auto identity = identity_of_fronts(config);
  if (identity) return 0;
  log.error("CW0403", identity.error().message);
  return config::kUsage;
}

int check_static(const config::StaticRoute& route, base::LogSink& log) {
  struct stat status;
  if (stat(route.root.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return 0;
  log.error("CW0806", fmt::format("static files at {}: {} is no folder", route.prefix, route.root));
  return config::kUsage;
}

// It may be made later, with other permissions: no more than a warning.
void check_server_socket(const std::string& upstream, const std::string& path, const config::Config& config,
                         base::LogSink& log) {
  supervise::Identity front = supervise::current_identity();
  if (supervise::running_as_root()) {
    auto chosen = choose_front_identity(config);
    if (!chosen) return;  // check_front_user says so
    front = std::move(*chosen);
  }
  const auto may_connect = supervise::may_connect_as(front, path);
  if (may_connect) return;
  const bool is_there = may_connect.error().system_errno != ENOENT;
  log.warning("CW0602", fmt::format("upstream {}: {}\nfix: {}", upstream, may_connect.error().message,
                                    is_there ? handler::how_to_open(path, front.name)
                                             : "start the server, or correct its address"));
}

// The servers need not run now; their names must be known.
int check_upstream(const config::Upstream& upstream, const config::Config& config, base::LogSink& log) {
  int outcome = 0;
  for (const config::Server& server : upstream.servers) {
    if (server.address.starts_with("unix:")) {
      check_server_socket(upstream.name, server.address.substr(5), config, log);
    }
    auto addresses = upstream::resolve_peers(server.address);
    if (addresses) continue;
    log.error("CW0601",
              fmt::format("upstream {}: {}\nfix: correct the name", upstream.name, addresses.error().message));
    outcome = config::kUsage;
  }
  return outcome;
}

// `descriptors`: of what would be started with it, in all.
int check_app(const config::App& app, const std::string& library, unsigned fronts, unsigned& descriptors,
              base::LogSink& log, const Say& say) {
  auto spec = make_app_spec(app, library, log);
  if (!spec) {
    log.error("CW0805", spec.error().message);
    return config::kUsage;
  }
  descriptors += supervise::descriptors_of_generation(spec->workers, fronts);
  return ImportCheck(std::move(*spec), log, say).run();
}

}  // namespace

int run_check(const ServeRequest& request, const config::Loaded& loaded, base::LogSink& sink, const Say& say) {
  CountingLog log(sink);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  signal(SIGPIPE, SIG_IGN);
  int worst = 0;
  const auto note = [&worst](int outcome) { worst = worst == 0 ? outcome : worst; };
  std::vector<base::FileDescriptor> listening;
  std::vector<config::Listen> made;  // unix sockets
  for (const config::Listen& listen : loaded.config.listens) {
    const size_t before = listening.size();
    note(check_listen(listen, loaded.config, request, listening, log, say));
    if (listening.size() > before && listen.address.starts_with("unix:/")) made.push_back(listen);
  }
  for (const config::StaticRoute& route : loaded.config.static_routes) note(check_static(route, log));
  for (const std::string& line : route_lines(loaded.config)) say(line);
  for (const config::Upstream& upstream : loaded.config.upstreams) note(check_upstream(upstream, loaded.config, log));
  const config::Log& logs = loaded.config.log;
  if (logs.access != "stdout" && logs.access != "off") note(check_log("log.access", logs.access, log, say));
  if (logs.error != "stderr") note(check_log("log.error", logs.error, log, say));
  note(check_front_user(loaded.config, log));
  note(check_script_users(loaded.config, log) ? 0 : config::kUsage);
  note(check_pools(loaded.config, log) ? 0 : config::kUsage);
  auto library = find_library();
  if (!library) {
    log.error("CW0206", library.error().message);
    return worst == 0 ? 1 : worst;
  }
  const unsigned fronts = front_count(loaded.config);
  for (const config::Listen& listen : made) unlink(listen.address.substr(5).c_str());
  listening.clear();
  unsigned descriptors = descriptors_beside_apps(fronts) + static_cast<unsigned>(loaded.config.listens.size());
  for (const config::App& app : loaded.config.apps) note(check_app(app, *library, fronts, descriptors, log, say));
  if (const std::string lack = supervise::lack_of_descriptors(descriptors); !lack.empty()) {
    log.error("CW0810", "cutwater cannot start: " + lack);
    note(config::kRuntimeFailure);
  }
  const size_t warnings =
      log.warnings() +
      static_cast<size_t>(std::count_if(loaded.diagnostics.begin(), loaded.diagnostics.end(),
                                        [](const config::Diagnostic& diagnostic) { return !diagnostic.is_error; }));
  if (worst == 0) {
    say(warnings == 0   ? "everything is in order"
        : warnings == 1 ? "it can be served; there was a warning"
                        : fmt::format("it can be served; there were {} warnings", warnings));
  }
  return worst;
}

}  // namespace cutwater::app

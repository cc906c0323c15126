// Generation: from its start to its first workers: the interpreter, what it says of the app, the shared memory.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "supervise/descriptor_room.h"
#include "supervise/generation.h"
#include "supervise/interpreter.h"
#include "supervise/told.h"

namespace cutwater::supervise {
namespace {

constexpr int kCannotRun = 1;
constexpr unsigned kFewestSpareLanes = 4;
static_assert(Generation::kMostWorkers == Generation::kMostLanes - kFewestSpareLanes);

unsigned lanes_for(unsigned workers) {
  return std::min(Generation::kMostLanes, workers + std::max(workers, kFewestSpareLanes));
}

}  // namespace

void Generation::start() {
  deadline_.set(base::monotonic_now() + spec_.start_timeout);
  const unsigned workers = std::min(spec_.workers, kMostWorkers);
  const std::string lack = lack_of_descriptors(descriptors_of_generation(workers, world_.fronts.count()));
  if (!lack.empty()) return fail({kCannotRun, "CW0810", lack});
  start_interpreter(lone_);
}

unsigned Generation::most_workers() const {
  return std::min(kMostWorkers, lanes_for(std::min(spec_.workers, kMostWorkers)) - 1);
}

void Generation::start_interpreter(bool as_lone) {
  journey_.enter(Journey::Step::kStartingInterpreter, base::monotonic_now());
  ManagedProcess::Events events{[this](control::Message& message) { on_interpreter_message(message); },
                                [this](const ExitStatus& status) { on_interpreter_exit(status); },
                                [this](const std::string& why) { on_interpreter_silent(why); }};
  auto started = supervise::start_interpreter(world_.loop, world_.children, spec_, as_lone ? "worker" : "zygote",
                                              std::move(events));
  if (!started) {
    fail({3, "CW0205",
          "the interpreter does not start: " + started.error().message + fix_for_start(started.error(), spec_.name)});
    return;
  }
  interpreter_ = std::move(*started);
  journey_.enter(Journey::Step::kImporting, base::monotonic_now());
}

void Generation::on_interpreter_message(control::Message& message) {
  if (log_if_told(message, world_.log)) return;
  const std::string type = message.type();
  if (type == control::WatchFolders::kType) {
    if (state_ == State::kStarting) on_watch(message);
  } else if (type == control::Imported::kType) {
    if (state_ != State::kStarting || journey_.step() != Journey::Step::kImporting) return;
    auto imported = control::decode<control::Imported>(message.body);
    if (imported) {
      on_imported(std::move(*imported));
    } else {
      fail({3, "CW0316", "the interpreter sent nonsense: " + imported.error().message});
    }
  } else if (type == control::BootFailed::kType) {
    auto failed = control::decode<control::BootFailed>(message.body);
    if (state_ == State::kStarting && failed) {
      fail({failed->exit_code == 4 ? 4 : 3, failed->code, failed->text});
    } else if (failed) {
      world_.log.error(failed->code, spec_.name + ": " + failed->text);
    }
  } else if (type == control::Forked::kType && pool_) {
    auto forked = control::decode<control::Forked>(message.body);
    if (forked) pool_->on_forked(forked->worker, forked->pid);
  } else if (type == control::ForkFailed::kType && pool_) {
    auto failed = control::decode<control::ForkFailed>(message.body);
    if (failed) pool_->on_fork_failed(failed->worker, failed->text, failed->fix);
  }
}

void Generation::on_interpreter_exit(const ExitStatus& status) {
  if (state_ == State::kStarting && status.signal == SIGTERM && world_.is_stopping()) {
    end(kZygoteGrace);  // by the signal that stops the server, sent to all of its processes
  } else if (state_ == State::kStarting) {
    fail({3, "CW0316",
          fmt::format("the interpreter {} {}\n{}", status.describe(), journey_.where(base::monotonic_now()),
                      import_by_hand(spec_))});
  } else if (state_ <= State::kServing && !world_.is_stopping()) {
    world_.log.warning("CW0525", fmt::format("{}: its zygote {}; its workers serve on, a new one is started when it is "
                                             "needed",
                                             label(), status.describe()));
  }
  if (pool_) pool_->on_zygote_gone();
}

// Its channel ended: it is about to exit, or it sent what is no message and cannot be trusted any more.
void Generation::on_interpreter_silent(const std::string& why) {
  if (!why.empty()) {
    const std::string text = "the interpreter sent " + why;
    if (state_ == State::kStarting)
      fail({3, "CW0316", text});
    else
      world_.log.error("CW0316", label() + ": " + text);
  }
  if (interpreter_) interpreter_->terminate_after(kQuitPatience, kZygoteGrace);
}

void Generation::on_watch(const control::Message& message) {
  auto more = control::decode<control::WatchFolders>(message.body);
  constexpr size_t kMost = 1 << 16;
  if (!more || watch_.folders.size() + watch_.templates.size() + watch_.pages.size() > kMost) return;
  watch_.folders.insert(watch_.folders.end(), more->folders.begin(), more->folders.end());
  watch_.templates.insert(watch_.templates.end(), more->templates.begin(), more->templates.end());
  watch_.pages.insert(watch_.pages.end(), more->pages.begin(), more->pages.end());
  if (!more->left_out.empty()) watch_.left_out = more->left_out;
  if (!more->changed.empty()) watch_.changed = more->changed;
}

void Generation::on_imported(control::Imported imported) {
  imported_ = std::move(imported);
  for (const std::string& note : imported_.notes) world_.log.info(spec_.name + ": " + note);
  if (!lone_ && !imported_.fork_safe && spec_.preload != "true") {
    world_.log.info(
        fmt::format("{}: workers are started one by one instead of forked: {}", spec_.name, imported_.fork_reason));
    lone_ = true;
    interpreter_->set_events({[this](control::Message& message) { log_if_told(message, world_.log); },
                              [](const ExitStatus&) {}, [](const std::string&) {}});
    interpreter_->end(kQuitPatience, kZygoteGrace);
    dismissed_.push_back(std::move(interpreter_));
    watch_ = {};
    start_interpreter(true);
    return;
  }
  events_.imported();
  journey_.enter(Journey::Step::kMakingSharedMemory, base::monotonic_now());
  const unsigned lanes = lanes_for(std::min(spec_.workers, kMostWorkers));
  auto memory = SharedMemory::make(world_, lanes, std::min(spec_.workers, kMostWorkers) * requests_per_worker());
  if (!memory) {
    fail({3, "CW0526",
          memory.error().message +
              "\nfix: raise the limits of memory, of files (ulimit -f) and of open files (ulimit -n)"});
    return;
  }
  memory_ = std::move(*memory);
  lanes_.emplace(world_.fronts, spec_.name, number_, lanes);
  open_static_folders();
  for (unsigned front = 0; front < world_.fronts.count(); ++front) announce(front);
  journey_.enter(Journey::Step::kStartingWorkers, base::monotonic_now());
  start_workers();
}

bool Generation::is_asynchronous() const {
  return imported_.protocol == "asgi" || imported_.protocol == "tornado";
}

bool Generation::runs_greenlets() const {
  return imported_.protocol == "wsgi" && (spec_.loop == "gevent" || spec_.loop == "eventlet");
}

unsigned Generation::requests_per_worker() const {
  return is_asynchronous() || runs_greenlets() ? spec_.concurrency : spec_.threads;
}

// Opened with the app's own rights: it may not name a folder that it could not read itself.
void Generation::open_static_folders() {
  description_ = {spec_.name,
                  number_,
                  spec_.prefix,
                  spec_.timeout,
                  spec_.queue,
                  spec_.queue_timeout,
                  is_asynchronous(),
                  requests_per_worker(),
                  runs_greenlets(),
                  spec_.grace,
                  spec_.websocket_origins,
                  {}};
  for (const control::StaticFolder& folder : imported_.static_folders) {
    auto opened = open_folder_as(spec_.identity ? *spec_.identity : current_identity(), folder.root);
    if (opened) {
      description_.static_folders.push_back({folder.prefix, folder.cache});
      static_folders_.push_back(std::move(*opened));
    } else {
      world_.log.warning("CW0806", fmt::format("{}: static files at {} are not served: {}\n"
                                               "fix: create the folder (Django: manage.py collectstatic), or let "
                                               "the app's user enter it",
                                               spec_.name, folder.prefix, opened.error().message));
    }
  }
}

void Generation::start_workers() {
  pool_.emplace(
      world_, *lanes_, spec_,
      WorkerPool::Events{[this](Worker& worker) { return launch(worker); },
                         [this](Worker& worker, control::Message& message) { on_lone_message(worker, message); },
                         [this] { on_worker_ready(); },
                         [this](const std::string& why) {
                           fail({3, "CW0528", why});
                         },
                         [this] { tell_pause(); },
                         [this] {
                           if (interpreter_) interpreter_->signal(SIGKILL);
                         }});
  pool_->set_target(std::min(spec_.workers, kMostWorkers));
}

}  // namespace cutwater::supervise

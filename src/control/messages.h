// Every message between Cutwater's processes, as docs/processes.md lists them. Build with encode(), read with
// decode<T>() after comparing the body's "type" with T::kType. Which descriptors ride beside a message is said here.
#pragma once

#include "control/fields.h"

namespace cutwater::control {

// ---- master -> front

struct StaticPrefix {
  std::string prefix;
  std::optional<base::Duration> cache;
  template <class Visitor>
  void visit(Visitor& field) {
    field("prefix", prefix);
    field("cache", cache);
  }
};

// Descriptors: segment, this front's wake eventfd, one O_PATH folder per entry of `static_folders`.
struct GenerationCreated {
  static constexpr const char* kType = "generation";
  std::string app;
  uint64_t generation = 0;
  std::string prefix;
  base::Duration timeout{};
  unsigned queue = 0;
  base::Duration queue_timeout{};
  bool asynchronous = false;         // workers take requests with the head
  unsigned requests_per_worker = 1;  // that one runs at once
  bool in_turns = false;             // requests go to all workers in turns, not to few of them
  base::Duration grace{};            // how long a worker that is replaced may finish what it runs
  std::vector<std::string> websocket_origins;
  std::vector<StaticPrefix> static_folders;
  template <class Visitor>
  void visit(Visitor& field) {
    field("app", app);
    field("generation", generation);
    field("prefix", prefix);
    field("timeout", timeout);
    field("queue", queue);
    field("queue_timeout", queue_timeout);
    field("asynchronous", asynchronous);
    field("requests_per_worker", requests_per_worker);
    field("in_turns", in_turns);
    field("grace", grace);
    field("websocket_origins", websocket_origins);
    field("static", static_folders);
  }
};

// Descriptors: the worker's wake eventfd, the front's end of the lane socket, the worker's pidfd. The worker may have
// claimed requests already, and may even be dead already.
struct WorkerStarted {
  static constexpr const char* kType = "worker_started";
  std::string app;
  uint64_t generation = 0;
  unsigned lane = 0;
  int pid = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("app", app);
    field("generation", generation);
    field("lane", lane);
    field("pid", pid);
  }
};

// The messages that name a generation and nothing else.
template <class Tag>
struct GenerationNamed {
  static constexpr const char* kType = Tag::kType;
  std::string app;
  uint64_t generation = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("app", app);
    field("generation", generation);
  }
};
struct SwapTag {
  static constexpr const char* kType = "swap";
};
struct DropGenerationTag {
  static constexpr const char* kType = "drop_generation";
};
struct GenerationDrainedTag {
  static constexpr const char* kType = "generation_drained";
};
using Swap = GenerationNamed<SwapTag>;
using DropGeneration = GenerationNamed<DropGenerationTag>;

// All workers of the generation are gone, and none is started before so long. The next `worker_started` ends it.
// `refuse`: its code does not start any more, so nobody shall wait, however short the pause is.
struct WorkersPaused {
  static constexpr const char* kType = "workers_paused";
  std::string app;
  uint64_t generation = 0;
  base::Duration pause{};
  bool refuse = false;
  template <class Visitor>
  void visit(Visitor& field) {
    field("app", app);
    field("generation", generation);
    field("pause", pause);
    field("refuse", refuse);
  }
};

struct AppFailed {
  static constexpr const char* kType = "app_failed";
  std::string app;
  std::string text;
  template <class Visitor>
  void visit(Visitor& field) {
    field("app", app);
    field("text", text);
  }
};

// The messages that name a lane and nothing else.
template <class Tag>
struct LaneNamed {
  static constexpr const char* kType = Tag::kType;
  std::string app;
  uint64_t generation = 0;
  unsigned lane = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("app", app);
    field("generation", generation);
    field("lane", lane);
  }
};
struct RetireWorkerTag {
  static constexpr const char* kType = "retire_worker";
};
struct LaneFreeTag {
  static constexpr const char* kType = "lane_free";
};
using RetireWorker = LaneNamed<RetireWorkerTag>;

struct Stop {
  static constexpr const char* kType = "stop";
  base::Duration grace{};  // zero: now
  template <class Visitor>
  void visit(Visitor& field) {
    field("grace", grace);
  }
};

// The messages that only have a type.
template <class Tag>
struct Bare {
  static constexpr const char* kType = Tag::kType;
  template <class Visitor>
  void visit(Visitor&) {}
};
struct ReopenLogsTag {
  static constexpr const char* kType = "reopen_logs";
};
struct RenewPoolsTag {
  static constexpr const char* kType = "renew_pools";
};
struct FrontReadyTag {
  static constexpr const char* kType = "ready";
};
struct QuitTag {
  static constexpr const char* kType = "quit";
};
using ReopenLogs = Bare<ReopenLogsTag>;
using RenewPools = Bare<RenewPoolsTag>;

// At SIGHUP another folder lies where that of a route did: with it, O_PATH. `number`: its place in route_folders().
struct RootOpened {
  static constexpr const char* kType = "root";
  uint64_t number = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("number", number);
  }
};

// ---- front -> master

using FrontReady = Bare<FrontReadyTag>;
using LaneFree = LaneNamed<LaneFreeTag>;
using GenerationDrained = GenerationNamed<GenerationDrainedTag>;

struct WorkerStuck {
  static constexpr const char* kType = "worker_stuck";
  std::string app;
  uint64_t generation = 0;
  unsigned lane = 0;
  std::string method;  // "": the worker's event loop hangs
  std::string path;
  std::string client;  // what its client got: "504" | "cut" (the head was sent) | "none" (it has left, or has it all)
  template <class Visitor>
  void visit(Visitor& field) {
    field("app", app);
    field("generation", generation);
    field("lane", lane);
    field("method", method);
    field("path", path);
    field("client", client);
  }
};

struct WorkerBroken {
  static constexpr const char* kType = "worker_broken";
  std::string app;
  uint64_t generation = 0;
  unsigned lane = 0;
  std::string why;
  template <class Visitor>
  void visit(Visitor& field) {
    field("app", app);
    field("generation", generation);
    field("lane", lane);
    field("why", why);
  }
};

// ---- master -> zygote, lone worker, check

struct StartApp {
  static constexpr const char* kType = "start";
  std::string mode;  // "zygote" | "worker" | "check"
  std::string app;
  std::string root;
  std::string target;
  std::string protocol;
  std::string preload;
  std::string prefix;
  std::string hop_by_hop;  // "refuse" | "drop"
  std::string loop;
  unsigned concurrency = 1;  // requests of one worker at once, where the protocol allows several
  unsigned workers = 1;
  std::string lifespan;       // "auto" | "on" | "off"
  std::string on_disconnect;  // "finish" | "cancel"
  unsigned threads = 1;       // of each worker
  std::map<std::string, std::string> environment;
  template <class Visitor>
  void visit(Visitor& field) {
    field("mode", mode);
    field("app", app);
    field("root", root);
    field("target", target);
    field("protocol", protocol);
    field("preload", preload);
    field("prefix", prefix);
    field("hop_by_hop", hop_by_hop);
    field("loop", loop);
    field("concurrency", concurrency);
    field("workers", workers);
    field("lifespan", lifespan);
    field("on_disconnect", on_disconnect);
    field("threads", threads);
    field("environment", environment);
  }
};

// Descriptors: segment, the worker's wake eventfd, the worker's end of its channel, then for each front its wake
// eventfd and the worker's end of the lane socket. `attach` is the same without the channel end.
template <class Tag>
struct LaneOffer {
  static constexpr const char* kType = Tag::kType;
  unsigned lane = 0;
  uint64_t worker = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("lane", lane);
    field("worker", worker);
  }
};
struct ForkTag {
  static constexpr const char* kType = "fork";
};
struct AttachTag {
  static constexpr const char* kType = "attach";
};
using Fork = LaneOffer<ForkTag>;
using Attach = LaneOffer<AttachTag>;
using Quit = Bare<QuitTag>;

// ---- zygote or worker -> master

struct StaticFolder {
  std::string prefix;
  std::string root;
  std::optional<base::Duration> cache;
  template <class Visitor>
  void visit(Visitor& field) {
    field("prefix", prefix);
    field("root", root);
    field("cache", cache);
  }
};

struct Imported {
  static constexpr const char* kType = "imported";
  std::string python;
  std::string target;
  std::string framework;
  std::string protocol;
  std::vector<StaticFolder> static_folders;
  bool fork_safe = false;
  std::string fork_reason;
  std::vector<std::string> notes;
  template <class Visitor>
  void visit(Visitor& field) {
    field("python", python);
    field("target", target);
    field("framework", framework);
    field("protocol", protocol);
    field("static", static_folders);
    field("fork_safe", fork_safe);
    field("fork_reason", fork_reason);
    field("notes", notes);
  }
};

struct BootFailed {
  static constexpr const char* kType = "failed";
  int exit_code = 3;
  std::string code;
  std::string text;
  template <class Visitor>
  void visit(Visitor& field) {
    field("exit_code", exit_code);
    field("code", code);
    field("text", text);
  }
};

// Where code and templates are; several of them, before `imported` or `failed`.
struct WatchFolders {
  static constexpr const char* kType = "watch";
  std::vector<std::string> folders;
  std::vector<std::string> templates;  // below these any text is a template
  std::vector<std::string> pages;      // of others: files that may be templates, folders/ with any such
  std::string left_out;                // one of the folders that were too many to be looked at, or ""
  std::string changed;                 // a file that is not any more what was imported, or ""
  template <class Visitor>
  void visit(Visitor& field) {
    field("folders", folders);
    field("templates", templates);
    field("pages", pages);
    field("left_out", left_out);
    field("changed", changed);
  }
};

// No worker could be forked now: too many processes, or no memory. The zygote lives on.
struct ForkFailed {
  static constexpr const char* kType = "fork_failed";
  uint64_t worker = 0;
  std::string text;
  std::string fix;
  template <class Visitor>
  void visit(Visitor& field) {
    field("worker", worker);
    field("text", text);
    field("fix", fix);
  }
};

struct Forked {
  static constexpr const char* kType = "forked";
  uint64_t worker = 0;
  int pid = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("worker", worker);
    field("pid", pid);
  }
};

// A message for the operator, from an interpreter to the server's log.
struct Told {
  static constexpr const char* kType = "told";
  std::string severity;  // "info" | "warning" | "error"
  std::string code;      // "CW0502" or ""
  std::string text;
  template <class Visitor>
  void visit(Visitor& field) {
    field("severity", severity);
    field("code", code);
    field("text", text);
  }
};

struct WorkerReady {
  static constexpr const char* kType = "ready";
  int pid = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("pid", pid);
  }
};

// It claims nothing any more, by its own decision, and finishes what it has.
struct WorkerEnding {
  static constexpr const char* kType = "ending";
  std::string reason;
  template <class Visitor>
  void visit(Visitor& field) {
    field("reason", reason);
  }
};

struct WorkerExiting {
  static constexpr const char* kType = "exiting";
  std::string reason;
  template <class Visitor>
  void visit(Visitor& field) {
    field("reason", reason);
  }
};

}  // namespace cutwater::control

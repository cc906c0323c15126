// The messages between fronts and the spawner, and those with which the master joins them (docs/processes.md). A
// program is named by the number of its configured entry: no front says what to run, as whom, or with which arguments.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/fields.h"
#include "control/messages.h"

namespace cutwater::control {

// JSON holds text, paths and variables hold bytes: each byte travels as the character of that number.
std::string bytes_to_text(std::string_view bytes);
// nullopt: holds other characters, or a zero byte, which neither a path nor a variable can.
std::optional<std::string> text_to_bytes(std::string_view text);

// ---- master -> spawner

// Descriptor: the spawner's end of a channel to that front.
struct ServeFront {
  static constexpr const char* kType = "front";
  unsigned front = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("front", front);
  }
};

struct RenewWarmTag {
  static constexpr const char* kType = "renew_warm";
};
// No script is begun in the warm Pythons of now any more.
using RenewWarm = Bare<RenewWarmTag>;

// ---- master -> front

struct SpawnerStartedTag {
  static constexpr const char* kType = "spawner";
};
// Descriptor: the front's end of a channel to a new spawner.
using SpawnerStarted = Bare<SpawnerStartedTag>;

// ---- front -> spawner

// Descriptors: the script (O_PATH), and what become its standard input, output and error stream. `path`: below the
// entry's folder, "a/b.cgi"; `variables`: "NAME=value". Both as bytes_to_text() makes them.
struct StartScript {
  static constexpr const char* kType = "start_script";
  static constexpr size_t kDescriptors = 4;
  uint64_t script = 0;  // the front's number for this run
  unsigned entry = 0;
  std::string path;
  std::vector<std::string> variables;
  template <class Visitor>
  void visit(Visitor& field) {
    field("script", script);
    field("entry", entry);
    field("path", path);
    field("variables", variables);
  }
};

// SIGTERM for it and what it started, SIGKILL 2 s later. Nothing when it has ended.
struct EndScript {
  static constexpr const char* kType = "end_script";
  uint64_t script = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("script", script);
  }
};

// ---- spawner -> front: exactly one of ScriptEnded and ScriptRefused for each StartScript

struct ScriptEnded {
  static constexpr const char* kType = "script_ended";
  uint64_t script = 0;
  int code = 0;    // of exit()
  int signal = 0;  // that killed it, or 0
  template <class Visitor>
  void visit(Visitor& field) {
    field("script", script);
    field("code", code);
    field("signal", signal);
  }
};

// Something about scripts for the log, of no single run.
struct ScriptNotice {
  static constexpr const char* kType = "script_notice";
  std::string text;
  template <class Visitor>
  void visit(Visitor& field) {
    field("text", text);
  }
};

// It was not started. `reason`: "not_there", "unsafe", "not_executable", "no_interpreter", "identity", "no_room" or
// "failed".
struct ScriptRefused {
  static constexpr const char* kType = "script_refused";
  uint64_t script = 0;
  std::string reason;
  std::string text;  // for the log
  template <class Visitor>
  void visit(Visitor& field) {
    field("script", script);
    field("reason", reason);
    field("text", text);
  }
};

}  // namespace cutwater::control

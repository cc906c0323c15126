// The messages between the spawner and a warm Python that it keeps for CGI scripts (docs/processes.md).
#pragma once

#include <string>
#include <vector>

#include "control/fields.h"
#include "control/messages.h"

namespace cutwater::control {

// ---- spawner -> warm Python

struct WarmAnswersTag {
  static constexpr const char* kType = "answers";
};
// The first message. Descriptor: the pipe for whatever is said to the spawner, each message with a newline behind it
// and not longer than PIPE_BUF. On the channel itself nothing can be sent in that direction.
using WarmAnswersTo = Bare<WarmAnswersTag>;

// Descriptors: the script and its folder (O_PATH), and what become its standard input, output and error stream. Texts
// are as bytes_to_text() makes them.
struct RunScript {
  static constexpr const char* kType = "run";
  uint64_t script = 0;                   // the spawner's number for this run
  std::string path;                      // sys.argv[0]: absolute, or "./NAME" in the folder
  std::vector<std::string> interpreter;  // the words that a start of its own would begin with
  std::string environment;               // "NAME=value" of each variable, with a NUL between two
  bool must_be_executable = false;       // a start of its own would execute the file
  template <class Visitor>
  void visit(Visitor& field) {
    field("script", script);
    field("path", path);
    field("interpreter", interpreter);
    field("environment", environment);
    field("must_be_executable", must_be_executable);
  }
};

// ---- warm Python -> spawner

struct WarmReady {
  static constexpr const char* kType = "ready";
  std::string python;  // "3.11.2"
  template <class Visitor>
  void visit(Visitor& field) {
    field("python", python);
  }
};

// It will never be.
struct WarmUnfit {
  static constexpr const char* kType = "unfit";
  std::string text;
  template <class Visitor>
  void visit(Visitor& field) {
    field("text", text);
  }
};

// The answers to `run`: first either this, from the script's own process before anything of the script runs ...
struct WarmRunning {
  static constexpr const char* kType = "running";
  uint64_t script = 0;
  int pid = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("script", script);
    field("pid", pid);
  }
};

// ... or that it is to be started by itself, which is all then. `text`: why, for the log; "": that will show.
struct WarmCold {
  static constexpr const char* kType = "cold";
  uint64_t script = 0;
  std::string text;
  template <class Visitor>
  void visit(Visitor& field) {
    field("script", script);
    field("text", text);
  }
};

struct WarmEnded {
  static constexpr const char* kType = "ended";
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

}  // namespace cutwater::control

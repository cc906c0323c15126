// Messages about the processes of pools, between fronts and the spawner. A front numbers the processes that it asks for
// and says which configured pool they are of: never what to run, as whom, or with which arguments.
#pragma once

#include <string>

#include "control/fields.h"

namespace cutwater::control {

// ---- front -> spawner

// Descriptors: the listening socket that becomes the process's descriptor 0, and what becomes its error stream.
// `entry`: the number of the pool.
struct StartProcess {
  static constexpr const char* kType = "start_process";
  static constexpr size_t kDescriptors = 2;
  uint64_t process = 0;
  unsigned entry = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("process", process);
    field("entry", entry);
  }
};

// SIGTERM for it and what it started, SIGKILL after `grace`. Nothing when it has ended.
struct EndProcess {
  static constexpr const char* kType = "end_process";
  uint64_t process = 0;
  base::Duration grace{};
  template <class Visitor>
  void visit(Visitor& field) {
    field("process", process);
    field("grace", grace);
  }
};

// ---- spawner -> front: for each StartProcess either the first and, later, the second, or the third

struct ProcessStarted {
  static constexpr const char* kType = "process_started";
  uint64_t process = 0;
  int pid = 0;
  template <class Visitor>
  void visit(Visitor& field) {
    field("process", process);
    field("pid", pid);
  }
};

struct ProcessEnded {
  static constexpr const char* kType = "process_ended";
  uint64_t process = 0;
  int code = 0;    // of exit()
  int signal = 0;  // that killed it, or 0
  template <class Visitor>
  void visit(Visitor& field) {
    field("process", process);
    field("code", code);
    field("signal", signal);
  }
};

struct ProcessRefused {
  static constexpr const char* kType = "process_refused";
  uint64_t process = 0;
  std::string text;  // for the log, with what to do about it; as bytes_to_text() makes it
  template <class Visitor>
  void visit(Visitor& field) {
    field("process", process);
    field("text", text);
  }
};

}  // namespace cutwater::control

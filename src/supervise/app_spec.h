// What supervision has to know about an app and about the master around it. Plain values, made by app/ from
// the configuration anew at each reload.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "io/loop.h"
#include "supervise/children.h"
#include "supervise/fronts.h"
#include "supervise/identity.h"
#include "supervise/stop_pending.h"

namespace cutwater::supervise {

struct AppSpec {
  std::string name;
  std::string root;  // absolute
  std::string target;
  std::string protocol;
  std::string python;   // absolute path of the interpreter
  std::string library;  // folder with the `cutwater` package and the extension
  std::string preload;  // "auto" | "true" | "false"
  std::string watch;    // "code" | "deploy" | "off"
  std::string prefix;
  std::string hop_by_hop;  // "refuse" | "drop"
  std::string loop;
  std::string lifespan;       // "auto" | "on" | "off"
  std::string on_disconnect;  // "finish" | "cancel"
  std::map<std::string, std::string> environment;
  std::optional<Identity> identity;  // who runs it; nullopt: who we are
  base::Duration timeout{};
  base::Duration grace{};
  base::Duration start_timeout{};
  base::Duration queue_timeout{};
  // What a start may take at least before it is given up for another reload that waits. No setting.
  base::Duration start_patience = std::chrono::seconds(10);
  unsigned queue = 100;
  unsigned workers = 2;
  unsigned concurrency = 1;  // of an asynchronous app's worker
  std::vector<std::string> websocket_origins;
  unsigned threads = 1;   // the most that one of them runs requests in
  int error_stream = -1;  // descriptor that becomes its standard error; lent; -1: ours
};

// All of it outlives every app.
struct World {
  io::Loop& loop;
  base::LogSink& log;
  Children& children;
  Fronts& fronts;
  std::function<base::Result<base::FileDescriptor>(unsigned fronts, unsigned lanes, unsigned requests)> create_segment;
  std::function<base::Result<void>(int descriptor)> check_segment;  // link::check_segment()
  bool stops = false;                                               // what runs is finished, and nothing new begins
  bool ends_at_once = false;  // somebody has asked for it: nobody gets the time that settings give

  bool is_stopping() const { return stops || stop_is_pending(); }
};

}  // namespace cutwater::supervise

// What the master opens with its own rights before anything else runs: listening sockets and static folders.
#pragma once

#include <string>
#include <vector>

#include "app/route_folders.h"
#include "app/socket_files.h"
#include "base/file_descriptor.h"
#include "base/log.h"
#include "config/model.h"
#include "supervise/identity.h"

namespace cutwater::app {

class Sockets {
 public:
  // Logs what cannot be opened, each with its code; false when anything failed.
  bool open(const config::Config& config, base::LogSink& log);
  SocketFiles& files() { return files_; }
  // Who comes when the fronts have closed theirs, too, is refused by the kernel. The files stay.
  void close_listening() { listening_.clear(); }

  const std::vector<base::FileDescriptor>& listening() const { return listening_; }
  // Of those that who has the rights of `front` cannot reach by itself, as below a home of mode 0700: opens what is
  // another folder by now, with the rights of who owns the one before, and never root's. But for `dir` of cgi. Their
  // numbers.
  std::vector<size_t> reopen_roots(const config::Config& config, const supervise::Identity& front);
  // O_PATH, as route_folders() has them.
  const std::vector<base::FileDescriptor>& static_roots() const { return static_roots_; }
  // "http://127.0.0.1:8000" or "unix:/run/x.sock", with the port the kernel chose.
  const std::vector<std::string>& urls() const { return urls_; }

 private:
  bool open_listening(const config::Listen& listen, const config::Config& config, base::LogSink& log);
  bool open_root(const RouteFolder& folder, base::LogSink& log);
  std::vector<base::FileDescriptor> listening_;
  std::vector<base::FileDescriptor> static_roots_;
  std::vector<std::string> urls_;
  SocketFiles files_;
};

}  // namespace cutwater::app

// Listener: accepts on a bound, listening, non-blocking socket (opened by the master). When descriptors run out it
// pauses for 100 ms and logs once a second instead of spinning (faults.md 153).
#pragma once

#include <sys/socket.h>

#include <functional>

#include "base/file_descriptor.h"
#include "base/log.h"
#include "io/loop.h"

namespace cutwater::io {

struct Address {
  std::string host;   // "127.0.0.1", "::1", or the path of a unix socket ("" when unnamed)
  uint16_t port = 0;  // 0 for unix sockets
  bool is_unix = false;
};
Address to_address(const sockaddr_storage& raw, socklen_t length);

class Listener : public Watcher {
 public:
  // Gets each accepted socket (non-blocking, close-on-exec, TCP_NODELAY) and its peer's address.
  using Accept = std::function<void(base::FileDescriptor, const Address& peer)>;
  Listener(Loop& loop, base::FileDescriptor socket, base::LogSink& log, Accept accept);
  ~Listener() override;

  void pause();   // connection limit reached, or shutting down: the kernel's backlog holds newcomers
  void resume();
  void on_events(uint32_t events) override;
  const Address& local_address() const { return local_; }

 private:
  Loop& loop_;
  base::FileDescriptor socket_;
  base::LogSink& log_;
  Accept accept_;
  Address local_;
  bool paused_ = false;
  Timer retry_;
  base::Instant last_logged_{0};
};

// Binds and listens: "127.0.0.1:8000", ":8000", "[::1]:8000", "unix:/run/x.sock", "fd:3". A stale unix socket file
// (nobody answers on it) is replaced, a live one is an error. For the master, before rights are dropped.
struct ListenOptions {
  int backlog = 2048;
  int unix_mode = 0666;
};
base::Result<base::FileDescriptor> open_listening_socket(std::string_view address, const ListenOptions& options);

}  // namespace cutwater::io

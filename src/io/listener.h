// Listener: accepts on a bound, listening, non-blocking socket (opened by the master). When descriptors run
// out it pauses for 100 ms and logs once a second instead of spinning (faults.md 153).
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "base/log.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/timer.h"

namespace cutwater::io {

struct Address {
  std::string host;   // "127.0.0.1", "::1", or the path of a unix socket ("" when unnamed)
  uint16_t port = 0;  // 0 for unix sockets
  bool is_unix = false;
};
Address to_address(const sockaddr_storage& raw, socklen_t length);

class Listener : public Watcher {
 public:
  // Gets each accepted socket (non-blocking, close-on-exec, TCP_NODELAY, TCP keepalive) and its peer's address.
  using Accept = std::function<void(base::FileDescriptor, const Address& peer)>;
  Listener(Loop& loop, base::FileDescriptor socket, base::LogSink& log, Accept accept);
  ~Listener() override;

  void pause();  // connection limit reached, or shutting down: the kernel's backlog holds newcomers
  void resume();
  // At the end: all that the kernel has accepted already and would reset, but for what a pause leaves, and no more than
  // `most`, as others may come for ever.
  void take_waiting(size_t most);
  void on_events(uint32_t events) override;
  const Address& local_address() const { return local_; }
  int descriptor() const { return socket_.get(); }

 private:
  void accept_up_to(size_t most);
  void update_registration();
  void back_off(int error);

  Loop& loop_;
  base::FileDescriptor socket_;
  base::LogSink& log_;
  Accept accept_;
  Address local_;
  bool paused_ = false;
  bool registered_ = false;
  bool* destroyed_ = nullptr;  // set by the destructor while connections are handed out
  Timer retry_;
  base::Instant last_logged_{0};
};

// Binds and listens: "127.0.0.1:8000", "localhost:8000", ":8000" (all IPv4 addresses), "[::1]:8000",
// "[::]:8000" (IPv6 alone), "unix:/run/x.sock", "fd:3" (inherited). Port 0: the kernel chooses. A stale unix
// socket file (nobody answers on it) is replaced, a live one is an error. For the master, before rights are
// dropped; may block on names.
struct ListenOptions {
  int backlog = 2048;
  int unix_mode = 0666;
  std::optional<uid_t> unix_owner = {};
  std::optional<gid_t> unix_group = {};
};
base::Result<base::FileDescriptor> open_listening_socket(std::string_view address, const ListenOptions& options);

// "127.0.0.1:8000", "[::1]:8000", "unix:/run/x.sock": for messages and links.
std::string to_text(const Address& address);
base::Result<Address> local_address_of(int socket);

}  // namespace cutwater::io

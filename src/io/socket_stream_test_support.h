// For the tests of socket streams: one with its peer, and who reads from it.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/task.h"
#include "io/socket_stream.h"

namespace cutwater::io {

using base::FileDescriptor;
using base::Task;

struct Pair {
  explicit Pair(Opened opened = Opened::kByPeer, Carrier carrier = Carrier::kTcp) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    stream = std::make_unique<SocketStream>(loop, FileDescriptor(ends[0]), opened, carrier);
    peer = FileDescriptor(ends[1]);
  }
  explicit Pair(std::pair<FileDescriptor, FileDescriptor> connection)
      : stream(std::make_unique<SocketStream>(loop, std::move(connection.second), Opened::kByPeer)),
        peer(std::move(connection.first)) {}
  void peer_writes(std::string_view bytes) {
    ASSERT_EQ(::write(peer.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  base::Instant in(int milliseconds) { return base::monotonic_now() + std::chrono::milliseconds(milliseconds); }
  void run_for(int milliseconds) {
    Timer timer(loop.timers(), [this] { loop.stop(); });
    timer.set(in(milliseconds));
    loop.run();
  }
  Loop loop;
  std::unique_ptr<SocketStream> stream;
  FileDescriptor peer;
  base::TaskSet tasks;
};

// Over loopback: who connected (it blocks), and the accepted socket (it does not).
inline std::pair<FileDescriptor, FileDescriptor> tcp_connection() {
  const FileDescriptor listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(listening.get(), raw, length) | listen(listening.get(), 1), 0);
  EXPECT_EQ(getsockname(listening.get(), raw, &length), 0);
  FileDescriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(client.get(), raw, length), 0);
  return {std::move(client), FileDescriptor(accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC))};
}

struct HangupNotes : HangupListener {
  void on_hangup(Hangup kind) override {
    ++calls;
    last = kind;
  }
  int calls = 0;
  Hangup last = Hangup::kSendingEnded;
};

}  // namespace cutwater::io

#include "io/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace cutwater::io {
namespace {

using base::FileDescriptor;

struct CountingLog : base::LogSink {
  void write(base::Severity, std::string_view, std::string_view text) override { lines.emplace_back(text); }
  std::vector<std::string> lines;
};

FileDescriptor connect_silently(const Address& address) {
  if (address.is_unix) {
    sockaddr_un raw{};
    raw.sun_family = AF_UNIX;
    std::strncpy(raw.sun_path, address.host.c_str(), sizeof raw.sun_path - 1);
    FileDescriptor client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&raw), sizeof raw), 0);
    return client;
  }
  sockaddr_in raw{};
  raw.sin_family = AF_INET;
  raw.sin_port = htons(address.port);
  inet_pton(AF_INET, address.host.c_str(), &raw.sin_addr);
  FileDescriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&raw), sizeof raw), 0);
  return client;
}

void speak(const FileDescriptor& client) {
  EXPECT_EQ(send(client.get(), "G", 1, MSG_NOSIGNAL), 1);
}

FileDescriptor connect_to(const Address& address) {
  FileDescriptor client = connect_silently(address);
  speak(client);
  return client;
}

std::string scratch_path(const char* name) {
  return "/tmp/cutwater-listener-test-" + std::to_string(getpid()) + "-" + name;
}

void run_for(Loop& loop, int milliseconds) {
  Timer timer(loop.timers(), [&] { loop.stop(); });
  timer.set(base::monotonic_now() + std::chrono::milliseconds(milliseconds));
  loop.run();
}

int option_of(const FileDescriptor& socket, int level, int option) {
  int value = -1;
  socklen_t length = sizeof value;
  EXPECT_EQ(getsockopt(socket.get(), level, option, &value, &length), 0);
  return value;
}

TEST(Listener, AcceptsWithPeerAddressAndOptions) {
  Loop loop;
  CountingLog log;
  auto socket = open_listening_socket("127.0.0.1:0", {});
  ASSERT_TRUE(socket.ok()) << socket.error().message;
  std::vector<FileDescriptor> accepted;
  Listener listener(loop, std::move(*socket), log, [&](FileDescriptor connection, const Address& peer) {
    EXPECT_EQ(peer.host, "127.0.0.1");
    EXPECT_NE(peer.port, 0);
    EXPECT_EQ(option_of(connection, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(option_of(connection, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option_of(connection, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    EXPECT_EQ(option_of(connection, IPPROTO_TCP, TCP_KEEPINTVL), 15);
    EXPECT_EQ(option_of(connection, IPPROTO_TCP, TCP_KEEPCNT), 4);
    EXPECT_TRUE(fcntl(connection.get(), F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(fcntl(connection.get(), F_GETFD) & FD_CLOEXEC);
    accepted.push_back(std::move(connection));
    if (accepted.size() == 100) loop.stop();
  });
  EXPECT_EQ(listener.local_address().host, "127.0.0.1");
  std::vector<FileDescriptor> clients;
  for (int count = 0; count < 100; ++count) clients.push_back(connect_to(listener.local_address()));
  loop.run();
  EXPECT_EQ(accepted.size(), 100u);
}

TEST(Listener, OneThatSaysNothingIsLeftToTheKernelForASecond) {
  Loop loop;
  CountingLog log;
  auto socket = open_listening_socket("127.0.0.1:0", {});
  ASSERT_TRUE(socket.ok());
  int accepted = 0;
  Listener listener(loop, std::move(*socket), log, [&](FileDescriptor, const Address&) {
    ++accepted;
    loop.stop();
  });
  const FileDescriptor client = connect_silently(listener.local_address());
  run_for(loop, 50);
  EXPECT_EQ(accepted, 0);
  speak(client);
  run_for(loop, 5000);
  EXPECT_EQ(accepted, 1);
  const FileDescriptor silent = connect_silently(listener.local_address());
  run_for(loop, 10000);
  EXPECT_EQ(accepted, 2);
}

TEST(Listener, AtTheEndTakesAllThatWaitsOrSoMany) {
  Loop loop;
  CountingLog log;
  for (const std::string& place : {std::string("127.0.0.1:0"), "unix:" + scratch_path("waiting")}) {
    auto socket = open_listening_socket(place, {});
    ASSERT_TRUE(socket.ok());
    std::vector<FileDescriptor> accepted;
    Listener listener(loop, std::move(*socket), log,
                      [&](FileDescriptor connection, const Address&) { accepted.push_back(std::move(connection)); });
    std::vector<FileDescriptor> clients;
    for (int count = 0; count < 200; ++count) clients.push_back(connect_to(listener.local_address()));
    listener.take_waiting(150);
    EXPECT_EQ(accepted.size(), 150u);
    listener.pause();
    listener.take_waiting(1000);
    EXPECT_EQ(accepted.size(), 150u);
    listener.resume();
    listener.take_waiting(1000);
    EXPECT_EQ(accepted.size(), 200u);
  }
  unlink(scratch_path("waiting").c_str());
}

TEST(Listener, PausedLeavesNewcomersInTheBacklog) {
  Loop loop;
  CountingLog log;
  auto socket = open_listening_socket(":0", {});
  ASSERT_TRUE(socket.ok());
  int accepted = 0;
  Listener* self = nullptr;
  Listener listener(loop, std::move(*socket), log, [&](FileDescriptor, const Address&) {
    if (++accepted == 1) self->pause();
  });
  self = &listener;
  std::vector<FileDescriptor> clients;
  Address target = listener.local_address();
  target.host = "127.0.0.1";
  for (int count = 0; count < 3; ++count) clients.push_back(connect_to(target));
  run_for(loop, 20);
  EXPECT_EQ(accepted, 1);
  listener.resume();
  run_for(loop, 20);
  EXPECT_EQ(accepted, 3);
}

TEST(Listener, OutOfDescriptorsPausesAndRecovers) {
  Loop loop;
  CountingLog log;
  auto socket = open_listening_socket("127.0.0.1:0", {});
  ASSERT_TRUE(socket.ok());
  int accepted = 0;
  Listener listener(loop, std::move(*socket), log, [&](FileDescriptor, const Address&) { ++accepted; });
  FileDescriptor client = connect_to(listener.local_address());
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const FileDescriptor last(dup(client.get()));
  rlimit small{static_cast<rlim_t>(last.get() + 1), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
  run_for(loop, 250);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(accepted, 0);
  EXPECT_EQ(log.lines.size(), 1u);
  run_for(loop, 150);
  EXPECT_EQ(accepted, 1);
}

TEST(ListeningSocket, UnixSocketHasItsModeAndReplacesAStaleFile) {
  const std::string path = scratch_path("stale");
  ListenOptions options;
  options.unix_mode = 0660;
  for (int round = 0; round < 2; ++round) {  // the second finds the file that the first left
    auto socket = open_listening_socket("unix:" + path, options);
    ASSERT_TRUE(socket.ok()) << socket.error().message;
    struct stat status;
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0660u);
    auto second = open_listening_socket("unix:" + path, options);
    EXPECT_FALSE(second.ok());
    auto local = local_address_of(socket->get());
    ASSERT_TRUE(local.ok());
    EXPECT_TRUE(local->is_unix);
    EXPECT_EQ(local->host, path);
    connect_to(*local);
  }
  unlink(path.c_str());
}

// Both find the file that the round before left, and each might take the other's new socket for it.
TEST(ListeningSocket, OfTwoThatStartInTheSameMomentOneGetsTheName) {
  const std::string path = scratch_path("race");
  for (int round = 0; round < 200; ++round) {
    std::latch start(2);
    base::Result<base::FileDescriptor> sockets[2] = {base::Error{"", 0}, base::Error{"", 0}};
    const auto open_one = [&](int index) {
      start.arrive_and_wait();
      sockets[index] = open_listening_socket("unix:" + path, {});
    };
    std::thread other(open_one, 1);
    open_one(0);
    other.join();
    ASSERT_NE(sockets[0].ok(), sockets[1].ok()) << round;
  }
  unlink(path.c_str());
}

TEST(ListeningSocket, NeverReplacesAnOrdinaryFile) {
  const std::string path = scratch_path("file");
  FileDescriptor file(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  EXPECT_FALSE(open_listening_socket("unix:" + path, {}).ok());
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  unlink(path.c_str());
}

TEST(ListeningSocket, RefusesNonsenseWithAReason) {
  for (const char* address : {"", "8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80",
                              "[::1]", "[::1:80", "unix:", "fd:", "fd:x", "fd:99999999999999999999", "fd:900"}) {
    auto socket = open_listening_socket(address, {});
    ASSERT_FALSE(socket.ok()) << address;
    EXPECT_EQ(socket.error().message.find(std::string("cannot listen on ") + address), 0u);
  }
  EXPECT_FALSE(open_listening_socket("unix:/tmp/" + std::string(200, 'x'), {}).ok());
}

TEST(ListeningSocket, AdoptsAnInheritedSocketOnlyIfItListens) {
  auto socket = open_listening_socket("127.0.0.1:0", {});
  ASSERT_TRUE(socket.ok());
  auto adopted = open_listening_socket("fd:" + std::to_string(dup(socket->get())), {});
  ASSERT_TRUE(adopted.ok());
  EXPECT_EQ(local_address_of(adopted->get())->port, local_address_of(socket->get())->port);
  FileDescriptor plain(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(open_listening_socket("fd:" + std::to_string(plain.get()), {}).ok());
}

TEST(ListeningSocket, PortInUseIsAnError) {
  auto first = open_listening_socket("127.0.0.1:0", {});
  ASSERT_TRUE(first.ok());
  auto second = open_listening_socket(to_text(*local_address_of(first->get())), {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().system_errno, EADDRINUSE);
}

TEST(Address, ShowsMappedIpv4AsIpv4) {
  sockaddr_in6 raw{};
  raw.sin6_family = AF_INET6;
  raw.sin6_port = htons(443);
  inet_pton(AF_INET6, "::ffff:192.0.2.7", &raw.sin6_addr);
  sockaddr_storage storage{};
  std::memcpy(&storage, &raw, sizeof raw);
  EXPECT_EQ(to_text(to_address(storage, sizeof raw)), "192.0.2.7:443");
  inet_pton(AF_INET6, "2001:db8::1", &raw.sin6_addr);
  std::memcpy(&storage, &raw, sizeof raw);
  EXPECT_EQ(to_text(to_address(storage, sizeof raw)), "[2001:db8::1]:443");
}

}  // namespace
}  // namespace cutwater::io

#include "upstream/connect.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "io/listener.h"
#include "upstream/upstream_test_support.h"

namespace cutwater::upstream {
namespace {

struct ConnectTest : testing::Test {
  Connected connect(const std::string& text, base::Duration patience = std::chrono::seconds(5)) {
    auto addresses = resolve_peers(text);
    EXPECT_TRUE(addresses.ok());
    if (!addresses) return {};
    Connected result;
    bool done = false;
    tasks.start(keep(addresses->front(), patience, result, done));
    runner.until([&] { return done; });
    return result;
  }
  base::Task<void> keep(const PeerAddress& address, base::Duration patience, Connected& result, bool& done) {
    auto connecting = connect_to(loop, address, base::monotonic_now() + patience);
    result = co_await connecting;
    done = true;
  }
  std::string listen(const std::string& at) {
    auto socket = io::open_listening_socket(at, {});
    EXPECT_TRUE(socket.ok());
    listening = std::move(*socket);
    auto address = io::local_address_of(listening.get());
    return io::to_text(*address);
  }
  io::Loop loop;
  LoopRunner runner{loop};
  base::FileDescriptor listening;
  base::TaskSet tasks;
};

TEST_F(ConnectTest, Tcp) {
  EXPECT_NE(connect(listen("127.0.0.1:0")).stream, nullptr);
}

TEST_F(ConnectTest, RefusedTcp) {
  const std::string address = listen("127.0.0.1:0");
  listening.reset();
  const Connected result = connect(address);
  EXPECT_EQ(result.stream, nullptr);
  EXPECT_EQ(result.error, ECONNREFUSED);
}

TEST_F(ConnectTest, UnixAndItsErrors) {
  char folder[] = "/tmp/cutwater-connect-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/peer.sock";
  EXPECT_EQ(connect("unix:" + path).error, ENOENT);
  EXPECT_NE(connect(listen("unix:" + path)).stream, nullptr);
  listening.reset();
  EXPECT_EQ(connect("unix:" + path).error, ECONNREFUSED);
  unlink(path.c_str());
  rmdir(folder);
}

// A backlog that is full answers no SYN: faults.md 103.
TEST_F(ConnectTest, NoAnswerByTheDeadline) {
  auto socket = io::open_listening_socket("127.0.0.1:0", {.backlog = 0});
  ASSERT_TRUE(socket.ok());
  const std::string address = io::to_text(*io::local_address_of(socket->get()));
  std::vector<Connected> filling;
  Connected last;
  for (int i = 0; i < 8; ++i) {
    last = connect(address, std::chrono::milliseconds(50));
    if (!last.stream) break;
    filling.push_back(std::move(last));
  }
  EXPECT_EQ(last.stream, nullptr);
  EXPECT_EQ(last.error, ETIMEDOUT);
}

TEST(ResolvePeers, WhatIsAnAddress) {
  EXPECT_TRUE(resolve_peers("127.0.0.1:80").ok());
  EXPECT_TRUE(resolve_peers("[::1]:80").ok());
  EXPECT_TRUE(resolve_peers("unix:/run/x.sock").ok());
  EXPECT_EQ(resolve_peers("127.0.0.1:80")->front().label(), "127.0.0.1:80");
  const PeerAddresses local = *resolve_peers("localhost:8000");  // also where it has ::1 beside
  ASSERT_EQ(local.size(), 1u);
  EXPECT_EQ(local.front().raw.ss_family, AF_INET);
  EXPECT_EQ(local.front().label(), "localhost:8000 (127.0.0.1)");
  for (const char* text : {"", "127.0.0.1", ":80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x", "unix:"}) {
    EXPECT_FALSE(resolve_peers(text).ok()) << text;
  }
  EXPECT_FALSE(resolve_peers("unix:/" + std::string(200, 'x')).ok());
  EXPECT_FALSE(resolve_peers("no-such-host.invalid:80").ok());
}

TEST(ResolvePeers, WhatIsAName) {
  for (const char* text : {"localhost:80", "api:80", "10.0.0.5.example:80"}) EXPECT_TRUE(has_name(text)) << text;
  for (const char* text : {"127.0.0.1:80", "[::1]:80", "unix:/run/api.sock"}) EXPECT_FALSE(has_name(text)) << text;
}

}  // namespace
}  // namespace cutwater::upstream

#include "app/peer_trust.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "base/file_descriptor.h"

namespace cutwater::app {
namespace {

using Names = std::vector<std::string>;

bool admits_us(const Names& users, uid_t own) {
  std::array<int, 2> ends;
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const base::FileDescriptor ours(ends[0]);
  const base::FileDescriptor theirs(ends[1]);
  config::Listen listen;
  listen.trusted_users = users;
  const auto trust = PeerTrust::make(listen, own);
  EXPECT_TRUE(trust.ok());
  return trust->admits(ours.get(), {"", 0, true});
}

TEST(PeerTrust, UsersOnUnixSockets) {
  const std::string me = std::to_string(geteuid());
  const uid_t other = geteuid() + 1;
  EXPECT_TRUE(admits_us({}, geteuid()));
  EXPECT_FALSE(admits_us({}, other));
  EXPECT_FALSE(admits_us({std::to_string(other), "nobody-of-that-name"}, other));
  EXPECT_TRUE(admits_us({"nobody-of-that-name", me}, other));
  EXPECT_TRUE(admits_us({"*"}, other));
}

TEST(PeerTrust, NamesWhomItJudged) {
  std::array<int, 2> ends;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const base::FileDescriptor ours(ends[0]);
  const base::FileDescriptor theirs(ends[1]);
  const passwd* entry = getpwuid(geteuid());
  const std::string number = std::to_string(geteuid());
  EXPECT_EQ(PeerTrust::name_of(ours.get(), {"", 0, true}),
            entry ? std::string("user ") + entry->pw_name + " (" + number + ")" : "user " + number);
  EXPECT_EQ(PeerTrust::name_of(-1, {"", 0, true}), "an unknown user");
  EXPECT_EQ(PeerTrust::name_of(-1, {"10.0.0.7", 1, false}), "10.0.0.7");
}

TEST(PeerTrust, AddressesByTcp) {
  const auto admits = [](const Names& networks, const std::string& host) {
    config::Listen listen;
    listen.trusted_users = {"*"};
    listen.trusted_proxies = networks;
    const auto trust = PeerTrust::make(listen, geteuid());
    EXPECT_TRUE(trust.ok());
    return trust->admits(-1, {host, 1, false});
  };
  const Names usual = config::Listen().trusted_proxies;
  EXPECT_TRUE(admits(usual, "127.0.0.1"));
  EXPECT_TRUE(admits(usual, "::1"));
  EXPECT_FALSE(admits(usual, "127.0.0.2"));
  EXPECT_FALSE(admits(usual, "10.0.0.5"));
  EXPECT_FALSE(admits({}, "127.0.0.1"));
  EXPECT_TRUE(admits({"10.0.0.0/8"}, "10.0.0.5"));
  EXPECT_FALSE(admits({"10.0.0.0/8"}, "127.0.0.1"));
  EXPECT_TRUE(admits({"*"}, "192.0.2.1"));
  EXPECT_FALSE(admits({"*"}, ""));
}

TEST(PeerTrust, TheEnvironmentMayNameTheWebServersOfFastcgi) {
  const auto admits = [](const char* web_servers, const std::string& host, const char* protocol = "fastcgi") {
    config::Listen listen;
    listen.protocol = protocol;
    listen.trusted_proxies = {"10.0.0.0/8"};
    return PeerTrust::make(listen, geteuid(), web_servers)->admits(-1, {host, 1, false});
  };
  EXPECT_TRUE(admits(nullptr, "10.0.0.5"));
  EXPECT_TRUE(admits("10.0.0.5", "10.0.0.5"));
  EXPECT_TRUE(admits("192.0.2.1, 10.0.0.5,", "10.0.0.5"));
  EXPECT_FALSE(admits("10.0.0.6", "10.0.0.5"));
  EXPECT_FALSE(admits("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(admits("", "10.0.0.5"));
  EXPECT_FALSE(admits("*,10.0.0.0/8", "10.0.0.5"));
  EXPECT_TRUE(admits("10.0.0.6", "10.0.0.5", "scgi"));
}

TEST(PeerTrust, UnixPeersAreNeverTrustedByAddress) {
  std::array<int, 2> ends;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const base::FileDescriptor ours(ends[0]);
  const base::FileDescriptor theirs(ends[1]);
  config::Listen listen;
  listen.trusted_users = {};
  listen.trusted_proxies = {"*", "unix"};
  EXPECT_FALSE(PeerTrust::make(listen, geteuid() + 1)->admits(ours.get(), {"", 0, true}));
}

}  // namespace
}  // namespace cutwater::app

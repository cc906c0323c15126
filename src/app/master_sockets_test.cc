#include "app/master_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <tuple>

#include "io/listener.h"

namespace cutwater::app {
namespace {

class RecordingLog : public base::LogSink {
 public:
  void write(base::Severity, std::string_view code, std::string_view text) override {
    lines.push_back(std::string(code) + " " + std::string(text));
  }
  std::vector<std::string> lines;
};

config::Listen listen_on(const std::string& address) {
  config::Listen listen;
  listen.address = address;
  return listen;
}

class SocketsTest : public testing::Test {
 protected:
  SocketsTest() {
    char folder[] = "/tmp/cutwater-sockets-test-XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~SocketsTest() override { std::filesystem::remove_all(folder_); }
  bool exists(const std::string& name) { return std::filesystem::exists(folder_ + "/" + name); }
  std::string folder_;
  RecordingLog log_;
  config::Config config_;
};

TEST_F(SocketsTest, NamesThePortThatTheKernelChose) {
  config_.listens = {listen_on("127.0.0.1:0"), listen_on("unix:" + folder_ + "/x.sock")};
  Sockets sockets;
  ASSERT_TRUE(sockets.open(config_, log_));
  EXPECT_THAT(sockets.urls()[0], testing::MatchesRegex("http://127\\.0\\.0\\.1:[1-9][0-9]*"));
  EXPECT_EQ(sockets.urls()[1], "unix:" + folder_ + "/x.sock");
}

TEST_F(SocketsTest, NamesTheProtocol) {
  config_.listens = {listen_on("127.0.0.1:0"), listen_on("unix:" + folder_ + "/x.sock")};
  config_.listens[0].protocol = "uwsgi";
  config_.listens[1].protocol = "scgi";
  Sockets sockets;
  ASSERT_TRUE(sockets.open(config_, log_));
  EXPECT_THAT(sockets.urls()[0], testing::MatchesRegex("uwsgi://127\\.0\\.0\\.1:[1-9][0-9]*"));
  EXPECT_EQ(sockets.urls()[1], "unix:" + folder_ + "/x.sock (scgi)");
}

TEST_F(SocketsTest, AnInheritedSocketForOtherMachinesTrustsSomebodyInParticular) {
  for (const auto& [address, trusted, opens] :
       {std::tuple("0.0.0.0:0", "127.0.0.1", false), {"0.0.0.0:0", "10.0.0.5", true}, {"127.0.0.1:0", "::1", true}}) {
    auto inherited = io::open_listening_socket(address, {});
    ASSERT_TRUE(inherited.ok());
    config_.listens = {listen_on("fd:" + std::to_string(inherited->release()))};
    config_.listens[0].protocol = "uwsgi";
    config_.listens[0].trusted_proxies = {trusted};
    log_.lines.clear();
    Sockets sockets;
    EXPECT_EQ(sockets.open(config_, log_), opens) << address << " " << trusted;
    ASSERT_EQ(log_.lines.size(), opens ? 0u : 1u);
    if (!opens) {
      EXPECT_THAT(log_.lines[0], testing::StartsWith("CW0115 listen 0.0.0.0:"));
    }
  }
}

TEST_F(SocketsTest, AUnixSocketHasItsModeOwnerAndGroup) {
  config_.listens = {listen_on("unix:" + folder_ + "/x.sock")};
  config_.listens[0].mode = 0640;
  config_.listens[0].owner = std::to_string(geteuid());
  config_.listens[0].group = std::to_string(geteuid() == 0 ? 12 : getegid());  // root may give it to any
  Sockets sockets;
  ASSERT_TRUE(sockets.open(config_, log_));
  struct stat status {};
  ASSERT_EQ(stat((folder_ + "/x.sock").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  EXPECT_EQ(status.st_uid, geteuid());
  EXPECT_EQ(std::to_string(status.st_gid), config_.listens[0].group);
}

TEST_F(SocketsTest, AnUnknownGroupIsAnErrorWithAFix) {
  config_.listens = {listen_on("unix:" + folder_ + "/x.sock"), listen_on("unix:" + folder_ + "/y.sock")};
  config_.listens[0].group = "no-such-group";
  config_.listens[1].owner = "no-such-user";
  Sockets sockets;
  EXPECT_FALSE(sockets.open(config_, log_));
  ASSERT_EQ(log_.lines.size(), 2u);
  EXPECT_THAT(log_.lines[0], testing::HasSubstr("there is no group no-such-group\nfix: "));
  EXPECT_THAT(log_.lines[1], testing::HasSubstr("no-such-user"));
  EXPECT_FALSE(exists("x.sock"));
}

TEST_F(SocketsTest, TakenAddressIsAnErrorWithAFix) {
  config_.listens = {listen_on("127.0.0.1:0")};
  Sockets first;
  ASSERT_TRUE(first.open(config_, log_));
  config_.listens = {listen_on(first.urls()[0].substr(7))};
  Sockets second;
  EXPECT_FALSE(second.open(config_, log_));
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_THAT(log_.lines[0], testing::StartsWith("CW0801 cannot listen on 127.0.0.1:"));
  EXPECT_THAT(log_.lines[0], testing::HasSubstr("fix:"));
}

TEST_F(SocketsTest, RemovesItsSocketFileButNobodyElses) {
  config_.listens = {listen_on("unix:" + folder_ + "/x.sock"), listen_on("unix:" + folder_ + "/y.sock")};
  Sockets sockets;
  ASSERT_TRUE(sockets.open(config_, log_));
  std::filesystem::remove(folder_ + "/y.sock");
  std::ofstream(folder_ + "/y.sock") << "another's";
  sockets.files().remove();
  EXPECT_FALSE(exists("x.sock"));
  EXPECT_TRUE(exists("y.sock"));
}

TEST_F(SocketsTest, MissingStaticFolderIsAnError) {
  config_.static_routes = {{"/static/", folder_ + "/nowhere", "", std::nullopt}};
  Sockets sockets;
  EXPECT_FALSE(sockets.open(config_, log_));
  EXPECT_THAT(log_.lines[0], testing::StartsWith("CW0806"));
}

}  // namespace
}  // namespace cutwater::app

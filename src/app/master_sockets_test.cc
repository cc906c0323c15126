#include "app/master_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

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

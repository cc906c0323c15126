#include "control/channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>

namespace cutwater::control {
namespace {

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

std::pair<Channel, Channel> make_channel() {
  auto pair = Channel::make_pair();
  EXPECT_TRUE(pair.ok());
  return std::move(*pair);
}

// The kernel's way of writing what no Channel would send.
void send_raw(const Channel& channel, std::string_view text) {
  ASSERT_EQ(::send(channel.descriptor(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
}

TEST(Channel, CarriesObjectsInOrder) {
  auto [left, right] = make_channel();
  EXPECT_TRUE(left.send({{"type", "first"}, {"number", 1}}));
  EXPECT_TRUE(left.send({{"type", "second"}}));
  Message message;
  ASSERT_EQ(right.receive(message), Channel::Outcome::kMessage);
  EXPECT_EQ(message.type(), "first");
  EXPECT_EQ(message.body["number"], 1);
  ASSERT_EQ(right.receive(message), Channel::Outcome::kMessage);
  EXPECT_EQ(message.type(), "second");
  EXPECT_EQ(right.receive(message), Channel::Outcome::kNothing);
}

TEST(Channel, HearsTheLastWordsOfAPeerThatDidNotReadEverything) {
  auto [left, right] = make_channel();
  EXPECT_TRUE(right.send({{"type", "unread"}}));
  EXPECT_TRUE(left.send({{"type", "last"}}));
  left = Channel(base::FileDescriptor());
  Message message;
  ASSERT_EQ(right.receive(message), Channel::Outcome::kMessage);
  EXPECT_EQ(message.type(), "last");
  EXPECT_EQ(right.receive(message), Channel::Outcome::kClosed);
  EXPECT_EQ(right.error(), "");
}

TEST(Channel, PassesDescriptorsCloseOnExec) {
  auto [left, right] = make_channel();
  base::FileDescriptor file(open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_TRUE(left.send({{"type", "files"}}, {file.get(), file.get()}));
  Message message;
  ASSERT_EQ(right.receive(message), Channel::Outcome::kMessage);
  ASSERT_EQ(message.descriptors.size(), 2u);
  struct stat sent, received;
  fstat(file.get(), &sent);
  for (const base::FileDescriptor& descriptor : message.descriptors) {
    EXPECT_NE(descriptor.get(), file.get());
    EXPECT_TRUE(fcntl(descriptor.get(), F_GETFD) & FD_CLOEXEC);
    fstat(descriptor.get(), &received);
    EXPECT_EQ(sent.st_ino, received.st_ino);
  }
}

TEST(Channel, TakesWhatAWorkerOfSixtyFourFrontsNeeds) {
  auto [left, right] = make_channel();
  const std::vector<int> descriptors(3 + 3 * 64, 0);
  ASSERT_TRUE(left.send({{"type", "fork"}}, descriptors));
  Message message;
  ASSERT_EQ(right.receive(message), Channel::Outcome::kMessage);
  EXPECT_EQ(message.descriptors.size(), descriptors.size());
}

TEST(Channel, KeepsWhatTheKernelDoesNotTake) {
  auto [left, right] = make_channel();
  base::FileDescriptor file(open("/dev/null", O_RDWR | O_CLOEXEC));
  const std::string filler(30000, 'x');
  int sent = 0;
  while (!left.wants_write()) ASSERT_TRUE(left.send({{"type", "filler"}, {"number", sent++}, {"filler", filler}}));
  ASSERT_TRUE(left.send({{"type", "filler"}, {"number", sent++}}, {file.get()}));
  file.reset();  // the waiting message has its own duplicate
  EXPECT_FALSE(left.flush());
  Message message;
  for (int i = 0; i < sent; ++i) {
    left.flush();
    ASSERT_EQ(right.receive(message), Channel::Outcome::kMessage);
    EXPECT_EQ(message.body["number"], i);
  }
  EXPECT_EQ(message.descriptors.size(), 1u);
  EXPECT_FALSE(left.wants_write());
}

TEST(Channel, SeesTheEnd) {
  auto [left, right] = make_channel();
  left.release();
  Message message;
  EXPECT_EQ(right.receive(message), Channel::Outcome::kClosed);
  EXPECT_EQ(right.error(), "");
  EXPECT_FALSE(right.send({{"type", "late"}}));
}

TEST(Channel, RefusesTooLargeMessages) {
  auto [left, right] = make_channel();
  EXPECT_FALSE(left.send({{"type", "large"}, {"text", std::string(70000, 'x')}}));
  Message message;
  EXPECT_EQ(right.receive(message), Channel::Outcome::kNothing);
}

TEST(Channel, SendsInvalidUtf8AsReplacement) {
  auto [left, right] = make_channel();
  EXPECT_TRUE(left.send({{"type", "text"}, {"text", "a\xff"}}));
  Message message;
  ASSERT_EQ(right.receive(message), Channel::Outcome::kMessage);
  EXPECT_EQ(message.body["text"], "a\xef\xbf\xbd");
}

TEST(Channel, EndsAtDamagedInput) {
  const std::string nested = std::string(60000, '[');
  const std::string long_text = R"({"type":")" + std::string(70000, 'x') + R"("})";
  for (std::string_view text :
       {std::string_view("nonsense"), std::string_view("[]"), std::string_view("{}"), std::string_view(R"({"type":7})"),
        std::string_view("{\"type\":\"a\"} x"), std::string_view(nested), std::string_view(long_text)}) {
    auto [left, right] = make_channel();
    send_raw(left, text);
    Message message;
    EXPECT_EQ(right.receive(message), Channel::Outcome::kClosed);
    EXPECT_NE(right.error(), "");
    EXPECT_EQ(right.receive(message), Channel::Outcome::kClosed);
  }
}

TEST(Channel, KeepsAMessageUntilThereIsRoomForItsDescriptors) {
  auto [left, right] = make_channel();
  ASSERT_TRUE(left.send({{"type", "files"}}, {0, 1, 2}));
  ASSERT_TRUE(left.send({{"type", "next"}}));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit limit = before;
  base::FileDescriptor last(open("/dev/null", O_RDONLY | O_CLOEXEC));
  limit.rlim_cur = static_cast<rlim_t>(last.get() + 2);  // room for one of the three
  setrlimit(RLIMIT_NOFILE, &limit);
  Message message;
  EXPECT_EQ(right.receive(message), Channel::Outcome::kNoRoom);
  EXPECT_TRUE(message.descriptors.empty());
  EXPECT_EQ(right.receive(message), Channel::Outcome::kNoRoom);
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_EQ(right.receive(message), Channel::Outcome::kMessage);
  EXPECT_EQ(message.type(), "files");
  EXPECT_EQ(message.descriptors.size(), 3u);
  ASSERT_EQ(right.receive(message), Channel::Outcome::kMessage);
  EXPECT_EQ(message.type(), "next");
  EXPECT_EQ(right.receive(message), Channel::Outcome::kNothing);
}

TEST(Channel, LeaksNoDescriptorOfDamagedMessages) {
  const size_t before = open_descriptors();
  {
    auto [left, right] = make_channel();
    int files[2] = {left.descriptor(), right.descriptor()};
    alignas(cmsghdr) char ancillary[CMSG_SPACE(sizeof files)] = {};
    char text[] = "damaged";
    iovec piece{text, sizeof text};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = ancillary;
    header.msg_controllen = sizeof ancillary;
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof files);
    std::memcpy(CMSG_DATA(part), files, sizeof files);
    ASSERT_GT(sendmsg(left.descriptor(), &header, 0), 0);
    Message message;
    EXPECT_EQ(right.receive(message), Channel::Outcome::kClosed);
  }
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace cutwater::control

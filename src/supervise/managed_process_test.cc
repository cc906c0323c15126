#include "supervise/managed_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <string_view>

#include "io/signals.h"

namespace cutwater::supervise {
namespace {

// Whoever the process left its channel to says one thing more whenever one was heard.
TEST(ManagedProcess, HearsLastWordsButNotWithoutEnd) {
  constexpr unsigned kWithoutEnd = 100'000;
  io::Loop loop;
  Children children(loop);
  auto signals = io::SignalWatcher::create(loop, {SIGCHLD}, [&](int) { children.reap(); });
  ASSERT_TRUE(signals.ok());
  auto channels = control::Channel::make_pair();
  ASSERT_TRUE(channels.ok());
  auto& [ours, theirs] = *channels;
  const auto say = [descriptor = theirs.descriptor()] {
    constexpr std::string_view kMessage = R"({"type":"told"})";
    return ::send(descriptor, kMessage.data(), kMessage.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
  };
  Program program;
  program.arguments = {"/bin/sh", "-c", "exit 3"};
  program.folder = "/";
  auto started = start_program(program);
  ASSERT_TRUE(started.ok()) << started.error().message;
  // Its end is seen first, so that all is heard by who looks for last words.
  siginfo_t end{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(started->pid), &end, WEXITED | WNOWAIT), 0);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(say());
  unsigned heard = 0;
  std::optional<ExitStatus> ended;
  ManagedProcess process(loop, children, std::move(*started), std::move(ours),
                         {[&](control::Message&) {
                            if (++heard < kWithoutEnd) say();
                          },
                          [&](const ExitStatus& status) {
                            ended = status;
                            loop.stop();
                          },
                          [](const std::string&) {}});
  children.reap();
  loop.run();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 3);
  EXPECT_GE(heard, 3u);
  EXPECT_LT(heard, kWithoutEnd);
}

}  // namespace
}  // namespace cutwater::supervise

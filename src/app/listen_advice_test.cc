// Whatever cannot be listened on, the message says why and what to do.
#include "app/listen_advice.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/listener.h"

namespace cutwater::app {
namespace {

// What `serve` says of an address that must fail.
std::string told(const std::string& address) {
  auto socket = io::open_listening_socket(address, {.backlog = 8, .unix_mode = 0600});
  if (socket) return address + " could be listened on";
  return socket.error().message + listen_advice(address, socket.error());
}

TEST(ListenAdvice, SaysWhatToDo) {
  EXPECT_EQ(told("192.0.2.1:8000"),
            "cannot listen on 192.0.2.1:8000: Cannot assign requested address\nthis machine has no such address\n"
            "fix: choose one that `ip addr` shows, or :8000 for all of them");
  EXPECT_EQ(told("unix:/nonexistent/shop.sock"),
            "cannot listen on unix:/nonexistent/shop.sock: No such file or directory\n"
            "fix: create its folder: mkdir -p /nonexistent");
  EXPECT_EQ(told("unix:/proc/shop.sock"),
            "cannot listen on unix:/proc/shop.sock: No such file or directory\n"
            "fix: choose another path; no socket can be made there");
  EXPECT_EQ(told("unix:/etc/passwd"),
            "cannot listen on unix:/etc/passwd: File exists\n/etc/passwd is there and is no socket\n"
            "fix: move it away, or choose another path");
  EXPECT_NE(told("fd:999").find("\nno such descriptor was passed\nfix: fd:N is for"), std::string::npos);
  EXPECT_NE(told("fd:0").find("\nfix: fd:N is for"), std::string::npos);
}

TEST(ListenAdvice, TooFewDescriptors) {
  EXPECT_EQ(listen_advice(":80", base::Error{"", EMFILE}), "\nfix: raise the limit of open files (ulimit -n)");
  EXPECT_EQ(listen_advice("unix:/run/s", base::Error{"", EMFILE}), "\nfix: raise the limit of open files (ulimit -n)");
}

TEST(ListenAdvice, RightsOfPorts) {
  EXPECT_EQ(listen_advice(":80", base::Error{"", EACCES}), "\nfix: start as root, or choose a port above 1023");
  EXPECT_EQ(listen_advice("unix:/run/s", base::Error{"", EACCES}),
            "\nfix: choose a folder this user may write to, or give it /run");
}

TEST(ListenAdvice, NamesWhoHasThePort) {
  auto taken = io::open_listening_socket("127.0.0.1:0", {.backlog = 8, .unix_mode = 0600});
  ASSERT_TRUE(taken);
  const std::string address = io::to_text(*io::local_address_of(taken->get()));
  const std::string ours = told(address);
  EXPECT_NE(ours.find("Address already in use\nanother listener of this configuration has it"), std::string::npos)
      << ours;
  EXPECT_EQ(ours.find("process "), std::string::npos) << ours;
  const pid_t other = fork();
  if (other == 0) {
    pause();
    _exit(0);
  }
  taken->reset();
  const std::string text = told(address);
  EXPECT_NE(text.find("Address already in use\n"), std::string::npos) << text;
  EXPECT_NE(text.find("process " + std::to_string(other) + " ("), std::string::npos) << text;
  EXPECT_NE(text.find("\nfix: end that process"), std::string::npos) << text;
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
}

}  // namespace
}  // namespace cutwater::app

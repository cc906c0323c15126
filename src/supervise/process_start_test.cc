#include "supervise/process_start.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <filesystem>

#include "supervise/children.h"

namespace cutwater::supervise {
namespace {

// Runs a shell script as a child and returns what it wrote to descriptor 3.
std::string output_of(const std::string& script, Program program = {}) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  base::FileDescriptor reading(ends[0]);
  base::FileDescriptor writing(ends[1]);
  program.arguments = {"/bin/sh", "-c", script};
  if (program.folder.empty()) program.folder = "/";
  program.descriptors = {writing.get()};
  auto started = start_program(program);
  EXPECT_TRUE(started.ok());
  writing.reset();
  std::string output;
  char buffer[4096];
  for (ssize_t size; (size = read(reading.get(), buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<size_t>(size));
  }
  if (started) waitpid(started->pid, nullptr, 0);
  return output;
}

TEST(ProcessStart, PassesOnlyWhatWasNamed) {
  base::FileDescriptor leak(fcntl(0, F_DUPFD, 50));  // not close-on-exec
  const std::string number = std::to_string(leak.get());
  EXPECT_EQ(output_of("test -e /proc/$$/fd/" + number + " || echo closed >&3"), "closed\n");
  EXPECT_EQ(output_of("readlink /proc/$$/fd/0 >&3"), "/dev/null\n");
}

TEST(ProcessStart, HasOwnGroupFolderAndEnvironment) {
  Program program;
  program.folder = "/usr";
  program.environment = {"NAME=value"};
  EXPECT_EQ(output_of("test $$ = $(ps -o pgid= -p $$ | tr -d ' ') && echo own >&3", program), "own\n");
  EXPECT_EQ(output_of("echo $PWD $NAME $HOME >&3", program), "/usr value\n");
}

TEST(ProcessStart, StartsWithDefaultSignalsButForThoseOfTheMaster) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const std::string status = output_of("grep -E 'Sig(Blk|Ign)' /proc/self/status >&3");
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_DFL);
  EXPECT_THAT(status, testing::HasSubstr("SigBlk:\t0000000000000000"));
  EXPECT_THAT(status, testing::HasSubstr("SigIgn:\t0000000000300a03"));
}

TEST(ProcessStart, SaysWhatFailed) {
  Program program;
  program.arguments = {"/nowhere/program"};
  program.folder = "/";
  EXPECT_THAT(start_program(program).error().message,
              testing::HasSubstr("cannot execute /nowhere/program: No such file or directory"));
  program.folder = "/nowhere";
  EXPECT_THAT(start_program(program).error().message, testing::HasSubstr("cannot enter /nowhere"));
  program.folder = "/";
  program.needs = {"/usr", "/nowhere/library"};
  EXPECT_THAT(start_program(program).error().message, testing::HasSubstr("cannot read /nowhere/library"));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // nothing is left to be waited for
}

TEST(ProcessStart, BecomesTheUserForGood) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  auto nobody = find_identity("nobody");
  ASSERT_TRUE(nobody.ok());
  Program program;
  program.identity = *nobody;
  const std::string status =
      output_of("grep -E '^(Uid|Gid|Groups|CapPrm|CapEff|CapInh|CapAmb)' /proc/$$/status >&3", program);
  const std::string user = std::to_string(nobody->user);
  EXPECT_THAT(status, testing::HasSubstr("Uid:\t" + user + "\t" + user + "\t" + user + "\t" + user));
  for (const char* set : {"CapPrm", "CapEff", "CapInh", "CapAmb"}) {
    EXPECT_THAT(status, testing::HasSubstr(std::string(set) + ":\t0000000000000000"));
  }
  EXPECT_THAT(status, testing::Not(testing::HasSubstr("Groups:\t0 ")));
}

TEST(ProcessStart, NamesTheUserThatMayNot) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  char folder[] = "/tmp/cutwater-start-test-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);  // 0700
  Program program;
  program.arguments = {"/bin/true"};
  program.folder = folder;
  program.identity = *find_identity("nobody");
  EXPECT_THAT(start_program(program).error().message,
              testing::HasSubstr("user nobody cannot enter " + std::string(folder) + ": Permission denied"));
  EXPECT_FALSE(open_folder_as(*program.identity, std::string(folder) + "/x").ok());
  std::filesystem::create_directory(std::string(folder) + "/inside");
  EXPECT_FALSE(open_folder_as(*program.identity, std::string(folder) + "/inside").ok());
  EXPECT_TRUE(open_folder_as(current_identity(), std::string(folder) + "/inside").ok());
  EXPECT_EQ(geteuid(), 0u);
  std::filesystem::remove_all(folder);
}

TEST(ForkRole, KeepsOnlyWhatWasNamed) {
  base::FileDescriptor other(open("/dev/null", O_RDONLY | O_CLOEXEC));
  base::FileDescriptor kept(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int kept_number = kept.get();
  auto started = fork_role({kept_number}, [kept_number] {
    const bool only_kept =
        fcntl(kept_number, F_GETFD) >= 0 && fcntl(kept_number - 1, F_GETFD) < 0 && fcntl(kept_number + 1, F_GETFD) < 0;
    return only_kept ? 42 : 1;
  });
  ASSERT_TRUE(started.ok());
  int status = 0;
  waitpid(started->pid, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST(Children, AdoptsOnlyOwnUnknownChildren) {
  io::Loop loop;
  Children children(loop);
  EXPECT_FALSE(children.adopt(1).ok());
  EXPECT_FALSE(children.adopt(0).ok());
  EXPECT_FALSE(children.adopt(-1).ok());
  EXPECT_FALSE(children.adopt(getppid()).ok());
  const pid_t pid = fork();
  if (pid == 0) _exit(5);
  auto process = children.adopt(pid);
  ASSERT_TRUE(process.ok());
  ExitStatus seen;
  Child child(children, std::move(*process), [&](const ExitStatus& status) {
    seen = status;
    loop.stop();
  });
  EXPECT_FALSE(children.adopt(pid).ok());
  loop.run();
  EXPECT_EQ(seen.code, 5);
  EXPECT_FALSE(child.running());
}

TEST(Children, ReapsStrangersUnlessHeld) {
  io::Loop loop;
  Children children(loop);
  const pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  children.hold();
  children.reap();
  EXPECT_EQ(kill(pid, 0), 0);  // still a zombie
  children.release();
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(ExitStatus, SpeaksPlainly) {
  EXPECT_EQ(ExitStatus{}.describe(), "ended by itself");
  EXPECT_EQ((ExitStatus{.code = 3}).describe(), "exited with status 3");
  EXPECT_EQ((ExitStatus{.signal = SIGKILL}).describe(), "was killed by SIGKILL, maybe out of memory");
  EXPECT_EQ((ExitStatus{.signal = SIGSEGV, .dumped_core = true}).describe(), "was killed by SIGSEGV, core dumped");
}

}  // namespace
}  // namespace cutwater::supervise

#include "supervise/script_start.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "supervise/script_test_support.h"

namespace cutwater::supervise {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class ScriptStartTest : public testing::Test {
 protected:
  void SetUp() override { forget_slow_users(); }
  ScriptStarter& starter() {
    if (!starter_) {
      entry_.root = scripts_.path();
      entry_.folder = scripts_.open_it();
      std::vector<ScriptEntry> entries;
      entries.push_back(std::move(entry_));
      starter_.emplace(std::move(entries), forbidden_);
    }
    return *starter_;
  }
  ScriptStarted start(const std::string& path, const base::FileDescriptor& file) {
    ScriptRequest request;
    request.path = path;
    request.file = file.get();
    request.variables = variables_;
    base::FileDescriptor input(open("/dev/null", O_RDONLY | O_CLOEXEC));
    request.standard = {input.get(), output_.writing.get(), output_.writing.get()};
    return starter().start(0, request);
  }
  ScriptStarted start(const std::string& path) { return start(path, scripts_.open_below(path)); }
  std::string output_of(const std::string& path) {
    const ScriptStarted started = start(path);
    EXPECT_NE(started.pid, 0) << started.text;
    std::string text = output_.read_all();
    if (started.pid != 0) waitpid(started.pid, &status_, 0);
    return text;
  }
  std::string output_of_shell(const std::string& text) {
    scripts_.shell("x.sh", text);
    return output_of("x.sh");
  }
  // What refused it.
  std::string refusal_of(const std::string& path) {
    const ScriptStarted started = start(path);
    EXPECT_EQ(started.pid, 0);
    text_ = started.text;
    return started.reason;
  }

  ScriptFolderOnDisk scripts_;
  ScriptEntry entry_;
  std::optional<uid_t> forbidden_;
  std::optional<ScriptStarter> starter_;
  std::vector<std::string> variables_;
  Pipe output_;
  std::string text_;
  int status_ = 0;
};

TEST_F(ScriptStartTest, HasThreeDescriptorsAndNoOther) {
  const base::FileDescriptor leak(fcntl(0, F_DUPFD, 50));               // not close-on-exec
  EXPECT_EQ(output_of_shell("exec ls /proc/self/fd"), "0\n1\n2\n3\n");  // 3: the folder that ls reads
}

TEST_F(ScriptStartTest, RunsInItsFolderWithoutWhatItsStarterHas) {
  scripts_.folder("sub", script_user());
  scripts_.shell("sub/x.sh", "pwd -P; umask; ulimit -c; echo $0 $#");
  umask(077);
  const std::string output = output_of("sub/x.sh");
  umask(022);
  EXPECT_EQ(output, scripts_.path() + "/sub\n0022\n0\n./x.sh 0\n");
}

TEST_F(ScriptStartTest, LeadsASessionWithDefaultSignalsAndWithoutNewRights) {
  signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const std::string output = output_of_shell(
      "read pid name state parent group session rest < /proc/self/stat; [ $group = $$ ] && [ $session = $$ ] && echo "
      "leads; grep -E 'Sig(Blk|Ign)|NoNewPrivs' /proc/self/status");
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
  EXPECT_THAT(output, StartsWith("leads\n"));
  EXPECT_THAT(output, HasSubstr("NoNewPrivs:\t1\n"));
  EXPECT_THAT(output, HasSubstr("SigBlk:\t0000000000000000\n"));
  EXPECT_THAT(output, HasSubstr("SigIgn:\t0000000000000000\n"));
}

TEST_F(ScriptStartTest, GetsOfOtherNamesThoseThatAreListedAndObeyedByNobody) {
  entry_.variables = {"X_ROLE", "level", "LD_PRELOAD", "https_proxy", "PATH", "MODE"};
  entry_.environment = {{"MODE", "test"}};
  variables_ = {"X_ROLE=admin",     "level=3",   "X_OTHER=evil", "LD_PRELOAD=evil",
                "https_proxy=evil", "PATH=evil", "MODE=evil"};
  scripts_.shell("x.sh", "exec env");
  const std::string output = output_of("x.sh");
  for (const char* there : {"X_ROLE=admin\n", "level=3\n", "MODE=test\n"}) EXPECT_THAT(output, HasSubstr(there));
  EXPECT_THAT(output, Not(HasSubstr("evil")));
}

TEST_F(ScriptStartTest, KnowsOnlyWhatRequestsAndTheConfigurationSay) {
  setenv("SECRET", "of the server", 1);
  entry_.environment = {{"MODE", "test"}, {"SERVER_ADMIN", "configured"}};
  variables_ = {"REQUEST_METHOD=GET",
                "HTTP_X=\xff",
                "LD_PRELOAD=/evil/x.so",
                "PATH=/evil",
                "PYTHONPATH=/evil",
                "BASH_ENV=/evil/x",
                "SERVER_ADMIN=x",
                "nonsense",
                "=x",
                "QUERY_STRING=a=b",
                "HTTP_PROXY=/evil/proxy",
                "SSL_CERT_FILE=/evil",
                "SSL_CERT_DIR=/evil",
                "HTTP_X=again/evil",
                "SCRIPT_FILENAME=/evil/x.php",
                "DOCUMENT_ROOT=/evil",
                "PATH_TRANSLATED=/evil",
                "HTTP_a b=/evil"};
  scripts_.shell("x.sh", "exec env");
  std::string output = output_of("x.sh");
  for (const char* of_the_shell : {"PWD=", "OLDPWD=", "_=", "SHLVL="}) {
    const size_t at = output.find(std::string("\n") + of_the_shell);
    if (at != std::string::npos) output.erase(at + 1, output.find('\n', at + 1) - at);
  }
  EXPECT_THAT(output, HasSubstr("REQUEST_METHOD=GET\n"));
  EXPECT_THAT(output, HasSubstr("HTTP_X=\xff\n"));
  EXPECT_THAT(output, HasSubstr("QUERY_STRING=a=b\n"));
  EXPECT_THAT(output, HasSubstr("MODE=test\n"));
  EXPECT_THAT(output, HasSubstr("SERVER_ADMIN=configured\n"));
  EXPECT_THAT(output, HasSubstr("PATH=/usr/local/bin:/usr/bin:/bin\n"));
  EXPECT_THAT(output, HasSubstr("SCRIPT_FILENAME=" + scripts_.path() + "/x.sh\n"));
  EXPECT_THAT(output, HasSubstr("DOCUMENT_ROOT=" + scripts_.path() + "\n"));
  for (const char* absent : {"SECRET", "LD_PRELOAD", "PYTHONPATH", "BASH_ENV", "/evil", "nonsense", "SERVER_ADMIN=x"}) {
    EXPECT_THAT(output, Not(HasSubstr(absent)));
  }
}

TEST_F(ScriptStartTest, InterpretersRunWhatNeedNotBeExecutable) {
  entry_.interpreters = {{".txt", "false"}, {".sh.txt", "sh"}};
  scripts_.write("a.sh.txt", "echo $0 $#", 0644);
  EXPECT_EQ(output_of("a.sh.txt"), "./a.sh.txt 0\n");
}

TEST_F(ScriptStartTest, SaysWhatCannotBeExecuted) {
  entry_.interpreters = {{".py", "no-such-python"}};
  scripts_.write("plain.cgi", "#!/bin/sh\n", 0644);
  scripts_.write("lost.cgi", "#!/no/such/shell\n");
  scripts_.write("windows.cgi", "#!/bin/sh\r\necho\r\n");
  scripts_.write("text.cgi", "hello\n");
  scripts_.write("a.py", "print()\n");
  EXPECT_EQ(refusal_of("plain.cgi"), "not_executable");
  EXPECT_THAT(text_, HasSubstr("chmod a+rx"));
  EXPECT_EQ(refusal_of("lost.cgi"), "no_interpreter");
  EXPECT_THAT(text_, HasSubstr("#!/no/such/shell"));
  EXPECT_EQ(refusal_of("windows.cgi"), "no_interpreter");
  EXPECT_THAT(text_, HasSubstr("Windows"));
  EXPECT_EQ(refusal_of("text.cgi"), "no_interpreter");
  EXPECT_THAT(text_, HasSubstr("#!/bin/sh"));
  EXPECT_EQ(refusal_of("a.py"), "no_interpreter");
  EXPECT_THAT(text_, HasSubstr("no-such-python"));
}

TEST_F(ScriptStartTest, RefusesWhatIsNotThatFileBelowTheFolder) {
  scripts_.folder("sub", script_user());
  scripts_.shell("x.sh", "");
  scripts_.shell("y.sh", "");
  std::filesystem::create_symlink("/bin/sh", scripts_.path() + "/out.sh");
  const base::FileDescriptor shell(open("/bin/sh", O_PATH | O_CLOEXEC));
  EXPECT_EQ(start("x.sh", scripts_.open_below("y.sh")).reason, "not_there");
  EXPECT_EQ(start("../../../../bin/sh", shell).reason, "not_there");
  EXPECT_EQ(start("/bin/sh", shell).reason, "not_there");
  EXPECT_EQ(start("out.sh", shell).reason, running_as_root() ? "unsafe" : "not_there");
  EXPECT_EQ(start("sub", scripts_.open_below("sub")).reason, "not_there");
  EXPECT_EQ(start("gone.sh", scripts_.open_below("x.sh")).reason, "not_there");
  EXPECT_EQ(start("", scripts_.open_below(".")).reason, "not_there");
}

TEST_F(ScriptStartTest, RunsAsTheOwnerOfItsFolderWithoutAnyRightOfRoot) {
  const std::string output = output_of_shell("id -u; id -g; grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status");
  const std::string number = std::to_string(script_user());
  EXPECT_THAT(output, StartsWith(number + "\n"));
  if (!running_as_root()) return;
  EXPECT_THAT(output, Not(HasSubstr("\n0\n")));
  EXPECT_THAT(output, EndsWith("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                               "CapAmb:\t0000000000000000\n"));
}

// Whoever made the pipes: opening them anew takes the rights of an owner.
TEST_F(ScriptStartTest, OpensItsErrorStreamByName) {
  EXPECT_EQ(output_of_shell("echo said > /dev/stderr; echo more > /dev/stdout"), "said\nmore\n");
}

TEST_F(ScriptStartTest, StartsNoMoreThanTheEntryMayHave) {
  entry_.most = 1;
  scripts_.shell("x.sh", "");
  const ScriptStarted first = start("x.sh");
  ASSERT_NE(first.pid, 0);
  EXPECT_EQ(refusal_of("x.sh"), "no_room");
  waitpid(first.pid, nullptr, 0);
  starter().note_end(first.pid);
  starter().note_end(first.pid);  // nobody's now
  EXPECT_EQ(output_of("x.sh"), "");
}

TEST_F(ScriptStartTest, MayHaveOnlySoManyProcesses) {
  const std::string line = output_of_shell("grep 'Max processes' /proc/self/limits");
  const size_t limit = std::stoul(line.substr(line.find_first_of("0123456789")));
  EXPECT_GE(limit, TaskLimit::more());
  EXPECT_LE(limit, TaskLimit::more() + count_tasks(script_user()) + 500);
}

TEST_F(ScriptStartTest, SaysOfASlowStartAtItsEndWhyItFailed) {
  if (!kStartsShareMemory) GTEST_SKIP() << "starts share no memory in this build";
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  entry_.user = "games";
  scripts_.write("text.cgi", "just text\n");
  ScriptStarted slow;
  {
    const Lease lease(scripts_.path() + "/text.cgi");
    EXPECT_EQ(refusal_of("text.cgi"), "failed");
    EXPECT_THAT(text_, HasSubstr("could not be opened within a second"));
    slow = start("text.cgi");
    ASSERT_NE(slow.pid, 0);
  }
  waitpid(slow.pid, nullptr, 0);
  const auto refusal = starter().note_end(slow.pid);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->reason, "no_interpreter");
  EXPECT_THAT(refusal->text, HasSubstr("no first line such as #!/bin/sh"));
  EXPECT_FALSE(starter().note_end(slow.pid));
}

// The processes may be those of another container: then this text is all that somebody has who looks for them.
TEST_F(ScriptStartTest, SaysWhenItsUserMayHaveNoMoreProcesses) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  entry_.user = "games";
  scripts_.shell("x.sh", "exit 0");
  const uid_t user = find_identity("games")->user;
  const pid_t limited = fork();
  if (limited == 0) {
    const pid_t others = fork();
    if (others == 0) {
      setsid();
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (setuid(user) == 0 && fork() >= 0) pause();
      _exit(1);
    }
    while (count_tasks(user) < 2) sched_yield();
    const rlimit one{1, 1};
    setrlimit(RLIMIT_NPROC, &one);
    const ScriptStarted started = start("x.sh");
    const bool fine = started.reason == "no_room" && started.text.find("user games") != std::string::npos &&
                      started.text.find("other services and containers") != std::string::npos &&
                      started.text.find("LimitNPROC") != std::string::npos;
    if (!fine) printf("%s\n", started.text.c_str());
    fflush(stdout);
    kill(-others, SIGKILL);
    waitpid(others, nullptr, 0);
    _exit(fine ? 0 : 1);
  }
  int status = -1;
  waitpid(limited, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(ScriptStartTest, RunsAsTheConfiguredUser) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  entry_.user = "games";
  EXPECT_EQ(output_of_shell("id -un"), "games\n");
}

// Where the owner of a folder is who its scripts run as, nobody else may choose the folder or the script.
TEST_F(ScriptStartTest, TakesNoWayThatOthersCanChange) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  const uid_t alice = find_identity("games")->user;
  const uid_t bob = find_identity("man")->user;
  scripts_.folder(".", 0);
  scripts_.folder("alice", alice);
  scripts_.folder("bob", bob);
  scripts_.folder("alice/hers", alice);
  scripts_.folder("alice/bobs", bob);
  for (const char* name : {"alice/hers/x.sh", "alice/bobs/x.sh", "bob/x.sh", "bob/y.sh"}) {
    scripts_.shell(name, "id -un");
  }
  std::filesystem::create_symlink("../bob", scripts_.path() + "/alice/link");
  std::filesystem::create_symlink("x.sh", scripts_.path() + "/bob/link.sh");
  EXPECT_EQ(chown((scripts_.path() + "/bob/y.sh").c_str(), alice, alice), 0);
  EXPECT_EQ(output_of("alice/hers/x.sh"), "games\n");
  for (const char* name : {"alice/link/x.sh", "alice/bobs/x.sh", "bob/link.sh", "bob/y.sh"}) {
    EXPECT_EQ(refusal_of(name), "unsafe") << name;
  }
}

// `user` says who it is, and links below the folder count as ever.
TEST_F(ScriptStartTest, AConfiguredUserMayHaveLinks) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  entry_.user = "games";
  scripts_.folder("one", script_user());
  scripts_.shell("one/x.sh", "pwd -P; id -un");
  std::filesystem::create_symlink("one", scripts_.path() + "/link");
  EXPECT_EQ(output_of("link/x.sh"), scripts_.path() + "/one\ngames\n");
}

// Between the look and exec the folder is exchanged for a link to another one, again and again.
TEST_F(ScriptStartTest, RunsWhatItLookedAt) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  const uid_t alice = find_identity("games")->user;
  const uid_t bob = find_identity("man")->user;
  scripts_.folder(".", 0);
  scripts_.folder("alice", alice);
  scripts_.folder("bob", bob);
  scripts_.folder("alice/b", alice);
  scripts_.shell("alice/b/x.sh", "echo of alice as $(id -un)");
  scripts_.shell("bob/x.sh", "echo of bob as $(id -un)");
  const std::string folder = scripts_.path() + "/alice/b";
  const std::string link = scripts_.path() + "/alice/link";
  std::filesystem::create_symlink("../bob", link);
  const pid_t swapper = fork();
  while (swapper == 0) renameat2(AT_FDCWD, folder.c_str(), AT_FDCWD, link.c_str(), RENAME_EXCHANGE);
  const base::Instant until = base::monotonic_now() + std::chrono::milliseconds(500);
  size_t started_some = 0;
  while (base::monotonic_now() < until) {
    const base::FileDescriptor file = scripts_.open_below("alice/b/x.sh");
    output_ = Pipe();
    const ScriptStarted started = start("alice/b/x.sh", file);
    if (started.pid == 0) continue;
    ++started_some;
    EXPECT_EQ(output_.read_all(), "of alice as games\n");
    waitpid(started.pid, nullptr, 0);
  }
  EXPECT_GT(started_some, 0u);
  kill(swapper, SIGKILL);
  waitpid(swapper, nullptr, 0);
}

TEST_F(ScriptStartTest, RefusesWhatOthersCanWrite) {
  scripts_.folder("sub", script_user());
  scripts_.shell("sub/x.sh", "echo ran");
  const auto mode = [&](const std::string& name, mode_t bits) {
    EXPECT_EQ(chmod((scripts_.path() + "/" + name).c_str(), bits), 0);
  };
  EXPECT_EQ(output_of("sub/x.sh"), "ran\n");
  for (const char* name : {".", "sub", "sub/x.sh"}) {
    mode(name, 0777);
    EXPECT_EQ(refusal_of("sub/x.sh"), "unsafe") << name;
    EXPECT_THAT(text_, HasSubstr("everybody"));
    mode(name, 0755);
  }
  mode("sub", 0775);  // its own group
  output_ = Pipe();
  EXPECT_EQ(output_of("sub/x.sh"), "ran\n");
  if (!running_as_root()) return;
  EXPECT_EQ(chown((scripts_.path() + "/sub").c_str(), script_user(), find_identity("games")->group), 0);
  EXPECT_EQ(refusal_of("sub/x.sh"), "unsafe");
  EXPECT_THAT(text_, HasSubstr("sub can be written by a group of other users"));
}

TEST_F(ScriptStartTest, KnowsWhichNamesAreScripts) {
  entry_.suffixes = {".cgi", ".sh"};
  scripts_.folder(".git", script_user());
  for (const char* name : {"a.txt", ".a.sh", ".git/a.sh", "a.sh~"}) {
    scripts_.shell(name, "");
    EXPECT_EQ(refusal_of(name), "not_there") << name;
  }
  EXPECT_EQ(output_of_shell("echo ran"), "ran\n");
}

// A number that has no name gets no other group than its own.
TEST_F(ScriptStartTest, AnOwnerWithoutANameGetsNoGroupOfTheFolder) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  constexpr uid_t kNobodyKnown = 54321;
  scripts_.folder(".", kNobodyKnown);
  EXPECT_EQ(chown(scripts_.path().c_str(), kNobodyKnown, 0), 0);
  EXPECT_EQ(output_of_shell("id -u; id -G"), "54321\n54321\n");
}

TEST_F(ScriptStartTest, NeverRunsAsRootOrTheFront) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  forbidden_ = find_identity("nobody")->user;
  scripts_.folder(".", 0);
  scripts_.folder("root", 0);
  scripts_.folder("front", *forbidden_);
  scripts_.shell("root/x.sh", "");
  scripts_.shell("front/x.sh", "");
  EXPECT_EQ(refusal_of("root/x.sh"), "identity");
  EXPECT_THAT(text_, HasSubstr("is root"));
  EXPECT_EQ(refusal_of("front/x.sh"), "identity");
  EXPECT_THAT(text_, HasSubstr("nobody"));
}

TEST(FindProgram, LooksInAbsoluteFolders) {
  EXPECT_EQ(find_program("sh", "/nowhere:/bin"), "/bin/sh");
  EXPECT_EQ(find_program("sh", "bin:."), "");
  EXPECT_EQ(find_program("", "/bin"), "");
  EXPECT_EQ(find_program("/opt/x", "/bin"), "/opt/x");
}

}  // namespace
}  // namespace cutwater::supervise

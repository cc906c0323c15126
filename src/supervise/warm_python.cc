#include "supervise/warm_python.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "control/script_messages.h"

namespace cutwater::supervise {

namespace {

// For Pythons of any age, since which it is shows only here; their last words are quoted. Its channel is descriptor 0.
constexpr const char* kBootstrap =
    "import sys\n"
    "if sys.version_info < (3, 9) or sys.implementation.name != 'cpython':\n"
    "    import os, platform\n"
    "    os.write(2, ('it is %s %s; warm is CPython from 3.9 on'\n"
    "                 % (platform.python_implementation(), platform.python_version())).encode())\n"
    "    os._exit(0)\n"
    "sys.path.insert(0, sys.argv[1])\n"
    "from cutwater.warm_cgi import main\n"
    "main.run()\n";
constexpr off_t kMostErrors = 4096;
constexpr size_t kMostWords = 300;
constexpr base::Duration kDying = std::chrono::seconds(1);
constexpr base::Duration kLastWords = std::chrono::seconds(3);  // longer than what is to end has for that

// A file in memory that takes as much and no more, whoever has it open.
base::FileDescriptor make_error_file() {
  base::FileDescriptor file(memfd_create("cutwater-errors", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool done = file.valid() && ftruncate(file.get(), kMostErrors) == 0 &&
                    fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
  return done ? std::move(file) : base::FileDescriptor();
}

// Whether all that `pid` may do is what `user` may. /proc has a line "Uid:\t1000\t1000\t1000\t1000".
bool is_of(pid_t pid, uid_t user) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("Uid:")) continue;
    std::istringstream numbers(line.substr(4));
    uid_t real = 0, effective = 0, saved = 0, files = 0;
    numbers >> real >> effective >> saved >> files;
    return numbers && real == user && effective == user && saved == user && files == user;
  }
  return false;
}

// The parent of `pid`, if that leads a session; else 0. /proc has "pid (name) state parent group session ...", where
// the name may hold anything.
pid_t parent_of_leader(pid_t pid) {
  const base::FileDescriptor file(open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC));
  char buffer[1024];
  const ssize_t size = file.valid() ? read(file.get(), buffer, sizeof buffer) : 0;
  const std::string text(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream rest(text.substr(name_end + 1));
  char state = 0;
  pid_t above = 0, group = 0, session = 0;
  rest >> state >> above >> group >> session;
  return rest && group == pid && session == pid ? above : 0;
}

ExitStatus terminated() {
  ExitStatus status;
  status.signal = SIGTERM;
  return status;
}

bool is_there(const base::FileDescriptor& process) {
  return process.valid() && syscall(SYS_pidfd_send_signal, process.get(), 0, nullptr, 0) == 0;
}

}  // namespace

WarmPython::WarmPython(io::Loop& loop, ProgramGroups& groups, WarmPythonOwner& owner, base::Duration patience)
    : loop_(loop), groups_(groups), owner_(owner), wait_(patience), patience_(loop.timers(), [this] {
        on_patience();
      }) {}

WarmPython::~WarmPython() {
  if (pid_ != 0) groups_.end(pid_, base::Duration::zero());
}

std::string WarmPython::start(const WarmCommand& command) {
  user_ = command.identity ? command.identity->user : geteuid();
  auto channels = control::Channel::make_pair();
  const base::FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  const base::FileDescriptor top(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto answers = WarmAnswers::make();
  errors_ = make_error_file();
  const bool has_all = channels && answers && null.valid() && top.valid() && errors_.valid();
  if (!has_all) return "no descriptors for it";
  // What it sent here would be closed with the channel, descriptors too (see WarmAnswers).
  shutdown(channels->first.descriptor(), SHUT_RD);
  if (!channels->first.send(control::encode(control::WarmAnswersTo{}), {answers->second.get()}))
    return "it has no channel";
  ProgramStart program;
  program.executable = command.words.front();
  program.arguments = command.words;
  program.arguments.insert(program.arguments.end(), {"-c", kBootstrap, command.library});
  program.environment = command.environment;
  // By this the master knows whose processes are left should this one be killed.
  program.environment.emplace_back("GATEWAY_INTERFACE=CGI/1.1");
  program.folder = top.get();
  program.standard = {channels->second.descriptor(), null.get(), errors_.get()};
  program.identity = command.identity;
  program.most_processes = command.most_processes;
  const ProgramStarted started = start_apart(program);
  if (started.pid == 0) return fmt::format("it cannot be started: {}", std::strerror(started.error));
  pid_ = started.pid;
  most_processes_ = command.most_processes;
  groups_.add(pid_);
  channel_.emplace(std::move(channels->first));
  answers_.emplace(std::move(answers->first));
  watcher_ =
      std::make_unique<io::CallbackWatcher>(loop_, answers_->descriptor(), EPOLLIN, [this](uint32_t) { on_events(); });
  patience_.set(base::monotonic_now() + wait_);
  return "";
}

bool WarmPython::run(uint64_t run, control::RunScript message, const std::array<int, 5>& descriptors,
                     std::optional<rlim_t> most_processes) {
  if (!accepts()) return false;
  if (most_processes_ != most_processes) limit_processes(most_processes);
  message.script = run;
  if (!channel_->send(control::encode(std::move(message)), {descriptors.begin(), descriptors.end()})) return false;
  watch_writing();
  const base::Instant until = base::monotonic_now() + wait_;
  waiting_.emplace(run, Waiting{until});
  if (!patience_.armed()) patience_.set(until);
  return true;
}

void WarmPython::watch_writing() {
  if (!channel_ || !channel_->wants_write()) {
    writable_.reset();
  } else if (!writable_) {
    writable_ = std::make_unique<io::CallbackWatcher>(loop_, channel_->descriptor(), EPOLLOUT, [this](uint32_t) {
      channel_->flush();
      watch_writing();
    });
  }
}

// Its scripts inherit it.
void WarmPython::limit_processes(std::optional<rlim_t> most) {
  most_processes_ = most;
  rlimit limit;
  if (!most || pid_ == 0 || geteuid() != 0 || getrlimit(RLIMIT_NPROC, &limit) != 0) return;
  limit.rlim_max = limit.rlim_cur = std::min(limit.rlim_max, *most);
  prlimit(pid_, RLIMIT_NPROC, &limit, nullptr);
}

void WarmPython::end_run(uint64_t run) {
  const auto found = waiting_.find(run);
  if (found != waiting_.end()) found->second.to_end = true;
  const auto begun = begun_.find(run);
  if (begun == begun_.end()) return;
  if (begun->second != 0) return groups_.end(begun->second);
  if (pid_ != 0) groups_.end(pid_, base::Duration::zero());  // it has told of a script that is not there
}

void WarmPython::retire() {
  retired_ = true;
  if (!channel_ || !waiting_.empty()) return;
  shutdown(channel_->descriptor(), SHUT_WR);
  if (pid_ != 0) patience_.set(base::monotonic_now() + wait_);
}

// A message that is none ends it.
void WarmPython::on_events(size_t most) {
  for (size_t taken = 0; answers_ && taken < most; ++taken) {
    nlohmann::json message;
    const WarmAnswers::Outcome outcome = answers_->receive(message);
    if (outcome == WarmAnswers::Outcome::kNothing) return;
    if (outcome == WarmAnswers::Outcome::kEnd) return lose();
    if (outcome == WarmAnswers::Outcome::kMessage && on_message(message)) continue;
    why_unfit_ = "it sent what it should not";
    return lose();
  }
}

bool WarmPython::on_message(const nlohmann::json& message) {
  const std::string type = message.value("type", "");
  if (type == control::WarmRunning::kType) {
    auto running = control::decode<control::WarmRunning>(message);
    return running && on_running(*running);
  }
  if (type == control::WarmEnded::kType) {
    auto ended = control::decode<control::WarmEnded>(message);
    return ended && on_ended(*ended);
  }
  if (type == control::WarmCold::kType) {
    const auto cold = control::decode<control::WarmCold>(message);
    const auto found = cold ? waiting_.find(cold->script) : waiting_.end();
    if (found == waiting_.end()) return false;
    const bool to_end = found->second.to_end;
    waiting_.erase(found);
    if (to_end) {
      owner_.on_run_over(cold->script, terminated());
    } else {
      owner_.on_run_refused(cold->script, cold->text.substr(0, kMostWords));
    }
  } else if (type == control::WarmReady::kType) {
    const auto ready = control::decode<control::WarmReady>(message);
    if (!ready || ready->python.empty() || is_ready()) return false;
    version_ = ready->python.substr(0, 20);
  } else if (type == control::WarmUnfit::kType) {
    const auto unfit = control::decode<control::WarmUnfit>(message);
    if (!unfit || unfit->text.empty() || !why_unfit_.empty()) return false;
    why_unfit_ = unfit->text.substr(0, kMostWords);
  } else {
    return false;
  }
  if (retired_ && channel_) retire();
  return true;
}

// The number is believed when such a process of that user is there, and is nobody else's program. Its pidfd shows from
// then on whether it still is the same.
bool WarmPython::on_running(const control::WarmRunning& running) {
  const auto found = waiting_.find(running.script);
  if (found == waiting_.end()) return false;
  const bool to_end = found->second.to_end;
  waiting_.erase(found);
  const pid_t pid = running.pid;
  base::FileDescriptor process(pid > 1 ? static_cast<int>(syscall(SYS_pidfd_open, pid, 0)) : -1);
  const pid_t parent = process.valid() && !groups_.has(pid) ? parent_of_leader(pid) : 0;
  // Children of the interpreter are of its user as it is, since nothing there can gain rights; ours are of anybody.
  const bool is_ours = parent == getpid() && is_of(pid, user_);
  const bool is_real = parent != 0 && (parent == pid_ || is_ours) && is_there(process);
  begun_[running.script] = is_real ? pid : 0;
  if (is_real) {
    groups_.adopt(pid, std::move(process));
    owner_.on_run_begun(running.script, pid);
  }
  if (to_end) end_run(running.script);
  if (retired_ && channel_) retire();
  if (pid_ == 0) look_after_begun();
  return true;
}

bool WarmPython::on_ended(const control::WarmEnded& ended) {
  ExitStatus status;
  status.code = ended.code;
  status.signal = ended.signal;
  if (waiting_.erase(ended.script) != 0) {
    owner_.on_run_over(ended.script, status);
    return true;
  }
  const auto begun = begun_.find(ended.script);
  if (begun == begun_.end()) return false;
  const pid_t pid = begun->second;
  begun_.erase(begun);
  if (pid == 0) {
    owner_.on_run_over(ended.script, status);
  } else {
    groups_.on_adopted_end(pid, status);
  }
  return true;
}

// Whoever has not said by now that a script runs in it cannot say so any more, and runs none.
void WarmPython::lose() {
  if (why_unfit_.empty() && !retired_) why_unfit_ = last_words();
  writable_.reset();
  channel_.reset();
  watcher_.reset();
  answers_.reset();
  patience_.cancel();
  if (pid_ != 0) groups_.end(pid_, base::Duration::zero());
  const auto waiting = std::exchange(waiting_, {});
  for (const auto& [run, each] : waiting) {
    if (each.to_end) {
      owner_.on_run_over(run, terminated());
    } else {
      owner_.on_run_refused(run, "");
    }
  }
  if (pid_ == 0) look_after_begun();
}

bool WarmPython::on_program_end(pid_t pid, const ExitStatus&) {
  if (pid == pid_) {
    pid_ = 0;
    if (answers_) on_events();
    // A child of it may be between its fork and its word; then the pipe ends with that.
    if (answers_) patience_.set(std::min(patience_.deadline(), base::monotonic_now() + kDying));
    look_after_begun();
    return true;
  }
  std::erase_if(begun_, [pid](const auto& each) { return each.second == pid; });
  return false;
}

// Its scripts are children of this process now, but for those that it had waited for without a word.
void WarmPython::look_after_begun() {
  ExitStatus unknown;
  unknown.signal = SIGKILL;
  unknown.unknown = true;
  const auto begun = begun_;
  for (const auto& [run, pid] : begun) {
    siginfo_t info{};
    if (pid != 0 && waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0) continue;
    begun_.erase(run);
    if (pid == 0) {
      owner_.on_run_over(run, unknown);
    } else {
      groups_.on_adopted_end(pid, unknown);
    }
  }
}

// Whether a script runs that was not told of yet shows only when nobody can tell any more: so everybody is ended who
// could, and what they had said by then counts. No script runs that is started once more.
void WarmPython::on_patience() {
  if (!answers_) return;
  if (!channel_) return lose();
  const base::Instant now = base::monotonic_now();
  base::Instant next = base::kNever;
  for (const auto& [run, each] : waiting_) next = std::min(next, each.until);
  const bool should_be_gone = retired_ && waiting_.empty();
  if (next > now && is_ready() && pid_ != 0 && !should_be_gone) {
    if (next != base::kNever) patience_.set(next);
    return;
  }
  why_unfit_ = is_ready() ? "it did not answer" : "it was not ready in time";
  writable_.reset();
  channel_.reset();
  if (pid_ != 0) groups_.end(pid_, base::Duration::zero());
  patience_.set(now + kLastWords);
}

std::string WarmPython::last_words() const {
  std::string text(kMostErrors, '\0');
  const ssize_t size = pread(errors_.get(), text.data(), text.size(), 0);
  text.resize(size > 0 ? strnlen(text.data(), static_cast<size_t>(size)) : 0);
  while (text.ends_with('\n')) text.pop_back();
  const size_t line = text.rfind('\n');
  text = text.substr(line == std::string::npos ? 0 : line + 1).substr(0, kMostWords);
  return text.empty() ? "it ended" : "it ended: " + text;
}

}  // namespace cutwater::supervise

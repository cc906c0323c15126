#include "supervise/program_groups.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"

namespace cutwater::supervise {

namespace {

constexpr base::Duration kNoMoreRunaways = std::chrono::seconds(1);

}  // namespace

// The file holds "12 34 56 ".
std::vector<pid_t> children_of_this_thread() {
  const base::FileDescriptor file(open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  for (ssize_t size; file.valid() && (size = read(file.get(), buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(size));
  }
  std::vector<pid_t> children;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t blank = rest.find(' ');
    if (const auto pid = base::parse_decimal(rest.substr(0, blank))) children.push_back(static_cast<pid_t>(*pid));
    rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
  }
  return children;
}

ProgramGroups::ProgramGroups(io::Loop& loop, std::function<void(pid_t, const ExitStatus&)> on_end)
    : on_end_(std::move(on_end)), deadline_(loop.timers(), [this] { on_deadline(); }) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void ProgramGroups::add(pid_t leader) {
  sessions_.erase(leader);  // of a namesake: nothing is left of it
  leaders_.emplace(leader, base::kNever);
}

void ProgramGroups::adopt(pid_t leader, base::FileDescriptor process) {
  add(leader);
  adopted_[leader] = std::move(process);
}

void ProgramGroups::on_adopted_end(pid_t leader, const ExitStatus& status) {
  if (adopted_.erase(leader) == 0) return;
  leaders_.erase(leader);
  sessions_[leader] = base::monotonic_now() + grace_;
  on_end_(leader, status);
  look_for_strays();
}

// The whole group. It is called by the leader's number, which is nobody else's until it was waited for: by its parent,
// when it was adopted.
void ProgramGroups::signal_leader(pid_t leader, int signal) const {
  const auto found = adopted_.find(leader);
  const bool is_gone =
      found != adopted_.end() && syscall(SYS_pidfd_send_signal, found->second.get(), 0, nullptr, 0) != 0;
  if (!is_gone) kill(-leader, signal);
}

void ProgramGroups::wait_until(base::Instant moment) {
  if (moment < deadline_.deadline()) deadline_.set(moment);
}

void ProgramGroups::end(pid_t leader, base::Duration grace) {
  const auto found = leaders_.find(leader);
  if (found == leaders_.end()) return;
  const base::Instant moment = base::monotonic_now() + grace;
  if (found->second == base::kNever) {
    signal_leader(leader, SIGTERM);
    signal_leader(leader, SIGCONT);  // what is stopped hears nothing else
  }
  found->second = std::min(found->second, moment);
  wait_until(found->second);
}

void ProgramGroups::end_all(base::Duration grace) {
  grace_ = grace;
  for (const auto& [leader, moment] : leaders_) end(leader, grace);
  const base::Instant moment = base::monotonic_now() + grace;
  for (auto& [session, kill_at] : sessions_) kill_at = std::min(kill_at, moment);
  runaways_until_ = std::min(runaways_until_, moment);
  if (!strays_.empty()) wait_until(moment);
}

void ProgramGroups::reap() {
  bool any = false;
  bool are_more = true;
  while (true) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
      are_more = errno != ECHILD;
      break;
    }
    if (info.si_pid == 0) break;
    any = true;
    if (leaders_.contains(info.si_pid)) {
      on_leader_end(info.si_pid);
    } else {
      waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
    }
  }
  if (any) meet_strays(are_more ? children_of_this_thread() : std::vector<pid_t>());
}

// While the leader was not waited for, the group has its number still: what is left of it hears at once.
void ProgramGroups::on_leader_end(pid_t pid) {
  kill(-pid, SIGTERM);
  kill(-pid, SIGCONT);
  siginfo_t info{};
  const int waited = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
  ExitStatus status = to_exit_status(info);
  status.unknown = waited != 0;
  leaders_.erase(pid);
  adopted_.erase(pid);
  sessions_[pid] = base::monotonic_now() + grace_;
  on_end_(pid, status);
}

void ProgramGroups::look_for_strays() {
  meet_strays(children_of_this_thread());
}

void ProgramGroups::meet_strays(const std::vector<pid_t>& children) {
  const base::Instant now = base::monotonic_now();
  std::set<pid_t> found;
  std::set<pid_t> sessions;
  bool any_runaway = false;
  for (pid_t pid : children) {
    // An orphan within the session of a program that runs is that program's own affair.
    const pid_t session = getsid(pid);
    if (leaders_.contains(pid) || leaders_.contains(session)) continue;
    const auto over = sessions_.find(session);
    if (over != sessions_.end()) {
      sessions.insert(session);
    } else if (!std::exchange(any_runaway, true)) {
      see_runaways(now);
    }
    meet_stray(pid, over == sessions_.end() ? runaways_until_ : over->second, now);
    found.insert(pid);
  }
  if (!any_runaway && runaways_gone_ == base::kNever) runaways_gone_ = now;
  std::erase_if(sessions_, [&](const auto& each) { return !sessions.contains(each.first); });
  strays_ = std::move(found);
}

// A child of a runaway becomes ours when its parent ends, before we hear of that: a line of them has no gap, but the
// list of children may miss one while they change.
void ProgramGroups::see_runaways(base::Instant now) {
  const bool is_first = runaways_gone_ != base::kNever && now - runaways_gone_ >= kNoMoreRunaways;
  if (is_first) runaways_until_ = now + grace_;
  runaways_gone_ = base::kNever;
}

void ProgramGroups::meet_stray(pid_t pid, base::Instant kill_at, base::Instant now) {
  if (now >= kill_at) {
    signal_group_of(pid, SIGKILL);
  } else if (!strays_.contains(pid)) {
    signal_group_of(pid, SIGTERM);
    signal_group_of(pid, SIGCONT);
  }
  wait_until(std::max(kill_at, now + std::chrono::milliseconds(10)));
}

// A whole group at once, so that none forks away meanwhile. `pid` is a child of ours that was not waited for: neither
// its number nor that of its group is another's.
void ProgramGroups::signal_group_of(pid_t pid, int signal) const {
  const pid_t group = getpgid(pid);
  const bool is_its_own = group > 1 && group != getpgrp() && !leaders_.contains(group);
  kill(is_its_own ? -group : pid, signal);
}

void ProgramGroups::on_deadline() {
  const base::Instant now = base::monotonic_now();
  for (auto& [leader, kill_at] : leaders_) {
    if (kill_at == base::kNever) continue;
    if (now >= kill_at) {
      signal_leader(leader, SIGKILL);
    } else {
      wait_until(kill_at);
    }
  }
  look_for_strays();
}

}  // namespace cutwater::supervise

#include "supervise/managed_process.h"

#include <signal.h>

#include <algorithm>

#include "control/messages.h"

namespace cutwater::supervise {
namespace {

// What a channel's socket holds at most, unless somebody whom the process left the channel to goes on.
constexpr unsigned kMostLastWords = 512;

}  // namespace

ManagedProcess::ManagedProcess(io::Loop& loop, Children& children, std::optional<StartedProcess> process,
                               control::Channel channel, Events events)
    : children_(children),
      channel_(std::move(channel)),
      events_(std::make_shared<Events>(std::move(events))),
      watcher_(loop, channel_.descriptor(), EPOLLIN, [this](uint32_t ready) { on_channel(ready); }),
      escalation_(loop.timers(), [this] { escalate(); }) {
  if (process) adopt(std::move(*process));
}

void ManagedProcess::adopt(StartedProcess process) {
  child_.emplace(children_, std::move(process), [this](const ExitStatus& status) { on_exit(status); });
  if (kill_at_ != base::kNever) escalate();
}

bool ManagedProcess::send(const nlohmann::json& body, std::vector<int> descriptors) {
  if (!watcher_.valid() || !channel_.send(body, std::move(descriptors))) return false;
  if (channel_.wants_write() && !std::exchange(watching_writes_, true)) watcher_.change(EPOLLIN | EPOLLOUT);
  return true;
}

void ManagedProcess::signal(int number) {
  if (!child_ || !child_->running()) return;
  killed_ = killed_ || number == SIGKILL;
  child_->signal(number);
}

void ManagedProcess::end(base::Duration patience, base::Duration grace) {
  if (!std::exchange(asked_to_quit_, true)) send(control::encode(control::Quit{}));
  terminate_after(patience, grace);
}

void ManagedProcess::terminate_after(base::Duration patience, base::Duration grace) {
  if (child_ && !child_->running()) return;
  const base::Instant now = base::monotonic_now();
  terminate_at_ = std::min(terminate_at_, now + patience);
  kill_at_ = std::min(kill_at_, now + patience + grace);
  escalate();
}

void ManagedProcess::escalate() {
  const base::Instant now = base::monotonic_now();
  if (now >= kill_at_) {
    signal(SIGKILL);
    return;
  }
  if (now >= terminate_at_) {
    signal(SIGTERM);
    signal(SIGCONT);  // a stopped process hears nothing else
    terminate_at_ = base::kNever;
  }
  escalation_.set(std::min(terminate_at_, kill_at_));
}

// One message per event: the descriptor is watched level-triggered, and no owner is ever surprised by a
// second one.
void ManagedProcess::on_channel(uint32_t ready) {
  if ((ready & EPOLLOUT) && channel_.flush()) {
    watching_writes_ = false;
    watcher_.change(EPOLLIN);
  }
  if (ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive_one();
}

void ManagedProcess::receive_one() {
  const std::shared_ptr<Events> events = events_;
  control::Message message;
  std::string why;
  switch (channel_.receive(message)) {
    case control::Channel::Outcome::kNothing:
      return;
    case control::Channel::Outcome::kMessage:
      events->message(message);
      return;
    case control::Channel::Outcome::kNoRoom:
      why = "descriptors, though the master is sent none";
      break;
    case control::Channel::Outcome::kClosed:
      why = channel_.error();
      break;
  }
  watcher_.stop();
  events->channel_ended(why);
}

void ManagedProcess::on_exit(const ExitStatus& status) {
  escalation_.cancel();
  control::Message message;
  for (unsigned left = kMostLastWords; left > 0 && watcher_.valid(); --left) {
    if (channel_.receive(message) != control::Channel::Outcome::kMessage) break;
    const std::shared_ptr<Events> events = events_;
    events->message(message);
    message = {};
  }
  watcher_.stop();
  const std::shared_ptr<Events> events = events_;
  ExitStatus told = status;
  told.by_us = killed_ && status.signal == SIGKILL;
  events->exited(told);
}

}  // namespace cutwater::supervise

#include "handler/script_runner.h"

#include <algorithm>
#include <utility>

namespace cutwater::handler {

namespace {

std::vector<int> numbers_of(const std::vector<base::FileDescriptor>& descriptors) {
  std::vector<int> numbers;
  for (const base::FileDescriptor& descriptor : descriptors) numbers.push_back(descriptor.get());
  return numbers;
}

}  // namespace

ScriptRunner::ScriptRunner(io::Loop& loop) : loop_(loop), patience_(loop.timers(), [this] { give_up_waiting(); }) {}

void ScriptRunner::connect(base::FileDescriptor channel) {
  lose_spawner();
  channel_.emplace(std::move(channel));
  listening_ =
      std::make_unique<io::CallbackWatcher>(loop_, channel_->descriptor(), EPOLLIN, [this](uint32_t) { on_events(); });
  std::deque<Waiting> waiting = std::exchange(waiting_, {});
  for (Waiting& each : waiting) {
    if (!running_.contains(each.script)) continue;
    const bool is_ended = each.until <= loop_.now();
    if (is_ended || send(each.message, each.descriptors) != Sent::kYes) waiting_.push_back(std::move(each));
  }
  if (user_) user_->on_spawner_here();
}

bool ScriptRunner::ask(const nlohmann::json& body, const std::vector<base::FileDescriptor>& descriptors) {
  return channel_ && send(body, descriptors) == Sent::kYes;
}

std::optional<uint64_t> ScriptRunner::start(control::StartScript start, std::vector<base::FileDescriptor> descriptors,
                                            ScriptWatcher& watcher) {
  const uint64_t script = ++last_;
  start.script = script;
  nlohmann::json message = control::encode(std::move(start));
  if (!channel_ && !control::Channel::fits(message)) return std::nullopt;
  const Sent sent = channel_ ? send(message, descriptors) : Sent::kGone;
  if (sent == Sent::kTooLarge) return std::nullopt;
  running_.emplace(script, &watcher);
  if (sent == Sent::kGone) {
    const base::Instant until = loop_.now() + kPatience;
    waiting_.push_back({script, std::move(message), std::move(descriptors), until});
    if (!patience_.armed()) patience_.set(until);
  }
  return script;
}

ScriptRunner::Sent ScriptRunner::send(const nlohmann::json& body,
                                      const std::vector<base::FileDescriptor>& descriptors) {
  if (!channel_->send(body, numbers_of(descriptors))) {
    return channel_->error().empty() ? Sent::kGone : Sent::kTooLarge;
  }
  if (channel_->wants_write()) listening_->change(EPOLLIN | EPOLLOUT);
  return Sent::kYes;
}

void ScriptRunner::end(uint64_t script) {
  for (Waiting& each : waiting_) {
    if (each.script != script) continue;
    each.until = base::Instant{0};
    patience_.set(each.until);
    return;
  }
  if (!running_.contains(script) || !channel_) return;
  control::EndScript message;
  message.script = script;
  send(control::encode(message), {});
}

void ScriptRunner::forget(uint64_t script) {
  end(script);
  running_.erase(script);
}

void ScriptRunner::on_events() {
  if (channel_->wants_write() && channel_->flush()) listening_->change(EPOLLIN);
  while (channel_) {
    control::Message message;
    switch (channel_->receive(message)) {
      case control::Channel::Outcome::kMessage:
        on_message(message);
        break;
      case control::Channel::Outcome::kNothing:
        return;
      case control::Channel::Outcome::kNoRoom:  // the spawner sends no descriptors
      case control::Channel::Outcome::kClosed:
        return lose_spawner();
    }
  }
}

void ScriptRunner::on_message(const control::Message& message) {
  ScriptEnd end;
  uint64_t script = 0;
  if (message.type() == control::ScriptEnded::kType) {
    const auto ended = control::decode<control::ScriptEnded>(message.body);
    if (!ended) return;
    script = ended->script;
    end.kind = ended->signal != 0 ? ScriptEnd::Kind::kKilled : ScriptEnd::Kind::kExited;
    end.code = ended->code;
    end.signal = ended->signal;
  } else if (message.type() == control::ScriptRefused::kType) {
    auto refused = control::decode<control::ScriptRefused>(message.body);
    if (!refused) return;
    script = refused->script;
    end.kind = ScriptEnd::Kind::kRefused;
    end.reason = std::move(refused->reason);
    end.text = control::text_to_bytes(refused->text).value_or("");
  } else if (message.type() == control::ScriptNotice::kType) {
    const auto notice = control::decode<control::ScriptNotice>(message.body);
    if (notice && tell_) tell_(control::text_to_bytes(notice->text).value_or(""));
    return;
  } else if (user_) {
    return user_->on_spawner_message(message);
  }
  tell(script, end);
}

void ScriptRunner::tell(uint64_t script, const ScriptEnd& end) {
  const auto found = running_.find(script);
  if (found == running_.end()) return;
  ScriptWatcher& watcher = *found->second;
  running_.erase(found);
  watcher.on_script_end(end);
}

// What waits for the next one has not begun.
void ScriptRunner::lose_spawner() {
  listening_.reset();
  const bool was_there = channel_.has_value();
  channel_.reset();
  if (was_there && user_) user_->on_spawner_gone();
  std::vector<uint64_t> lost;
  for (const auto& [script, watcher] : running_) {
    bool waits = false;
    for (const Waiting& each : waiting_) waits = waits || each.script == script;
    if (!waits) lost.push_back(script);
  }
  ScriptEnd end;
  end.kind = ScriptEnd::Kind::kSpawnerGone;
  for (uint64_t script : lost) tell(script, end);
}

void ScriptRunner::give_up_waiting() {
  std::vector<uint64_t> over;
  std::erase_if(waiting_, [&](const Waiting& each) {
    if (each.until <= loop_.now()) over.push_back(each.script);
    return each.until <= loop_.now();
  });
  for (const Waiting& each : waiting_) patience_.set(std::min(patience_.deadline(), each.until));
  ScriptEnd end;
  end.kind = ScriptEnd::Kind::kNoSpawner;
  for (uint64_t script : over) tell(script, end);
}

}  // namespace cutwater::handler

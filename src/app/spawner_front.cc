#include "app/spawner_front.h"

#include <algorithm>

#include "control/script_messages.h"

namespace cutwater::app {

namespace {

constexpr base::Duration kRoomRetry = std::chrono::milliseconds(100);

// A front that was taken over by somebody may ask for anything: no descriptor of it may be one of 0 to 2.
bool have_places(const std::vector<base::FileDescriptor>& descriptors) {
  for (const base::FileDescriptor& descriptor : descriptors) {
    if (descriptor.get() < 3) return false;
  }
  return descriptors.size() == control::StartScript::kDescriptors;
}

}  // namespace

SpawnerFront::SpawnerFront(io::Loop& loop, control::Channel channel, supervise::ScriptStarter& starter,
                           supervise::PoolStarter& pools, supervise::ProgramGroups& groups,
                           supervise::WarmPythons& warm)
    : loop_(loop),
      channel_(std::move(channel)),
      starter_(starter),
      groups_(groups),
      warm_(warm),
      room_(loop.timers(),
            [this] {
              listen();
              on_events();
            }),
      processes_(pools, groups, [this](const nlohmann::json& body) { send(body); }) {
  listen();
}

SpawnerFront::~SpawnerFront() {
  end_all();
}

void SpawnerFront::listen() {
  const uint32_t events = channel_.wants_write() ? EPOLLIN | EPOLLOUT : EPOLLIN;
  watcher_ =
      std::make_unique<io::CallbackWatcher>(loop_, channel_.descriptor(), events, [this](uint32_t) { on_events(); });
}

void SpawnerFront::end_all() {
  for (const auto& [number, pid] : running_) groups_.end(pid);
  running_.clear();
  numbers_.clear();
  processes_.end_all();
  for (const auto& [run, each] : waiting_) {
    starter_.note_refusal(each.asked.entry);
    warm_.forget(run);
  }
  waiting_.clear();
}

// A message that is none ends the channel: such a front is not to be believed any more.
void SpawnerFront::on_events() {
  if (channel_.wants_write() && channel_.flush()) watcher_->change(EPOLLIN);
  while (true) {
    control::Message message;
    switch (channel_.receive(message)) {
      case control::Channel::Outcome::kMessage:
        if (on_message(message)) break;
        [[fallthrough]];
      case control::Channel::Outcome::kClosed:
        watcher_.reset();
        channel_ = control::Channel(base::FileDescriptor());
        return end_all();
      case control::Channel::Outcome::kNothing:
        return;
      case control::Channel::Outcome::kNoRoom:
        watcher_.reset();  // the level-triggered watch would spin meanwhile
        return room_.set(loop_.now() + kRoomRetry);
    }
  }
}

bool SpawnerFront::on_message(control::Message& message) {
  if (message.type() == control::StartScript::kType) return start_script(message);
  if (message.type() == control::StartProcess::kType) return processes_.start(message);
  if (message.type() == control::EndProcess::kType) return processes_.end(message);
  if (message.type() != control::EndScript::kType) return false;
  const auto end = control::decode<control::EndScript>(message.body);
  if (!end) return false;
  const auto found = running_.find(end->script);
  if (found != running_.end()) groups_.end(found->second);
  for (const auto& [run, each] : waiting_) {
    if (each.script == end->script) warm_.end(run);
  }
  return true;
}

bool SpawnerFront::start_script(control::Message& message) {
  const auto asked = control::decode<control::StartScript>(message.body);
  if (!asked || asked->entry >= starter_.entries() || is_known(asked->script)) return false;
  if (!have_places(message.descriptors)) return false;
  Asked kept;
  kept.entry = asked->entry;
  supervise::ScriptRequest& request = kept.request;
  const auto path = control::text_to_bytes(asked->path);
  if (!path) return false;
  request.path = *path;
  request.file = message.descriptors[0].get();
  for (const std::string& text : asked->variables) {
    auto variable = control::text_to_bytes(text);
    if (!variable) return false;
    request.variables.push_back(std::move(*variable));
  }
  for (size_t place = 0; place < 3; ++place) request.standard[place] = message.descriptors[place + 1].get();
  kept.descriptors = std::move(message.descriptors);
  start(asked->script, std::move(kept), true);
  return true;
}

void SpawnerFront::start(uint64_t script, Asked asked, bool may_be_warm) {
  std::optional<uint64_t> run;
  const auto ask_warm = [&](supervise::WarmPlan& plan) {
    run = warm_.run(std::move(plan.command), std::move(plan.message), plan.descriptors, plan.file, *this);
    return run.has_value();
  };
  const supervise::ScriptStarted started =
      starter_.start(asked.entry, asked.request, may_be_warm ? supervise::ScriptStarter::AskWarm(ask_warm) : nullptr);
  if (started.is_warm) {
    waiting_.emplace(*run, Warm{script, std::move(asked)});
  } else if (started.pid == 0) {
    send_refused(script, started);
  } else {
    groups_.add(started.pid);
    running_.emplace(script, started.pid);
    numbers_.emplace(started.pid, script);
  }
}

bool SpawnerFront::is_known(uint64_t script) const {
  return running_.contains(script) || std::any_of(waiting_.begin(), waiting_.end(),
                                                  [script](const auto& each) { return each.second.script == script; });
}

void SpawnerFront::on_warm_begin(uint64_t run, pid_t pid) {
  const auto begun = waiting_.extract(run);
  if (begun.empty()) return;
  starter_.note_begin(begun.mapped().asked.entry, pid);
  running_.emplace(begun.mapped().script, pid);
  numbers_.emplace(pid, begun.mapped().script);
}

void SpawnerFront::on_warm_refusal(uint64_t run) {
  auto refused = waiting_.extract(run);
  if (refused.empty()) return;
  starter_.note_refusal(refused.mapped().asked.entry);
  start(refused.mapped().script, std::move(refused.mapped().asked), false);
}

void SpawnerFront::on_warm_end(uint64_t run, const supervise::ExitStatus& status) {
  const auto ended = waiting_.extract(run);
  if (ended.empty()) return;
  starter_.note_refusal(ended.mapped().asked.entry);
  send_ended(ended.mapped().script, status);
}

bool SpawnerFront::on_program_end(pid_t pid, const supervise::ExitStatus& status,
                                  const std::optional<supervise::ScriptStarted>& never_ran) {
  const auto found = numbers_.find(pid);
  if (found == numbers_.end()) return processes_.on_program_end(pid, status);
  const uint64_t script = found->second;
  running_.erase(script);
  numbers_.erase(found);
  if (never_ran) {
    send_refused(script, *never_ran);
  } else {
    send_ended(script, status);
  }
  return true;
}

void SpawnerFront::send_refused(uint64_t script, const supervise::ScriptStarted& refusal) {
  control::ScriptRefused refused;
  refused.script = script;
  refused.reason = refusal.reason;
  refused.text = control::bytes_to_text(refusal.text);
  send(control::encode(refused));
}

void SpawnerFront::send_ended(uint64_t script, const supervise::ExitStatus& status) {
  control::ScriptEnded ended;
  ended.script = script;
  ended.code = status.code;
  ended.signal = status.signal;
  send(control::encode(ended));
}

void SpawnerFront::tell(const std::string& notice) {
  control::ScriptNotice message;
  message.text = control::bytes_to_text(notice);
  send(control::encode(message));
}

void SpawnerFront::send(const nlohmann::json& body) {
  if (channel_.send(body) && channel_.wants_write() && watcher_) watcher_->change(EPOLLIN | EPOLLOUT);
}

}  // namespace cutwater::app

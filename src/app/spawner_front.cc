#include "app/spawner_front.h"

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
                           supervise::PoolStarter& pools, supervise::ProgramGroups& groups)
    : loop_(loop),
      channel_(std::move(channel)),
      starter_(starter),
      groups_(groups),
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
  return true;
}

bool SpawnerFront::start_script(control::Message& message) {
  const auto asked = control::decode<control::StartScript>(message.body);
  if (!asked || asked->entry >= starter_.entries() || running_.contains(asked->script)) return false;
  if (!have_places(message.descriptors)) return false;
  supervise::ScriptRequest request;
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
  const supervise::ScriptStarted started = starter_.start(asked->entry, request);
  if (started.pid == 0) {
    control::ScriptRefused refused;
    refused.script = asked->script;
    refused.reason = started.reason;
    refused.text = control::bytes_to_text(started.text);
    send(control::encode(refused));
    return true;
  }
  groups_.add(started.pid);
  running_.emplace(asked->script, started.pid);
  numbers_.emplace(started.pid, asked->script);
  return true;
}

bool SpawnerFront::on_program_end(pid_t pid, const supervise::ExitStatus& status) {
  const auto found = numbers_.find(pid);
  if (found == numbers_.end()) return processes_.on_program_end(pid, status);
  control::ScriptEnded ended;
  ended.script = found->second;
  ended.code = status.code;
  ended.signal = status.signal;
  running_.erase(found->second);
  numbers_.erase(found);
  send(control::encode(ended));
  return true;
}

void SpawnerFront::send(const nlohmann::json& body) {
  if (channel_.send(body) && channel_.wants_write() && watcher_) watcher_->change(EPOLLIN | EPOLLOUT);
}

}  // namespace cutwater::app

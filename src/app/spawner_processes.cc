#include "app/spawner_processes.h"

#include <algorithm>

#include "control/messages.h"
#include "control/script_messages.h"

namespace cutwater::app {

// A front that was taken over by somebody may ask for anything: no more processes than its share, and no descriptor
// that is one of 0 to 2.
bool SpawnerProcesses::start(control::Message& message) {
  const auto asked = control::decode<control::StartProcess>(message.body);
  if (!asked || asked->entry >= starter_.entries() || running_.contains(asked->process)) return false;
  if (message.descriptors.size() != control::StartProcess::kDescriptors) return false;
  for (const base::FileDescriptor& descriptor : message.descriptors) {
    if (descriptor.get() < 3) return false;
  }
  const auto same = [&](const auto& running) { return running.second.entry == asked->entry; };
  const auto count = static_cast<size_t>(std::count_if(running_.begin(), running_.end(), same));
  if (count >= starter_.most(asked->entry)) return false;
  const supervise::PoolStarted started =
      starter_.start(asked->entry, message.descriptors[0].get(), message.descriptors[1].get());
  if (started.pid == 0) {
    control::ProcessRefused refused;
    refused.process = asked->process;
    refused.text = control::bytes_to_text(started.text);
    send_(control::encode(refused));
    return true;
  }
  groups_.add(started.pid);
  running_.emplace(asked->process, Process{started.pid, asked->entry});
  numbers_.emplace(started.pid, asked->process);
  control::ProcessStarted told;
  told.process = asked->process;
  told.pid = started.pid;
  send_(control::encode(told));
  return true;
}

bool SpawnerProcesses::end(const control::Message& message) {
  const auto asked = control::decode<control::EndProcess>(message.body);
  if (!asked) return false;
  const auto found = running_.find(asked->process);
  const base::Duration grace = std::clamp(asked->grace, base::Duration::zero(), supervise::ProgramGroups::kGrace);
  if (found != running_.end()) groups_.end(found->second.pid, grace);
  return true;
}

bool SpawnerProcesses::on_program_end(pid_t pid, const supervise::ExitStatus& status) {
  const auto found = numbers_.find(pid);
  if (found == numbers_.end()) return false;
  control::ProcessEnded ended;
  ended.process = found->second;
  ended.code = status.code;
  ended.signal = status.signal;
  running_.erase(found->second);
  numbers_.erase(found);
  send_(control::encode(ended));
  return true;
}

void SpawnerProcesses::end_all() {
  for (const auto& [number, process] : running_) groups_.end(process.pid);
  running_.clear();
  numbers_.clear();
}

}  // namespace cutwater::app

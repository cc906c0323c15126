#include "app/front_pools.h"

#include <algorithm>

#include "control/messages.h"
#include "control/pool_messages.h"
#include "control/script_messages.h"

namespace cutwater::app {

FrontPools::~FrontPools() {
  if (!pools_.empty()) spawner_.serve_also(nullptr);
}

void FrontPools::add(const config::Config& config) {
  for (unsigned number = 0; number < config.pools.size(); ++number) {
    pools_.push_back(std::make_unique<FrontPool>(FrontPool::Place{loop_, *this, directory_, log_}, config, number));
  }
  if (!pools_.empty()) spawner_.serve_also(this);
}

handler::GatewayPool* FrontPools::find(const std::string& name) {
  const auto found = std::find_if(pools_.begin(), pools_.end(), [&](const auto& pool) { return pool->name() == name; });
  return found == pools_.end() ? nullptr : found->get();
}

void FrontPools::renew() {
  for (auto& pool : pools_) pool->renew();
}

uint64_t FrontPools::number_of(const FrontPool& pool, uint64_t id) const {
  return id * pools_.size() + pool.number();
}

void FrontPools::on_spawner_here() {
  for (auto& pool : pools_) pool->open();
}

void FrontPools::on_spawner_gone() {
  for (auto& pool : pools_) pool->close();
}

void FrontPools::on_spawner_message(const control::Message& message) {
  if (message.type() == control::ProcessStarted::kType) {
    const auto started = control::decode<control::ProcessStarted>(message.body);
    if (started) pool_of(started->process).on_started(id_of(started->process), started->pid);
  } else if (message.type() == control::ProcessEnded::kType) {
    const auto ended = control::decode<control::ProcessEnded>(message.body);
    if (!ended) return;
    supervise::ExitStatus status;
    status.code = ended->code;
    status.signal = ended->signal;
    pool_of(ended->process).on_ended(id_of(ended->process), status);
  } else if (message.type() == control::ProcessRefused::kType) {
    const auto refused = control::decode<control::ProcessRefused>(message.body);
    if (!refused) return;
    pool_of(refused->process)
        .on_refused(id_of(refused->process), control::text_to_bytes(refused->text).value_or("it was refused"));
  }
}

// A message that cannot be sent means that the spawner is gone, which is told in a moment.
void FrontPools::start(const FrontPool& pool, uint64_t id, std::vector<base::FileDescriptor> descriptors) {
  control::StartProcess message;
  message.process = number_of(pool, id);
  message.entry = pool.number();
  spawner_.ask(control::encode(message), descriptors);
}

void FrontPools::end(const FrontPool& pool, uint64_t id, base::Duration grace) {
  control::EndProcess message;
  message.process = number_of(pool, id);
  message.grace = grace;
  spawner_.ask(control::encode(message), {});
}

}  // namespace cutwater::app

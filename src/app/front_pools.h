// FrontPools: this front's share of the configured pools: their processes, which the spawner starts and ends when it is
// told to, and whose births and deaths it tells.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/front_pool.h"
#include "config/model.h"
#include "control/channel.h"
#include "handler/script_runner.h"

namespace cutwater::app {

class FrontPools final : private handler::SpawnerUser, private FrontPoolSpawner {
 public:
  // All outlive this. `directory`: of the front's user alone.
  FrontPools(io::Loop& loop, handler::ScriptRunner& spawner, const std::string& directory, base::LogSink& log)
      : loop_(loop), spawner_(spawner), directory_(directory), log_(log) {}
  ~FrontPools() override;

  // Once, before anything is asked for.
  void add(const config::Config& config);
  // nullptr: there is none of that name.
  handler::GatewayPool* find(const std::string& name);
  // Every process makes way for a new one, when it has nothing to do.
  void renew();

 private:
  void on_spawner_here() override;
  void on_spawner_gone() override;
  void on_spawner_message(const control::Message& message) override;
  void start(const FrontPool& pool, uint64_t id, std::vector<base::FileDescriptor> descriptors) override;
  void end(const FrontPool& pool, uint64_t id, base::Duration grace) override;
  uint64_t number_of(const FrontPool& pool, uint64_t id) const;
  FrontPool& pool_of(uint64_t number) { return *pools_[number % pools_.size()]; }
  uint64_t id_of(uint64_t number) const { return number / pools_.size(); }

  io::Loop& loop_;
  handler::ScriptRunner& spawner_;
  const std::string& directory_;
  base::LogSink& log_;
  std::vector<std::unique_ptr<FrontPool>> pools_;  // in the order of the configuration: the spawner's numbers
};

}  // namespace cutwater::app

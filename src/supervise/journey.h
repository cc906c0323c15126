// Journey: the named steps of a generation's start, so that a start that fails or takes too long says where.
#pragma once

#include <string>

#include "base/clock.h"

namespace cutwater::supervise {

class Journey {
 public:
  enum class Step { kStartingInterpreter, kImporting, kMakingSharedMemory, kStartingWorkers, kReady };

  explicit Journey(base::Instant now) : began_(now), entered_(now) {}
  void enter(Step step, base::Instant now);
  Step step() const { return step_; }
  base::Duration lasted(base::Instant now) const { return now - began_; }
  // "while importing the app, 1.2 s after the start"
  std::string where(base::Instant now) const;
  // "import 0.8 s, workers 0.1 s": the steps that took time; for the log once ready.
  std::string durations() const;

 private:
  base::Instant began_;
  base::Instant entered_;
  Step step_ = Step::kStartingInterpreter;
  base::Duration import_{};
  base::Duration workers_{};
};

std::string to_seconds(base::Duration span);  // "0.8 s"

}  // namespace cutwater::supervise

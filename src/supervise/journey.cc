#include "supervise/journey.h"

#include <fmt/format.h>

namespace cutwater::supervise {
namespace {

const char* name_of(Journey::Step step) {
  switch (step) {
    case Journey::Step::kStartingInterpreter:
      return "starting the interpreter";
    case Journey::Step::kImporting:
      return "importing the app";
    case Journey::Step::kMakingSharedMemory:
      return "making shared memory";
    case Journey::Step::kStartingWorkers:
      return "starting workers";
    case Journey::Step::kReady:
      break;
  }
  return "serving";
}

}  // namespace

std::string to_seconds(base::Duration span) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(span).count());
}

void Journey::enter(Step step, base::Instant now) {
  if (step_ == Step::kImporting) import_ += now - entered_;
  if (step_ == Step::kStartingWorkers) workers_ += now - entered_;
  step_ = step;
  entered_ = now;
}

std::string Journey::where(base::Instant now) const {
  return fmt::format("while {}, {} after the start", name_of(step_), to_seconds(now - began_));
}

std::string Journey::durations() const {
  return fmt::format("import {}, workers {}", to_seconds(import_), to_seconds(workers_));
}

}  // namespace cutwater::supervise

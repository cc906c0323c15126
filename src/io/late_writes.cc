#include "io/late_writes.h"

#include <utility>

namespace cutwater::io {

void LateWrites::add(LateWrite& write) {
  if (write.written_) take_back(write);  // it has more: it is told behind that
  if (has(write)) return;
  waiting_.push_back(&write);
  write.place_ = waiting_.size();
}

void LateWrites::take_back(LateWrite& write) {
  if (!has(write)) return;
  (std::exchange(write.written_, false) ? written_ : waiting_)[std::exchange(write.place_, 0) - 1] = nullptr;
}

bool LateWrites::flush() {
  if (waiting_.empty()) return false;
  written_.swap(waiting_);
  for (LateWrite* write : written_) {
    if (!write) continue;
    write->written_ = true;
    write->write_late();
  }
  for (size_t index = 0; index < written_.size(); ++index) {
    LateWrite* const write = written_[index];
    if (!write) continue;
    write->written_ = false;
    write->place_ = 0;
    write->written_late();
  }
  written_.clear();
  return true;
}

}  // namespace cutwater::io

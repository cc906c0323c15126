// LateWrites: short writes of one turn of a loop, which go to the kernel one behind the other when all that was to be
// served is served, for the same reason for which many streams are read together (read_ahead.h). Who has written is
// told when all have.
#pragma once

#include <cstddef>
#include <vector>

namespace cutwater::io {

class LateWrite {
 public:
  virtual ~LateWrite() = default;
  // Must not resume or destroy anybody.
  virtual void write_late() = 0;
  // May do both.
  virtual void written_late() = 0;

 private:
  friend class LateWrites;
  bool written_ = false;
  size_t place_ = 0;  // 0: nowhere; else behind it in the list
};

class LateWrites {
 public:
  // `write` outlives being told, or is taken back.
  void add(LateWrite& write);
  void take_back(LateWrite& write);
  static bool has(const LateWrite& write) { return write.place_ != 0; }
  // False: there was nothing. Else somebody may have been told, and have made work for others, more late writes too.
  bool flush();
  bool any() const { return !waiting_.empty(); }

 private:
  std::vector<LateWrite*> waiting_;  // nullptr: taken back
  std::vector<LateWrite*> written_;
};

}  // namespace cutwater::io

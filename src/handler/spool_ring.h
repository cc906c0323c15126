// SpoolRing: what somebody takes more slowly than it comes, in a file without a name that is written again from its
// beginning where that was taken. Its disk and its budgets hold what is kept, not all that ever went through.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/file_descriptor.h"
#include "base/task.h"
#include "handler/spool.h"

namespace cutwater::handler {

class SpoolRing {
 public:
  static constexpr uint64_t kBlock = 4096;  // of file systems: what is taken is given back in these

  // Keeps up to `most` bytes, a multiple of kBlock. Area and budget outlive the ring.
  SpoolRing(SpoolArea& area, SpoolBudget& budget, uint64_t most) : area_(area), budget_(budget), most_(most) {}
  ~SpoolRing() { give_back(charged_); }
  SpoolRing(const SpoolRing&) = delete;
  SpoolRing& operator=(const SpoolRing&) = delete;

  uint64_t kept() const { return written_ - taken_; }
  uint64_t room() const { return most_ - (written_ - whole_blocks(taken_)); }
  // At most room() bytes, on an offload thread; one append at a time, takes may run meanwhile. What failed can be tried
  // again.
  base::Task<SpoolStatus> append(std::string bytes);
  // Up to `most` bytes of kept(), which is not 0, on an offload thread; one at a time. "": lost with their disk.
  base::Task<std::string> take(uint64_t most);

 private:
  static uint64_t whole_blocks(uint64_t offset) { return offset - offset % kBlock; }
  bool charge(uint64_t bytes);
  void give_back(uint64_t bytes);

  SpoolArea& area_;
  SpoolBudget& budget_;
  const uint64_t most_;
  std::shared_ptr<base::FileDescriptor> file_;  // shared with what outlives a cancelled request
  uint64_t written_ = 0;                        // ever: the place in the file is what is left over by most_
  uint64_t taken_ = 0;                          // likewise
  uint64_t charged_ = 0;                        // what the file may hold of the disk
};

}  // namespace cutwater::handler

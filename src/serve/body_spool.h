// Where a body waits that no handler takes while others would have to wait for it: a file, whoever keeps it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/task.h"

namespace cutwater::serve {

class SpooledBody {
 public:
  virtual ~SpooledBody() = default;
  // Behind what it has; one call at a time. `bytes` outlives the task. False: there is no room for them.
  virtual base::Task<bool> append(const std::string& bytes) = 0;
  // Of what was appended; fewer bytes, or none: the rest is lost.
  virtual base::Task<std::string> read(uint64_t offset, size_t length) = 0;
};

class BodySpool {
 public:
  virtual ~BodySpool() = default;
  virtual std::unique_ptr<SpooledBody> open() = 0;
};

}  // namespace cutwater::serve

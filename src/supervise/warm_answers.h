// What a warm Python says, from a pipe: JSON objects, each with a newline behind it. A socket could bring descriptors
// along, which would be closed here, and a close may take as long as SO_LINGER of a socket says; a pipe cannot.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace cutwater::supervise {

class WarmAnswers {
 public:
  // The second is what to write into. Its writers are several processes: none may write more at once than PIPE_BUF,
  // 4096 bytes, so that all of it stays together.
  static base::Result<std::pair<WarmAnswers, base::FileDescriptor>> make();

  enum class Outcome {
    kMessage,
    kNothing,    // yet
    kNoMessage,  // what is none: nothing behind it is to be believed
    kEnd,        // nobody can write any more
  };
  // `body`: an object with a string "type".
  Outcome receive(nlohmann::json& body);

  int descriptor() const { return pipe_.get(); }

 private:
  explicit WarmAnswers(base::FileDescriptor pipe) : pipe_(std::move(pipe)) {}

  base::FileDescriptor pipe_;
  std::string unread_;  // of the pipe
};

}  // namespace cutwater::supervise

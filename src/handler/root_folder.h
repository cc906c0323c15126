// RootFolder: the folder of a route, shared by all who look for files below it. What lies at its path may become
// another folder, as a deployment switches a link or moves one away: then all of them look into that one from then on.
#pragma once

#include <memory>
#include <utility>

#include "base/file_descriptor.h"

namespace cutwater::handler {

class RootFolder {
 public:
  // `folder`: O_PATH.
  explicit RootFolder(base::FileDescriptor folder) : folder_(std::move(folder)) {}

  // Stays the same number.
  int descriptor() const { return folder_.get(); }
  // Another thread that looks something up just now finds it in either. False: the system refuses; it stays as it was.
  bool become(const base::FileDescriptor& folder);

 private:
  const base::FileDescriptor folder_;
};

using SharedFolder = std::shared_ptr<const RootFolder>;

inline SharedFolder share(base::FileDescriptor folder) {
  return std::make_shared<const RootFolder>(std::move(folder));
}

}  // namespace cutwater::handler

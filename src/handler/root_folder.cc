#include "handler/root_folder.h"

#include <fcntl.h>
#include <unistd.h>

namespace cutwater::handler {

bool RootFolder::become(const base::FileDescriptor& folder) {
  return dup3(folder.get(), folder_.get(), O_CLOEXEC) >= 0;
}

}  // namespace cutwater::handler

// Opening files below a folder, whatever the path or the links in it say (openat2(2), RESOLVE_BENEATH; faults.md 54).
#pragma once

#include <optional>
#include <string>

#include "base/file_descriptor.h"

namespace cutwater::io {

struct OpenOutcome {
  base::FileDescriptor file;
  int error = 0;  // errno when `file` is not valid
};

// Opens `path` (relative, below the O_PATH folder `root`) for reading. Symbolic links are followed while they stay
// below the root; magic links, absolute links and ".." out of it are refused (EXDEV, ELOOP). Never blocks on a FIFO.
// Without openat2 (before Linux 5.6, or forbidden by a sandbox) no link is followed at all.
OpenOutcome open_beneath(int root, const std::string& path);

// The same, only if the kernel can answer from its caches; EAGAIN: use open_beneath on a thread that may block.
OpenOutcome open_beneath_cached(int root, const std::string& path);

// The same two without opening the file: an O_PATH descriptor, for which the file need not be readable.
OpenOutcome find_beneath(int root, const std::string& path);
OpenOutcome find_beneath_cached(int root, const std::string& path);

// An O_PATH descriptor of a folder, wherever it lies. By no magic link (/proc/self/cwd, /proc/self/fd/3): that leads to
// what this process has open, past the rights of the way to it.
OpenOutcome find_folder(const std::string& path);

}  // namespace cutwater::io

// The folders that a path leads through, and the name by which it leaves each of them: when such a name comes to mean
// something else, because a symbolic link is switched or a folder is moved away, so does the path.
#pragma once

#include <string>
#include <vector>

namespace cutwater::supervise {

struct PathStep {
  std::string folder;  // no symbolic link in it
  std::string name;    // a link, or the next folder; maybe missing
  bool operator==(const PathStep&) const = default;
};

// `path` is absolute. Links are followed, and are steps themselves. Not endless, whatever links there are.
std::vector<PathStep> steps_of(const std::string& path);

}  // namespace cutwater::supervise

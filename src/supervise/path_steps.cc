#include "supervise/path_steps.h"

#include <deque>
#include <filesystem>

namespace cutwater::supervise {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostSteps = 128;  // the kernel follows 40 links

}  // namespace

std::vector<PathStep> steps_of(const std::string& path) {
  const fs::path whole(path);
  std::deque<fs::path> names(whole.begin(), whole.end());
  std::vector<PathStep> steps;
  fs::path at = "/";
  while (!names.empty() && steps.size() < kMostSteps) {
    const fs::path name = names.front();
    names.pop_front();
    if (name.empty() || name == ".") continue;
    if (name == "/" || name == "..") {
      at = name == "/" ? name : at.parent_path();
      continue;
    }
    steps.push_back({at.native(), name.native()});
    std::error_code no_link;
    const fs::path target = fs::read_symlink(at / name, no_link);
    if (no_link) {
      at /= name;
    } else {
      names.insert(names.begin(), target.begin(), target.end());
    }
  }
  return steps;
}

}  // namespace cutwater::supervise

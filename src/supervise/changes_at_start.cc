#include "supervise/changes_at_start.h"

#include <utility>

namespace cutwater::supervise {

void ChangesAtStart::begin() {
  const std::set<std::string> last = std::exchange(now_, {});
  std::erase_if(in_a_row_, [&](const auto& entry) { return !last.contains(entry.first); });
}

ChangesAtStart::Verdict ChangesAtStart::judge(const std::string& path) {
  if (now_.insert(path).second) ++in_a_row_[path];
  if (in_a_row_[path] < kGenerations) return Verdict::kNews;
  return told_.insert(path).second ? Verdict::kNoNewsForTheFirstTime : Verdict::kNoNews;
}

}  // namespace cutwater::supervise

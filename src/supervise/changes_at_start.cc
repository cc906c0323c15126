#include "supervise/changes_at_start.h"

#include <algorithm>
#include <utility>

namespace cutwater::supervise {

void ChangesAtStart::begin() {
  const std::set<std::string> last = std::exchange(now_, {});
  std::erase_if(in_a_row_, [&](const auto& entry) { return !last.contains(entry.first); });
  std::erase_if(told_, [&](const std::string& path) { return !in_a_row_.contains(path); });
  if (!std::exchange(had_news_, false)) starts_ = 0;
}

ChangesAtStart::Verdict ChangesAtStart::judge(const std::string& path) {
  if (now_.insert(path).second) ++in_a_row_[path];
  Verdict verdict;
  verdict.is_news = in_a_row_[path] < kStartsOfApp;
  if (!verdict.is_news) {
    verdict.is_to_be_told = told_.insert(path).second;
    return verdict;
  }
  const bool is_first_of_start = !std::exchange(had_news_, true);
  if (is_first_of_start) ++starts_;
  if (starts_ <= kStartsAtOnce) return verdict;
  const unsigned doublings = std::min(starts_ - kStartsAtOnce - 1, 16U);
  verdict.wait = std::min<base::Duration>(kFirstWait * (1 << doublings), kLongestWait);
  verdict.is_to_be_told = is_first_of_start && starts_ == kStartsOfApp;
  return verdict;
}

}  // namespace cutwater::supervise

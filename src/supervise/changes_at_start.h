// ChangesAtStart: which files change whenever the app starts, as it writes them itself. A reload for such a file would
// change it again, and so for ever. A file that somebody saves while a generation starts looks the same: so it takes
// some generations in a row.
#pragma once

#include <map>
#include <set>
#include <string>

namespace cutwater::supervise {

class ChangesAtStart {
 public:
  static constexpr unsigned kGenerations = 3;
  enum class Verdict { kNews, kNoNews, kNoNewsForTheFirstTime };

  void begin();  // another generation starts
  // `path` changed while the last generation that began was starting. Not for the first time: since it was ever asked.
  Verdict judge(const std::string& path);

 private:
  std::map<std::string, unsigned> in_a_row_;  // in how many generations
  std::set<std::string> now_;                 // in the last one
  std::set<std::string> told_;
};

}  // namespace cutwater::supervise

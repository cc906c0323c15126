// ChangesAtStart: which files change whenever the app starts, as it writes them itself. A reload for such a file would
// change it again, and so for ever. A file that somebody saves while a generation starts looks the same. So from the
// third start in a row on reloads wait, each for longer than the one before: the app has written again by then, and
// people have not. Only a file that changes in still more starts is believed to be the app's own.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/clock.h"

namespace cutwater::supervise {

class ChangesAtStart {
 public:
  static constexpr unsigned kStartsAtOnce = 2;  // so many reloads in a row do not wait
  static constexpr unsigned kStartsOfApp = 5;
  static constexpr base::Duration kFirstWait = std::chrono::seconds(2);  // and twice that the next time
  static constexpr base::Duration kLongestWait = std::chrono::minutes(5);

  struct Verdict {
    bool is_news = true;         // the app is to be reloaded,
    base::Duration wait{0};      // after so long
    bool is_to_be_told = false;  // that the app seems to write this file, or always others: for the first time
  };

  void begin();  // another generation starts
  // `path` changed while the last generation that began was starting.
  Verdict judge(const std::string& path);

 private:
  std::map<std::string, unsigned> in_a_row_;  // in how many starts
  std::set<std::string> now_;                 // in the last one
  std::set<std::string> told_;
  unsigned starts_ = 0;  // in a row in which anything was news
  bool had_news_ = false;
};

}  // namespace cutwater::supervise

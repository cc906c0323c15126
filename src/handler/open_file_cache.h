// OpenFileCache: the open files of one static root by path, the most recently used ones up to a limit. An entry is
// believed for a second, then its file must be looked at again. Who owns it lets go now and then of what nobody asks
// for: an open file that was deleted still fills the disk.
#pragma once

#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "handler/open_file.h"

namespace cutwater::handler {

class OpenFileCache {
 public:
  explicit OpenFileCache(size_t limit = 1024) : limit_(limit) {}

  struct Found {
    FileReference file;  // empty: not here
    bool fresh = false;  // looked at within the last second
  };
  Found find(std::string_view path, base::Instant now);
  // The entry was looked at and is still the same file.
  void confirm(std::string_view path, base::Instant now);
  // A new file, or another one than before, at `path`.
  void put(std::string_view path, FileReference file, base::Instant now);
  void remove(std::string_view path);
  // Closes what was not asked for since the last such call.
  void let_go_of_unused();
  size_t size() const { return by_path_.size(); }

 private:
  struct Entry {
    std::string path;
    FileReference file;
    base::Instant looked_at;
    bool used = true;  // since the last let_go_of_unused()
  };
  using Entries = std::list<Entry>;
  static constexpr base::Duration kBelieved = std::chrono::seconds(1);

  size_t limit_;
  Entries entries_;                                                  // most recently used first
  std::unordered_map<std::string_view, Entries::iterator> by_path_;  // keys view the entries' paths
};

}  // namespace cutwater::handler

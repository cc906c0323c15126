#include "handler/open_file_cache.h"

namespace cutwater::handler {

OpenFileCache::Found OpenFileCache::find(std::string_view path, base::Instant now) {
  auto found = by_path_.find(path);
  if (found == by_path_.end()) return {};
  auto entry = found->second;
  entry->used = true;
  if (entry != entries_.begin()) entries_.splice(entries_.begin(), entries_, entry);
  return {entry->file, now - entry->looked_at < kBelieved};
}

void OpenFileCache::confirm(std::string_view path, base::Instant now) {
  if (auto found = by_path_.find(path); found != by_path_.end()) found->second->looked_at = now;
}

void OpenFileCache::put(std::string_view path, FileReference file, base::Instant now) {
  if (auto found = by_path_.find(path); found != by_path_.end()) {
    found->second->file = std::move(file);
    found->second->looked_at = now;
    return;
  }
  if (entries_.size() >= limit_) remove(entries_.back().path);
  entries_.push_front({std::string(path), std::move(file), now});
  by_path_.emplace(entries_.front().path, entries_.begin());
}

void OpenFileCache::remove(std::string_view path) {
  auto found = by_path_.find(path);
  if (found == by_path_.end()) return;
  auto entry = found->second;
  by_path_.erase(found);  // its key is the entry's path
  entries_.erase(entry);
}

// The most recently used come first: the unused are the last ones.
void OpenFileCache::let_go_of_unused() {
  while (!entries_.empty() && !entries_.back().used) remove(entries_.back().path);
  for (Entry& entry : entries_) entry.used = false;
}

}  // namespace cutwater::handler

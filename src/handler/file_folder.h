// FileFolder: the regular files below one folder, opened for reading and kept open while they are asked for. Nothing
// outside the folder is ever opened, and nothing that is no regular file is ever read.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "base/log.h"
#include "base/task.h"
#include "handler/open_file_cache.h"
#include "handler/root_folder.h"
#include "io/beneath.h"
#include "io/loop.h"
#include "io/offload.h"
#include "io/timer.h"

namespace cutwater::handler {

class FileFolder {
 public:
  // `cache`: Cache-Control's max-age of what is opened; without it by the look of the name. The services outlive this.
  FileFolder(SharedFolder root, std::optional<base::Duration> cache, io::Loop& loop, io::Offload& offload,
             base::LogSink& log);

  // Nothing below these folders is found, on whatever way: real paths, of which more may come.
  void never_find_below(std::shared_ptr<const std::vector<std::string>> folders) { forbidden_ = std::move(folders); }

  struct Found {
    FileReference file;
    uint16_t status = 0;  // of the refusal, when there is no file: 403 (and the log says which), 404, 503
    bool is_folder = false;
  };
  // `path` is relative; "" is the folder itself. It outlives the task.
  base::Task<Found> find(const std::string& path);
  // What find() has found within the last second, if its ETag still names what would be sent; else empty.
  FileReference find_fresh(std::string_view path);

 private:
  Found judge(io::OpenOutcome outcome, const std::string& path);
  std::string cache_control_for(std::string_view path) const;
  bool is_forbidden(int file) const;
  void keep(const std::string& path, FileReference file);
  void let_go_of_unused();
  void log_permission_denied(const std::string& path);

  SharedFolder root_;  // shared with opens that outlive a cancelled exchange, too
  std::optional<base::Duration> cache_time_;
  io::Loop& loop_;
  io::Offload& offload_;
  base::LogSink& log_;
  OpenFileCache cache_;
  io::Timer unused_;  // armed while something is open
  std::shared_ptr<const std::vector<std::string>> forbidden_;
  std::set<std::string> denied_;  // paths already complained about
};

// Where an open file or folder lies, links resolved; "" when it is gone.
std::string path_of(int descriptor);

// True for names that carry a hash of their content, such as app.55e7cbb9ba48.css: they may be cached for ever.
bool has_hashed_name(std::string_view path);

}  // namespace cutwater::handler

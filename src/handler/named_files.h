// NamedFiles: the files that whoever answers a request may name instead of sending them, X-Accel-Redirect by a path of
// URLs and X-Sendfile by one of the file system: those below the folders that its route names (faults.md 46).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "base/log.h"
#include "handler/file_folder.h"
#include "handler/rate_limited_log.h"
#include "io/loop.h"
#include "io/offload.h"
#include "message/exchange.h"

namespace cutwater::handler {

struct NamedFolder {
  std::string prefix;   // what X-Accel-Redirect says before a name: "/protected/"
  std::string root;     // what X-Sendfile says before one: absolute
  SharedFolder folder;  // the root
};

class NamedFiles {
 public:
  // `owner`: "upstream api", for messages. The services outlive this.
  NamedFiles(std::string owner, std::vector<NamedFolder> folders, io::Loop& loop, io::Offload& offload,
             base::LogSink& log);

  // Answers with the file that `head` names and with what else that says: its own ETag and Last-Modified win, and its
  // status, with which the file is whole unless it is 200. 404, and a message, for a file that is not there.
  // `head` outlives the task.
  base::Task<void> answer(message::Exchange& exchange, const message::Response& head);

 private:
  struct Folder {
    std::string prefix, root;
    SharedFolder opened;
    std::unique_ptr<FileFolder> files;
  };
  struct Target {
    FileFolder* folder = nullptr;
    std::string path;  // below it
  };
  Target target_of_url(std::string_view url) const;
  Target target_of_path(std::string_view path) const;
  Target target_of_real_path(std::string_view path) const;
  base::Task<void> refuse(message::Exchange& exchange, std::string_view named, std::string_view why);

  std::string owner_;
  std::vector<Folder> folders_;
  io::Loop& loop_;
  io::Offload& offload_;
  RateLimitedLog problems_;
};

// Whether an answer with that head is a file it names.
bool names_a_file(const message::Response& head);
// Takes off what is said to us alone.
void remove_file_names(message::Headers& headers);

}  // namespace cutwater::handler

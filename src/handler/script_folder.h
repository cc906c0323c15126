// ScriptFolder: which script below a folder a request is for, found by walking real files (faults.md 60-65): the first
// segment of the path that has an ending of scripts and is a regular file. What stands behind it is PATH_INFO. When
// there is none: a file that is no script, then the script for everything else, where there are to be such.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "base/task.h"
#include "handler/gateway_variables.h"
#include "handler/root_folder.h"
#include "io/beneath.h"
#include "io/loop.h"
#include "io/offload.h"
#include "message/request.h"

namespace cutwater::handler {

struct ScriptOptions {
  std::string root;                             // the folder as servers know it, absolute
  std::string index = "index.php";              // the script of a folder; "": it has none
  std::vector<std::string> endings = {".php"};  // compared byte by byte; empty: every file is a script
  std::string strip = {};                       // stands in the path before what is looked for
  bool files = false;                           // other files are found too, index.html of a folder among them
  std::string fallback = {};                    // the script for what is not found, "/index.php"; "": none
  bool with_file = false;                       // Found has it open
  std::vector<std::string> closed = {};         // "data/private": nothing below these is found
  std::vector<std::string> never_run = {};      // "uploads": no script is found in or below a folder of such a name
  std::vector<std::string> never_sent = {};     // ".inc": endings of files that are not found, as scripts are not
  // A script that was a file so lately is not looked for again: who runs it opens it by its name anyway.
  base::Duration believed = std::chrono::seconds(1);
  bool real_root = false;  // servers are told where the folder lies, all links followed
};

class ScriptFolder {
 public:
  // `folder`: the root. `offload` and `loop` outlive this.
  ScriptFolder(SharedFolder folder, ScriptOptions options, io::Offload& offload, const io::Loop& loop);

  struct Found {
    uint16_t status = 0;   // 0: `script`; 301: a folder without its final slash; else refuse with it
    bool is_file = false;  // with 0: no script, to be sent as it is
    std::shared_ptr<const Script> script;
    base::FileDescriptor file = {};  // O_PATH: the script, `with_file`
  };
  // `request` outlives the task. What is found depends on its path, and on nothing else that recall() does not look at.
  base::Task<Found> find(const message::Request& request);
  // The script that find() has found for such a request a moment ago; nullptr: ask it.
  std::shared_ptr<const Script> recall(const message::Request& request) const;
  const std::string& root() const { return options_.root; }

 private:
  enum class Kind { kFile, kFolder, kNothing, kForbidden, kNoRoom };  // for another descriptor
  struct Looked {
    Kind kind = Kind::kNothing;
    base::FileDescriptor file = {};  // with kFile
    base::Instant believed_until{};  // likewise
  };
  struct Recalled {
    base::Instant believed_until;
    std::shared_ptr<const Script> script;
  };
  base::Task<Looked> look_at(std::string path);
  bool has_ending(std::string_view name) const;
  bool is_source(std::string_view path) const;
  bool may_run_in(std::string_view folder) const;
  base::Instant believe(std::string file);
  void remember(std::string_view path, Recalled recalled);
  base::Task<Found> find_script(const message::Request& request, std::string_view path);
  base::Task<Found> find_index(std::string_view path);
  base::Task<Found> find_other(std::string_view path);
  base::Task<Kind> look_at_other(std::string_view path);
  static uint16_t refusal_of(Kind kind);
  std::string root_for_servers() const;
  Found found(std::string_view file, std::string_view path_info, Looked looked) const;

  SharedFolder folder_;  // shared with look-ups that outlive a cancelled request, too
  ScriptOptions options_;
  io::Offload& offload_;
  const io::Loop& loop_;
  std::map<std::string, base::Instant, std::less<>> files_;  // below the folder, and until when that is believed
  std::map<std::string, Recalled, std::less<>> recalled_;    // by the paths of requests
};

// What of the files there are is some program's source: never sent as it is (faults.md 64).
struct ScriptGuard {
  std::vector<std::string> endings = {};                       // as looks_like_script() takes them
  std::shared_ptr<const std::vector<std::string>> roots = {};  // real paths of folders, of which more may come
  // Endings of which copies are not sent either ("a.php.save", "b.sql.gz"), nor files without any ending.
  std::vector<std::string> copies = {};
};

// Whether a name would be a script's on a file system that ignores case, final dots or streams: such a file is never
// sent as it is (faults.md 64).
bool looks_like_script(std::string_view name, std::string_view ending);
// Whether the last segment of a path has that ending in it, as copies have.
bool looks_like_copy(std::string_view path, std::string_view ending);

}  // namespace cutwater::handler

// ScriptPlace: a script as it was found below a configured folder, held open, so that what was looked at is what runs.
// Nobody may be able to change it whose code is not meant to run as its user (faults.md 54, 61).
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"

namespace cutwater::supervise {

struct ScriptPlace {
  base::FileDescriptor folder;  // O_PATH: the script's own
  base::FileDescriptor file;    // O_PATH
  std::string name;             // in `folder`
  uid_t owner = 0;              // of the folder
};

struct ScriptSearch {
  int root = -1;     // O_PATH
  std::string path;  // below it: "sub/hello.cgi"
  // The owner of its folder is who the script will run as. Then that owner, and root, must have had the say over every
  // step to it: no link is followed, and each folder and the script belong to one of them.
  bool owner_decides = false;
  // Whether those in a group are the user himself: its own primary group, say. Others must not be able to write.
  std::function<bool(uid_t user, gid_t group)> is_own_group;
};

enum class ScriptFinding { kFound, kNotThere, kUnsafe };

// With kUnsafe `why` says what is wrong, to be put behind the script's path.
ScriptFinding find_script(const ScriptSearch& search, ScriptPlace& place, std::string& why);

// The endings count if there are any. Hidden names are none: "." in front, "~" behind, of any segment.
bool is_script_path(const std::string& path, const std::vector<std::string>& endings);

}  // namespace cutwater::supervise

// MovedFolders: notices when another folder lies at the path of a route's folder, which is held open: a deployment
// switches a link, or puts a new folder in the place of the old one. Who uses it then opens it anew by its path, with
// the rights that it has by now: whoever may switch the link must not come by more than that.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "app/route_folders.h"
#include "base/file_descriptor.h"
#include "base/log.h"
#include "io/loop.h"
#include "io/timer.h"

namespace cutwater::app {

class MovedFolders {
 public:
  static constexpr base::Duration kEvery = std::chrono::seconds(1);

  // `loop` and `log` outlive this.
  MovedFolders(io::Loop& loop, base::LogSink& log, std::function<void(size_t number)> moved);

  // `held`: by the same numbers; what was not open is not looked at.
  void watch(std::vector<RouteFolder> folders, const std::vector<base::FileDescriptor>& held);
  void stop() { next_.cancel(); }
  // What is another one than was held: who starts from `held` is to be told all of these.
  std::vector<size_t> moved() const;

 private:
  struct Identity {
    dev_t device;
    ino_t number;
    bool operator==(const Identity&) const = default;
  };
  struct Watched {
    RouteFolder folder;
    Identity held, last;
  };
  static std::optional<Identity> identity_of(const struct statx& status);
  static std::optional<Identity> identity_at(const std::string& path);
  void look();

  base::LogSink& log_;
  std::function<void(size_t)> moved_;
  std::map<size_t, Watched> watched_;
  io::Timer next_;
};

}  // namespace cutwater::app

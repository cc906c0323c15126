// FollowedFolders: once a second a front looks whether other folders lie at the paths of its routes' folders, as after
// a deployment that switches a link or puts a new folder in the place of the old one, and takes what lies there now. It
// opens them with its own rights: whoever may switch a link must not come by folders that only the master may enter.
//
// Folders of scripts that we run ourselves are not followed: who owns a folder decides as whom they run.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/route_folders.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/task.h"
#include "handler/root_folder.h"
#include "io/loop.h"
#include "io/offload.h"
#include "io/timer.h"

namespace cutwater::app {

class FollowedFolders {
 public:
  static constexpr base::Duration kEvery = std::chrono::seconds(1);

  using Roots = std::vector<std::shared_ptr<handler::RootFolder>>;
  // The services outlive this. `tells`: one of all fronts does.
  FollowedFolders(io::Loop& loop, io::Offload& offload, base::LogSink& log)
      : loop_(loop), offload_(offload), log_(log) {}

  // `roots`: as they were handed over open, by the numbers of `folders`; nullptr: not open.
  void watch(std::vector<RouteFolder> folders, Roots roots, bool tells);
  // What the master has opened at its path: for a folder that this front never reached by itself.
  void offer(size_t number, base::FileDescriptor folder);
  // Real paths of the folders in which every file is a script, wherever they were, are, and will be at their paths.
  std::shared_ptr<const std::vector<std::string>> scripts_alone() const { return scripts_alone_; }

 private:
  struct Look;
  base::Task<void> look();
  void take(Look& look);
  void take_folder(size_t number, const Look& look);
  void tell_of_the_most();
  void tell_of_unreached(size_t number);
  void note_scripts(const std::vector<std::string>& paths);

  io::Loop& loop_;
  io::Offload& offload_;
  base::LogSink& log_;
  std::shared_ptr<const std::vector<RouteFolder>> folders_;
  Roots roots_;
  bool tells_ = false;
  bool has_looked_ = false;
  std::map<size_t, base::FileDescriptor> offered_;  // before that
  std::set<size_t> reached_;                        // by their paths, some time
  std::map<size_t, std::string> told_;              // why a folder was not taken
  bool told_of_the_most_ = false;
  std::set<size_t> unreached_told_;
  std::shared_ptr<std::vector<std::string>> scripts_alone_ = std::make_shared<std::vector<std::string>>();
  io::Timer next_{loop_.timers(), [this] { looks_.start(look()); }};
  base::TaskSet looks_;  // one at most; first to end
};

}  // namespace cutwater::app

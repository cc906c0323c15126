// SocketFiles: the files of the unix sockets that this server bound. Whoever has the last word removes them: the
// master at its end, the spawner when the master is gone without one.
#pragma once

#include <string>
#include <vector>

#include "base/file_descriptor.h"

namespace cutwater::app {

class SocketFiles {
 public:
  // A socket was just bound there. What cannot be looked at is not remembered, and so stays.
  void add(const std::string& path);
  // Removes those that are still what was bound: another server may have taken the name since.
  void remove();
  // What a forked process must keep open for its copy of this to work.
  std::vector<int> descriptors() const;

 private:
  struct File {
    std::string name;
    base::FileDescriptor folder;  // O_PATH: the name is looked up there, wherever its path leads later
    base::FileDescriptor socket;  // O_PATH: while it is open no other file gets the inode's number
  };
  std::vector<File> files_;
};

}  // namespace cutwater::app

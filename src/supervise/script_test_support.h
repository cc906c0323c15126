// Shared by the tests of what starts scripts: a folder of them, and one that was started with pipes.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/file_descriptor.h"
#include "supervise/identity.h"
#include "supervise/script_start.h"

namespace cutwater::supervise {

// Whom the folders of these tests belong to: as root somebody else, since root runs no scripts.
inline uid_t script_user() {
  return running_as_root() ? find_identity("daemon")->user : geteuid();
}

class ScriptFolderOnDisk {
 public:
  ScriptFolderOnDisk() : path_(testing::TempDir() + "scripts-XXXXXX") {
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
    folder(".", script_user());
  }
  ~ScriptFolderOnDisk() { std::filesystem::remove_all(path_); }
  ScriptFolderOnDisk(const ScriptFolderOnDisk&) = delete;
  ScriptFolderOnDisk& operator=(const ScriptFolderOnDisk&) = delete;

  const std::string& path() const { return path_; }
  base::FileDescriptor open_it() const { return open_below("."); }
  base::FileDescriptor open_below(const std::string& name) const {
    return base::FileDescriptor(open((path_ + "/" + name).c_str(), O_PATH | O_CLOEXEC));
  }
  void folder(const std::string& name, uid_t owner) {
    std::filesystem::create_directory(path_ + "/" + name);
    EXPECT_EQ(chmod((path_ + "/" + name).c_str(), 0755), 0);
    if (running_as_root()) {
      EXPECT_EQ(chown((path_ + "/" + name).c_str(), owner, owner), 0);
    }
  }
  void write(const std::string& name, const std::string& text, mode_t mode = 0755) {
    std::ofstream(path_ + "/" + name) << text;
    EXPECT_EQ(chmod((path_ + "/" + name).c_str(), mode), 0);
  }
  // A script of /bin/sh.
  void shell(const std::string& name, const std::string& text) { write(name, "#!/bin/sh\n" + text); }

 private:
  std::string path_;
};

// Whoever opens the file waits meanwhile, as for one that lies in a file system that does not answer.
class Lease {
 public:
  explicit Lease(const std::string& file) : file_(open(file.c_str(), O_RDWR | O_CLOEXEC)) {
    signal(SIGIO, SIG_IGN);  // that somebody waits
    EXPECT_EQ(fcntl(file_.get(), F_SETLEASE, F_WRLCK), 0) << file;
  }

 private:
  base::FileDescriptor file_;
};

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    reading.reset(ends[0]);
    writing.reset(ends[1]);
  }
  // Until whoever writes has closed it.
  std::string read_all() {
    writing.reset();
    std::string text;
    char buffer[4096];
    for (ssize_t size; (size = read(reading.get(), buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<size_t>(size));
    }
    return text;
  }
  base::FileDescriptor reading, writing;
};

}  // namespace cutwater::supervise

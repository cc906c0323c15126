// Spooling: request bodies too large for memory go to a file that never has a name (O_TMPFILE, mode 0600) in a folder
// of the front's user alone, else to a memfd. What it may take is bounded by two budgets, the app's and the front's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "base/task.h"
#include "io/offload.h"

namespace cutwater::handler {

// Bytes that may be held at once. Loop thread only.
class SpoolBudget {
 public:
  explicit SpoolBudget(uint64_t limit) : limit_(limit) {}
  bool take(uint64_t bytes) {
    if (bytes > limit_ - used_) return false;
    used_ += bytes;
    return true;
  }
  void give_back(uint64_t bytes) { used_ -= bytes; }
  uint64_t used() const { return used_; }

 private:
  uint64_t limit_;
  uint64_t used_ = 0;
};

// What the bodies of one app, and those of all, may take together.
struct SpoolShares {
  uint64_t per_app = uint64_t{2} << 30;
  uint64_t total = uint64_t{4} << 30;
};
// Never less than a few bodies as long as limits.body allows: one alone must not be refused for want of room.
SpoolShares spool_shares(uint64_t body_limit);

// Where spool files are made; one per front.
struct SpoolArea {
  io::Offload& offload;
  std::string directory;  // as find_spool_directory() says
  SpoolShares shares{};
  SpoolBudget total{shares.total};
  SpoolBudget answers{shares.total / 2};  // so that slow readers leave room for uploads
};

// "cutwater-<uid>", a folder of mode 0700, in $TMPDIR, /var/tmp or /tmp: the first where this user can have it. "" when
// nowhere: bodies then stay in memory.
std::string find_spool_directory();
// Why it is not in $TMPDIR: "/mnt/cutwater-33: No such file or directory"; "" when it is, or that is not set.
std::string why_not_in_tmpdir();

enum class SpoolStatus { kWritten, kOverBudget, kNoSpace, kFailed };
SpoolStatus status_of_write(int error);  // an errno; 0: none

// For offload threads, as they wait for the disk. A file without a name there, to read and to write; not valid: errno
// says why.
base::FileDescriptor open_spool_file(const std::string& directory);
// 0, or an errno.
int write_all(int file, std::string_view bytes, uint64_t offset);

// Reads a spooled body again.
class SpoolReader {
 public:
  SpoolReader(io::Offload& offload, std::shared_ptr<base::FileDescriptor> file)
      : offload_(offload), file_(std::move(file)) {}

  // On an offload thread. Fewer than `length` bytes: the file ends there, or was lost with its disk.
  base::Task<std::string> read(uint64_t offset, size_t length);

 private:
  io::Offload& offload_;
  std::shared_ptr<base::FileDescriptor> file_;  // shared with a read that outlives a cancelled request
};

class SpoolFile {
 public:
  // Both outlive the file.
  SpoolFile(SpoolArea& area, SpoolBudget& app_budget) : area_(area), app_budget_(app_budget) {}
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  // Writes on an offload thread. Only one append at a time.
  base::Task<SpoolStatus> append(std::string bytes);
  uint64_t size() const { return size_; }
  // Of the append that failed, for a line of the log: "in /var/tmp/cutwater-33: No space left on device".
  std::string why() const;
  // A second descriptor that cannot write, positioned at 0: for the worker.
  base::Result<base::FileDescriptor> reopen_read_only() const;
  // By the file's own descriptor, once something was appended.
  SpoolReader reader() const { return {area_.offload, file_}; }

 private:
  SpoolArea& area_;
  SpoolBudget& app_budget_;
  std::shared_ptr<base::FileDescriptor> file_;  // shared with a write that outlives a cancelled request
  uint64_t size_ = 0;
  int error_ = 0;  // the last append's; 0: it went well, or was over a budget
};

// A memfd with `bytes`, for bodies that fit memory but not the queue. Sealed against writing.
base::Result<base::FileDescriptor> memory_file(std::string_view bytes);

}  // namespace cutwater::handler

#include "handler/spool_ring.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace cutwater::handler {

namespace {

// What the threads work on; owned by both sides, since the request may be gone before they are done.
struct Append {
  std::shared_ptr<base::FileDescriptor> file;
  std::string directory;
  std::string bytes;
  uint64_t offset;
  uint64_t end;  // of the ring: the rest goes to its beginning
  int error = 0;

  void run() {
    if (!file->valid()) *file = open_spool_file(directory);
    error = file->valid() ? write() : errno;
  }
  int write() const {
    const std::string_view first = std::string_view(bytes).substr(0, end - offset);
    if (const int failed = write_all(file->get(), first, offset)) return failed;
    return write_all(file->get(), std::string_view(bytes).substr(first.size()), 0);
  }
};

struct Taking {
  std::shared_ptr<base::FileDescriptor> file;
  uint64_t offset;
  std::string bytes;
  bool freed = false;  // the disk has the whole blocks again that end in what was read

  void run() {
    const ssize_t count = pread(file->get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
    const uint64_t begin = offset - offset % SpoolRing::kBlock;
    const uint64_t end = offset + bytes.size();
    const uint64_t length = end - end % SpoolRing::kBlock - begin;
    // Not every file system can: then the ring is written again as it is.
    freed = length > 0 && fallocate(file->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                                    static_cast<off_t>(length)) == 0;
  }
};

}  // namespace

bool SpoolRing::charge(uint64_t bytes) {
  if (!budget_.take(bytes)) return false;
  if (area_.total.take(bytes)) {
    charged_ += bytes;
    return true;
  }
  budget_.give_back(bytes);
  return false;
}

void SpoolRing::give_back(uint64_t bytes) {
  charged_ -= bytes;
  area_.total.give_back(bytes);
  budget_.give_back(bytes);
}

base::Task<SpoolStatus> SpoolRing::append(std::string bytes) {
  const uint64_t count = bytes.size();
  const uint64_t more = std::min(count, most_ - charged_);  // else it has been all over the ring already
  if (!charge(more)) co_return SpoolStatus::kOverBudget;
  if (!file_) file_ = std::make_shared<base::FileDescriptor>();
  auto job = std::make_shared<Append>();
  job->file = file_;
  job->directory = area_.directory;
  job->bytes = std::move(bytes);
  job->offset = written_ % most_;
  job->end = most_;
  auto writing = area_.offload.run([job] { job->run(); });
  co_await writing;
  if (job->error == 0) {
    written_ += count;
    co_return SpoolStatus::kWritten;
  }
  give_back(more);
  co_return status_of_write(job->error);
}

base::Task<std::string> SpoolRing::take(uint64_t most) {
  auto job = std::make_shared<Taking>();
  job->file = file_;
  job->offset = taken_ % most_;
  job->bytes.resize(std::min({most, kept(), most_ - job->offset}));
  auto reading = area_.offload.run([job] { job->run(); });
  co_await reading;
  const uint64_t before = whole_blocks(taken_);
  taken_ += job->bytes.size();
  if (job->freed) give_back(std::min(charged_, whole_blocks(taken_) - before));
  co_return std::move(job->bytes);
}

}  // namespace cutwater::handler

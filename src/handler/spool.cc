#include "handler/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace cutwater::handler {

namespace {

// Both errors mean that this file system knows no unnamed files (open(2)).
bool lacks_unnamed_files(int error) {
  return error == EOPNOTSUPP || error == EISDIR || error == EINVAL;
}

// Made when it is missing (a cleaner of old files may have been there). Its name can be guessed, so nothing is trusted
// that somebody else might have put in its place.
base::FileDescriptor open_private_folder(const std::string& path) {
  const int missing_because = mkdir(path.c_str(), 0700) == 0 ? 0 : errno;
  base::FileDescriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status;
  if (!folder.valid() || fstat(folder.get(), &status) != 0) {
    if (errno == ENOENT && missing_because != 0) errno = missing_because;
    return base::FileDescriptor();
  }
  if (status.st_uid == geteuid() && (status.st_mode & 0777) == 0700) return folder;
  errno = EACCES;
  return base::FileDescriptor();
}

std::string tmpdir() {
  const char* folder = getenv("TMPDIR");
  return folder ? folder : "";
}

std::string private_folder_in(const std::string& parent) {
  return parent + "/cutwater-" + std::to_string(geteuid());
}

// What an append's thread works on; owned by both sides, since the request may be gone before the write is.
struct Append {
  std::shared_ptr<base::FileDescriptor> file;
  std::string directory;
  std::string bytes;
  uint64_t offset;
  int error = 0;

  void run() {
    if (!file->valid()) *file = open_spool_file(directory);
    error = file->valid() ? write_all(file->get(), bytes, offset) : errno;
  }
};

// Owned by both sides, as an Append is.
struct Reading {
  std::shared_ptr<base::FileDescriptor> file;
  uint64_t offset;
  std::string bytes;

  void run() {
    const ssize_t count = pread(file->get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  }
};

}  // namespace

base::FileDescriptor open_spool_file(const std::string& directory) {
  if (directory.empty()) return base::FileDescriptor(memfd_create("cutwater-body", MFD_CLOEXEC));
  const base::FileDescriptor folder = open_private_folder(directory);
  if (!folder.valid()) return base::FileDescriptor();
  base::FileDescriptor file(openat(folder.get(), ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
  if (file.valid() || !lacks_unnamed_files(errno)) return file;
  std::string name = directory + "/body-XXXXXX";
  file.reset(mkostemp(name.data(), O_CLOEXEC));
  if (file.valid()) unlink(name.c_str());
  return file;
}

int write_all(int file, std::string_view bytes, uint64_t offset) {
  while (!bytes.empty()) {
    ssize_t count = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes.remove_prefix(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return 0;
}

SpoolStatus status_of_write(int error) {
  if (error == 0) return SpoolStatus::kWritten;
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return full ? SpoolStatus::kNoSpace : SpoolStatus::kFailed;
}

std::string find_spool_directory() {
  for (const std::string& parent : {tmpdir(), std::string("/var/tmp"), std::string("/tmp")}) {
    if (!parent.starts_with('/')) continue;
    std::string folder = private_folder_in(parent);
    if (open_private_folder(folder).valid()) return folder;
  }
  return {};
}

std::string why_not_in_tmpdir() {
  const std::string parent = tmpdir();
  if (parent.empty()) return {};
  if (!parent.starts_with('/')) return parent + ": no absolute path";
  const std::string folder = private_folder_in(parent);
  if (open_private_folder(folder).valid()) return {};
  const int error = errno;
  struct stat status;
  const bool is_there = lstat(folder.c_str(), &status) == 0;
  if (is_there && status.st_uid != geteuid()) return folder + ": belongs to another user";
  if (is_there && S_ISLNK(status.st_mode)) return folder + ": is a link";
  if (is_there && error == EACCES) return folder + ": others may enter it";
  return folder + ": " + std::strerror(error);
}

SpoolShares spool_shares(uint64_t body_limit) {
  const SpoolShares least;
  return {std::max(least.per_app, 2 * body_limit), std::max(least.total, 4 * body_limit)};
}

SpoolFile::~SpoolFile() {
  area_.total.give_back(size_);
  app_budget_.give_back(size_);
}

base::Task<SpoolStatus> SpoolFile::append(std::string bytes) {
  const uint64_t count = bytes.size();
  error_ = 0;
  if (!app_budget_.take(count)) co_return SpoolStatus::kOverBudget;
  if (!area_.total.take(count)) {
    app_budget_.give_back(count);
    co_return SpoolStatus::kOverBudget;
  }
  if (!file_) file_ = std::make_shared<base::FileDescriptor>();
  auto job = std::make_shared<Append>();
  job->file = file_;
  job->directory = area_.directory;
  job->bytes = std::move(bytes);
  job->offset = size_;
  size_ += count;
  auto writing = area_.offload.run([job] { job->run(); });
  co_await writing;
  error_ = job->error;
  co_return status_of_write(error_);
}

std::string SpoolFile::why() const {
  if (error_ == 0) return "the uploads running now fill what they may take";
  const std::string place = area_.directory.empty() ? std::string("in memory") : "in " + area_.directory;
  return place + ": " + std::strerror(error_);
}

base::Result<base::FileDescriptor> SpoolFile::reopen_read_only() const {
  std::string path = "/proc/self/fd/" + std::to_string(file_ ? file_->get() : -1);
  base::FileDescriptor reader(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!reader.valid()) return base::system_error("cannot reopen a spooled body");
  return reader;
}

base::Task<std::string> SpoolReader::read(uint64_t offset, size_t length) {
  auto job = std::make_shared<Reading>();
  job->file = file_;
  job->offset = offset;
  job->bytes.resize(length);
  auto work = offload_.run([job] { job->run(); });
  co_await work;
  co_return std::move(job->bytes);
}

base::Result<base::FileDescriptor> memory_file(std::string_view bytes) {
  base::FileDescriptor file(memfd_create("cutwater-body", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return base::system_error("cannot hold a body in memory");
  if (int error = write_all(file.get(), bytes, 0)) return base::system_error("cannot hold a body in memory", error);
  fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return file;
}

}  // namespace cutwater::handler

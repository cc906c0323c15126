#include "handler/open_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "handler/file_sender.h"
#include "handler/mime_types.h"
#include "message/http_date.h"

namespace cutwater::handler {

namespace {

constexpr uint64_t kMostKept = 4096;    // bytes; a system call costs more than they do
constexpr int64_t kSettledSeconds = 2;  // longer than any file system's clock takes to move

uint64_t nanoseconds(int64_t seconds, int64_t more) {
  return static_cast<uint64_t>(seconds) * 1'000'000'000 + static_cast<uint64_t>(more);
}

}  // namespace

FileIdentity FileIdentity::of(const struct stat& status) {
  return {status.st_dev,         status.st_ino,          static_cast<uint64_t>(status.st_size),
          status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
          status.st_ctim.tv_nsec};
}

bool FileIdentity::is_settled(int64_t now_unix_seconds) const {
  const bool from_the_future = modified_seconds > now_unix_seconds;
  return now_unix_seconds - (from_the_future ? changed_seconds : modified_seconds) > kSettledSeconds;
}

OpenFile::OpenFile(base::FileDescriptor file, const FileIdentity& identity, int64_t now, std::string_view name,
                   std::string cache_control)
    : file_(std::move(file)),
      identity_(identity),
      settled_(identity.is_settled(now)),
      content_type_(content_type_of(name)),
      cache_control_(std::move(cache_control)) {
  etag_ = fmt::format("{}\"{:x}-{:x}-{:x}-{:x}\"", settled_ ? "" : "W/",
                      nanoseconds(identity.modified_seconds, identity.modified_nanoseconds), identity.size,
                      identity.inode, nanoseconds(identity.changed_seconds, identity.changed_nanoseconds));
  // Never later than the Date beside it (RFC 9110 section 8.8.2.1).
  last_modified_ = message::format_http_date(std::min(identity.modified_seconds, now));
  whole_.content_length = identity.size;
  whole_.headers.add("Content-Type", content_type_);
  whole_.headers.add("Accept-Ranges", "bytes");
  add_validators(whole_.headers);
  not_modified_.status = 304;
  add_validators(not_modified_.headers);
}

bool OpenFile::is_unchanged() const {
  struct stat status;
  return fstat(descriptor(), &status) == 0 && FileIdentity::of(status) == identity_;
}

std::string_view OpenFile::content(int64_t now_unix_seconds) {
  if (!content_.empty() || size() > kMostKept || !identity_.is_settled(now_unix_seconds)) return content_;
  content_.resize(size() + 1);  // one more: a file that grew is not taken for whole
  const CachedRead read = read_cached(descriptor(), 0, content_);
  const bool whole = read.outcome == CachedRead::kRead && read.count == size() && is_unchanged();
  content_.resize(whole ? read.count : 0);
  return content_;
}

void OpenFile::add_validators(message::Headers& headers) const {
  headers.add("ETag", etag_);
  headers.add("Last-Modified", last_modified_);
  headers.add("Cache-Control", cache_control_);
}

}  // namespace cutwater::handler

// OpenFile: an open static file with everything a response needs, made once: validators, Content-Type, the whole 200
// head. Counted, so that a file that was replaced still streams to those who began it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "message/conditional.h"
#include "message/response.h"

namespace cutwater::handler {

// What tells one content of a path from the next: the parts of its ETag.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified_seconds = 0;
  int64_t modified_nanoseconds = 0;
  int64_t changed_seconds = 0;  // of the inode: whoever sets the time of a file back does not set this
  int64_t changed_nanoseconds = 0;
  bool operator==(const FileIdentity&) const = default;

  static FileIdentity of(const struct stat& status);
  // Whether a further change would be seen in the file's time, as the last one is some seconds past.
  bool is_settled(int64_t now_unix_seconds) const;
};

class OpenFile {
 public:
  // `name` decides Content-Type; `cache_control` is the field's value. `now`, in Unix seconds: when `identity`
  // was read. A file that was changed just now has a weak ETag: a further change may leave its time and size as they
  // are, and a strong one never names other bytes (RFC 9110 section 8.8.1).
  OpenFile(base::FileDescriptor file, const FileIdentity& identity, int64_t now, std::string_view name,
           std::string cache_control);
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int descriptor() const { return file_.get(); }
  const FileIdentity& identity() const { return identity_; }
  bool settled() const { return settled_; }
  // Whether what would be sent is still what the ETag names. Nothing is asked where the content is kept; else fstat
  // costs 0.2 us, and nobody gets new bytes under an old tag while the entry is believed.
  bool is_current() const { return !content_.empty() || is_unchanged(); }
  uint64_t size() const { return identity_.size; }
  message::Validators validators() const { return {etag_, identity_.modified_seconds}; }
  std::string_view content_type() const { return content_type_; }
  std::string_view etag() const { return etag_; }
  std::string_view last_modified() const { return last_modified_; }
  const message::Response& whole() const { return whole_; }                // 200
  const message::Response& not_modified() const { return not_modified_; }  // 304
  // All of a small file, kept from its first reading on; empty: read it. What was changed in the last moments is never
  // kept: a further change may leave no trace in the file's time, and would not be seen.
  std::string_view content(int64_t now_unix_seconds);
  // Adds what 200, 206 and 304 share: ETag, Last-Modified, Cache-Control.
  void add_validators(message::Headers& headers) const;

 private:
  friend class FileReference;
  bool is_unchanged() const;

  base::FileDescriptor file_;
  FileIdentity identity_;
  bool settled_;
  std::string_view content_type_;
  std::string etag_;
  std::string last_modified_;
  std::string cache_control_;
  std::string content_;
  message::Response whole_;
  message::Response not_modified_;
  unsigned references_ = 0;
};

// One of the owners of an OpenFile. Loop thread only.
class FileReference {
 public:
  FileReference() = default;
  explicit FileReference(OpenFile* file) : file_(file) {
    if (file_) ++file_->references_;
  }
  FileReference(const FileReference& other) : FileReference(other.file_) {}
  FileReference(FileReference&& other) noexcept : file_(std::exchange(other.file_, nullptr)) {}
  FileReference& operator=(FileReference other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~FileReference() {
    if (file_ && --file_->references_ == 0) delete file_;
  }
  OpenFile* operator->() const { return file_; }
  OpenFile& operator*() const { return *file_; }
  explicit operator bool() const { return file_ != nullptr; }

 private:
  OpenFile* file_ = nullptr;
};

}  // namespace cutwater::handler

#include "handler/open_file.h"

#include <fmt/format.h>

#include "handler/mime_types.h"
#include "message/http_date.h"

namespace cutwater::handler {

FileIdentity FileIdentity::of(const struct stat& status) {
  return {status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size), status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec};
}

OpenFile::OpenFile(base::FileDescriptor file, const FileIdentity& identity, std::string_view name,
                   std::string cache_control)
    : file_(std::move(file)),
      identity_(identity),
      content_type_(content_type_of(name)),
      cache_control_(std::move(cache_control)) {
  auto modified = static_cast<uint64_t>(identity.modified_seconds) * 1'000'000'000 +
                  static_cast<uint64_t>(identity.modified_nanoseconds);
  etag_ = fmt::format("\"{:x}-{:x}-{:x}\"", modified, identity.size, identity.inode);
  last_modified_ = message::format_http_date(identity.modified_seconds);
  whole_.content_length = identity.size;
  whole_.headers.add("Content-Type", content_type_);
  whole_.headers.add("Accept-Ranges", "bytes");
  add_validators(whole_.headers);
  not_modified_.status = 304;
  add_validators(not_modified_.headers);
}

void OpenFile::add_validators(message::Headers& headers) const {
  headers.add("ETag", etag_);
  headers.add("Last-Modified", last_modified_);
  headers.add("Cache-Control", cache_control_);
}

}  // namespace cutwater::handler

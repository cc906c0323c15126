#include "handler/file_sender.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "base/file_descriptor.h"

namespace cutwater::handler {

namespace {

constexpr size_t kFirstPiece = 16 * 1024;        // copied, to share the head's packet
constexpr uint64_t kWindow = 1024 * 1024;        // looked at for coldness, then given to sendfile
constexpr uint64_t kProbeDistance = 128 * 1024;  // the kernel's read-ahead works in such steps

bool in_page_cache(int descriptor, uint64_t offset, uint64_t length) {
  char byte;
  for (uint64_t at = 0; at < length; at += kProbeDistance) {
    if (read_cached(descriptor, offset + at, {&byte, 1}).outcome == CachedRead::kMiss) return false;
  }
  return read_cached(descriptor, offset + length - 1, {&byte, 1}).outcome != CachedRead::kMiss;
}

// Brings a range into the page cache. Owns a duplicate of the descriptor: the response may end before it does.
struct WarmUp {
  base::FileDescriptor file;
  uint64_t offset;
  uint64_t length;

  void run() const {
    std::vector<char> scratch(static_cast<size_t>(std::min<uint64_t>(length, kProbeDistance)));
    uint64_t at = offset;
    while (at < offset + length) {
      size_t wanted = static_cast<size_t>(std::min<uint64_t>(scratch.size(), offset + length - at));
      ssize_t count = pread(file.get(), scratch.data(), wanted, static_cast<off_t>(at));
      if (count <= 0) return;
      at += static_cast<uint64_t>(count);
    }
  }
};

std::shared_ptr<WarmUp> warm_up(const FileRange& range) {
  auto job = std::make_shared<WarmUp>();
  job->file.reset(fcntl(range.descriptor, F_DUPFD_CLOEXEC, 0));
  job->offset = range.offset;
  job->length = range.length;
  return job;
}

}  // namespace

std::span<char> file_buffer() {
  static thread_local std::array<char, 64 * 1024> buffer;
  return buffer;
}

CachedRead read_cached(int descriptor, uint64_t offset, std::span<char> into) {
  iovec target{into.data(), into.size()};
  ssize_t count = preadv2(descriptor, &target, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  if (count < 0 && errno == EOPNOTSUPP) count = preadv(descriptor, &target, 1, static_cast<off_t>(offset));
  if (count >= 0) return {CachedRead::kRead, static_cast<size_t>(count)};
  return {errno == EAGAIN ? CachedRead::kMiss : CachedRead::kFailed};
}

base::Task<message::WriteStatus> send_file(message::ResponseWriter& writer, const message::Response& response,
                                           io::Offload& offload, FileRange range) {
  std::span<char> buffer = file_buffer();
  size_t wanted = range.length <= buffer.size() ? static_cast<size_t>(range.length) : kFirstPiece;
  CachedRead first = read_cached(range.descriptor, range.offset, buffer.first(wanted));
  if (first.outcome == CachedRead::kMiss || (first.outcome == CachedRead::kRead && first.count < wanted)) {
    FileRange cold{range.descriptor, range.offset, wanted};
    auto job = warm_up(cold);
    auto reading = offload.run([job] { job->run(); });
    co_await reading;
    first = read_cached(range.descriptor, range.offset, buffer.first(wanted));
  }
  const std::string_view piece(buffer.data(), first.count);
  auto status = co_await writer.head(response, piece, piece.size() == range.length);
  if (status != message::WriteStatus::kWritten || piece.size() == range.length) co_return status;
  FileRange rest{range.descriptor, range.offset + piece.size(), range.length - piece.size()};
  co_return co_await send_file_body(writer, offload, rest);
}

base::Task<message::WriteStatus> send_file_body(message::ResponseWriter& writer, io::Offload& offload,
                                                FileRange range) {
  while (range.length > 0) {
    FileRange window = range;
    window.length = std::min(range.length, kWindow);
    if (!in_page_cache(window.descriptor, window.offset, window.length)) {
      auto job = warm_up(window);
      auto reading = offload.run([job] { job->run(); });
      co_await reading;
    }
    auto status = co_await writer.file(window.descriptor, window.offset, window.length);
    if (status != message::WriteStatus::kWritten) co_return status;
    range.offset += window.length;
    range.length -= window.length;
  }
  co_return message::WriteStatus::kWritten;
}

}  // namespace cutwater::handler

#include "handler/file_body.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/file_descriptor.h"
#include "handler/file_sender.h"

namespace cutwater::handler {

using message::BodyPiece;
using message::BodyStatus;

namespace {

constexpr size_t kPiece = 32 * 1024;

// Owns a duplicate of the descriptor: the request may end before it does.
struct ColdRead {
  base::FileDescriptor file;
  uint64_t offset;
  std::string bytes;  // of the length that is wanted

  void run() {
    const ssize_t count = pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
  }
};

}  // namespace

base::Task<BodyPiece> FileBody::read() {
  if (left_ == 0) co_return BodyPiece{BodyStatus::kEnd, {}};
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(left_, kPiece));
  const std::span<char> buffer = file_buffer().first(wanted);
  const CachedRead cached = read_cached(descriptor_, offset_, buffer);
  BodyPiece piece{BodyStatus::kPiece, {buffer.data(), cached.count}};
  if (cached.outcome == CachedRead::kMiss) {
    auto job = std::make_shared<ColdRead>();
    job->file.reset(fcntl(descriptor_, F_DUPFD_CLOEXEC, 0));
    job->offset = offset_;
    job->bytes.resize(wanted);
    auto reading = offload_.run([job] { job->run(); });
    co_await reading;
    cold_ = std::move(job->bytes);
    piece.bytes = cold_;
  }
  if (piece.bytes.empty()) co_return BodyPiece{BodyStatus::kMalformed, {}};
  offset_ += piece.bytes.size();
  left_ -= piece.bytes.size();
  co_return piece;
}

}  // namespace cutwater::handler

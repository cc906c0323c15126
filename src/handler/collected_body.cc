#include "handler/collected_body.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace cutwater::handler {

using message::BodyPiece;
using message::BodyStatus;

namespace {

constexpr size_t kInMemory = 64 * 1024;
constexpr size_t kSpoolWrite = 256 * 1024;  // one hand-over to a thread
constexpr size_t kSpoolRead = 64 * 1024;

// What a thread reads into; owned by both sides, since the request may be gone before the read is.
struct SpoolRead {
  std::shared_ptr<base::FileDescriptor> file;
  uint64_t offset;
  std::string bytes;
  ssize_t count = 0;

  void run() { count = pread(file->get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); }
};

}  // namespace

base::Task<CollectedBody::Outcome> CollectedBody::collect() {
  Outcome outcome;
  while (true) {
    auto reading = source_.read();
    const BodyPiece piece = co_await reading;
    outcome.status = piece.status;
    if (piece.status != BodyStatus::kPiece) break;
    size_ += piece.bytes.size();
    memory_.append(piece.bytes);
    if (memory_.size() < (file_ ? kSpoolWrite : kInMemory + 1)) continue;
    auto flushing = flush();
    outcome.spool = co_await flushing;
    if (outcome.spool != SpoolStatus::kWritten) co_return outcome;
  }
  if (outcome.ok() && file_ && !memory_.empty()) {
    auto flushing = flush();
    outcome.spool = co_await flushing;
  }
  co_return outcome;
}

base::Task<SpoolStatus> CollectedBody::flush() {
  if (!file_) file_ = std::make_unique<SpoolFile>(area_, budget_);
  auto writing = file_->append(std::exchange(memory_, std::string()));
  const SpoolStatus status = co_await writing;
  if (status != SpoolStatus::kWritten || reader_) co_return status;
  auto reader = file_->reopen_read_only();
  if (!reader) co_return SpoolStatus::kFailed;
  reader_ = std::make_shared<base::FileDescriptor>(std::move(*reader));
  co_return status;
}

base::Task<BodyPiece> CollectedBody::read() {
  if (read_ == size_) co_return BodyPiece{BodyStatus::kEnd, {}};
  if (!reader_) {
    read_ = size_;
    co_return BodyPiece{BodyStatus::kPiece, memory_};
  }
  auto job = std::make_shared<SpoolRead>();
  job->file = reader_;
  job->offset = read_;
  job->bytes.resize(static_cast<size_t>(std::min<uint64_t>(kSpoolRead, size_ - read_)));
  auto work = area_.offload.run([job] { job->run(); });
  co_await work;
  // Nobody else knows the file: what it is short of was lost with the disk.
  if (job->count <= 0) co_return BodyPiece{BodyStatus::kDisconnected, {}};
  read_ += static_cast<uint64_t>(job->count);
  memory_.assign(job->bytes, 0, static_cast<size_t>(job->count));
  co_return BodyPiece{BodyStatus::kPiece, memory_};
}

}  // namespace cutwater::handler

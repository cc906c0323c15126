#include "handler/collected_body.h"

#include <sys/stat.h>
#include <algorithm>
#include <utility>

namespace cutwater::handler {

using message::BodyPiece;
using message::BodyStatus;

namespace {

constexpr size_t kInMemory = 64 * 1024;
constexpr size_t kSpoolWrite = 256 * 1024;  // one hand-over to a thread
constexpr size_t kSpoolRead = 64 * 1024;

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
    if (outcome.spool != SpoolStatus::kWritten) break;
  }
  if (outcome.status == BodyStatus::kEnd && file_ && !memory_.empty()) {
    auto flushing = flush();
    outcome.spool = co_await flushing;
  }
  if (outcome.spool != SpoolStatus::kWritten) outcome.why = file_->why();
  co_return outcome;
}

base::Task<SpoolStatus> CollectedBody::flush() {
  if (!file_) file_ = std::make_unique<SpoolFile>(area_, budget_);
  auto writing = file_->append(std::exchange(memory_, std::string()));
  const SpoolStatus status = co_await writing;
  if (status == SpoolStatus::kWritten && !reader_) reader_.emplace(file_->reader());
  co_return status;
}

base::Result<base::FileDescriptor> CollectedBody::as_file() const {
  if (!file_) return memory_file(memory_);
  auto file = file_->reopen_read_only();
  // It has no name. Whoever is given it, of whatever user, may open it again as /dev/stdin.
  if (file && fchmod(file->get(), 0444) != 0) return base::system_error("cannot lend a spooled body");
  return file;
}

base::Task<BodyPiece> CollectedBody::read() {
  if (read_ == size_) co_return BodyPiece{BodyStatus::kEnd, {}};
  if (!reader_) {
    read_ = size_;
    co_return BodyPiece{BodyStatus::kPiece, memory_};
  }
  auto reading = reader_->read(read_, static_cast<size_t>(std::min<uint64_t>(kSpoolRead, size_ - read_)));
  memory_ = co_await reading;
  // Nobody else knows the file: what it is short of was lost with the disk.
  if (memory_.empty()) co_return BodyPiece{BodyStatus::kDisconnected, {}};
  read_ += memory_.size();
  co_return BodyPiece{BodyStatus::kPiece, memory_};
}

}  // namespace cutwater::handler

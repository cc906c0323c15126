// CollectedBody: a request's body, taken in whole before anybody is asked to answer, and given out again: up to 64 KiB
// in memory, more in a spool file. For servers whose processes are too few to wait for slow clients, and for protocols
// that must say a body's length first.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "base/task.h"
#include "handler/spool.h"
#include "message/exchange.h"
#include "upstream/request_body.h"

namespace cutwater::handler {

class CollectedBody final : public upstream::CollectedSource {
 public:
  // All outlive the body.
  CollectedBody(message::BodySource& source, SpoolArea& area, SpoolBudget& budget)
      : source_(source), area_(area), budget_(budget) {}

  struct Outcome {
    message::BodyStatus status = message::BodyStatus::kEnd;  // kEnd, or what went wrong with the client
    SpoolStatus spool = SpoolStatus::kWritten;               // or with the spool file,
    std::string why{};                                       // as that says
    bool ok() const { return status == message::BodyStatus::kEnd && spool == SpoolStatus::kWritten; }
  };
  base::Task<Outcome> collect();
  uint64_t size() const { return size_; }
  // All of it as a file that is open for reading at its beginning; once, in place of read().
  base::Result<base::FileDescriptor> as_file() const;

  base::Task<message::BodyPiece> read() override;
  void rewind() override { read_ = 0; }

 private:
  base::Task<SpoolStatus> flush();

  message::BodySource& source_;
  SpoolArea& area_;
  SpoolBudget& budget_;
  std::string memory_;  // what is not in the file; while reading: the last piece of it
  std::unique_ptr<SpoolFile> file_;
  std::optional<SpoolReader> reader_;
  uint64_t size_ = 0;
  uint64_t read_ = 0;
};

}  // namespace cutwater::handler

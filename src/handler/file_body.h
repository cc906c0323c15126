// FileBody: the first bytes of a regular file as a source of pieces, without ever blocking the loop on a disk.
#pragma once

#include <cstdint>
#include <string>

#include "io/offload.h"
#include "message/exchange.h"

namespace cutwater::handler {

class FileBody final : public message::BodySource {
 public:
  // The descriptor stays open for as long as this lives. The offload outlives it.
  FileBody(int descriptor, uint64_t length, io::Offload& offload)
      : descriptor_(descriptor), left_(length), offload_(offload) {}

  // kMalformed: the file is shorter than that by now, or cannot be read.
  base::Task<message::BodyPiece> read() override;

 private:
  int descriptor_;
  uint64_t offset_ = 0;
  uint64_t left_;
  io::Offload& offload_;
  std::string cold_;  // the last piece, when it had to be waited for
};

}  // namespace cutwater::handler

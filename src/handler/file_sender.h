// Sends part of a regular file as a response body without ever blocking the loop on a disk: what is not in the page
// cache is read in by an offload thread first.
#pragma once

#include <cstdint>
#include <span>

#include "io/offload.h"
#include "message/exchange.h"

namespace cutwater::handler {

struct FileRange {
  int descriptor;
  uint64_t offset;
  uint64_t length;
};

// Reads up to `into.size()` bytes that are in the page cache. kMiss: they are not, ask read_cold.
struct CachedRead {
  enum Outcome { kRead, kMiss, kFailed } outcome;
  size_t count = 0;
};
CachedRead read_cached(int descriptor, uint64_t offset, std::span<char> into);

// The thread's buffer for file contents (64 KiB); what lies in it dies at the next co_await.
std::span<char> file_buffer();

// Head and file, the first bytes in one send with the head. The caller keeps the descriptor open until the end. A
// file that became shorter ends in a cut connection, never in padding (faults.md 57).
base::Task<message::WriteStatus> send_file(message::ResponseWriter& writer, const message::Response& response,
                                           io::Offload& offload, FileRange range);
// The same after the head was sent.
base::Task<message::WriteStatus> send_file_body(message::ResponseWriter& writer, io::Offload& offload, FileRange range);

}  // namespace cutwater::handler

// RequestBody: the complete body of the running request, wherever it lies: in the slot, in chunks of shared
// memory, or in a file of the front that is asked for when the application first reads. Read from front to
// end. A FastCGI filter has two: its standard input, and behind it, in the same place, its data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "link/request_record.h"
#include "link/worker_link.h"
#include "python/py_api.h"
#include "python/request_channel.h"

namespace cutwater::python {

class RequestBody {
 public:
  explicit RequestBody(RequestChannel& channel) : channel_(channel) {}

  // The bytes from `begins` to `ends`, or to the end of what there is.
  void begin(const link::Claim& claim, const link::RequestExtras& extras, uint64_t begins = 0,
             uint64_t ends = UINT64_MAX);
  void end();  // the claim is not used any more; reads give nothing

  uint64_t remaining() const { return position_ < end_ ? end_ - position_ : 0; }
  // The next bytes, at most `limit` (of what remains), as a new bytes object; nullptr with a Python
  // exception.
  PyObject* read(uint64_t limit);
  // Up to and with the next newline, at most `limit` bytes; b"" at the end.
  PyObject* read_line(uint64_t limit);

 private:
  // The contiguous bytes at the position, none at the end of the body; false with a Python exception. A file
  // is looked at through a window.
  bool peek(std::string_view& bytes);
  bool fill_window();
  // Takes `count` <= remaining() bytes out.
  PyObject* take(uint64_t count);
  bool copy(char* to, uint64_t count);
  // `to` gets `count` bytes of the file at `offset`, in one go without the GIL.
  bool read_file(char* to, uint64_t count, uint64_t offset);

  RequestChannel& channel_;
  std::vector<std::string_view> pieces_;  // inline body or chunks
  size_t piece_ = 0;                      // where the position is
  size_t piece_offset_ = 0;
  bool in_file_ = false;
  base::FileDescriptor file_;
  std::string window_;
  uint64_t window_begin_ = 0;
  uint64_t end_ = 0;
  uint64_t position_ = 0;
};

}  // namespace cutwater::python

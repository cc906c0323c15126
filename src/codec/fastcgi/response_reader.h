// ResponseReader: what a FastCGI application sends (specification sections 3 and 6): bytes in -> events. No I/O. Ids
// are those of the records; whose they are is the caller's to know.
//
//   STDOUT* and an empty one, STDERR* and perhaps an empty one, in any order; END_REQUEST
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "codec/fastcgi/record.h"

namespace cutwater::codec::fastcgi {

class ResponseReader {
 public:
  struct Event {
    enum Kind {
      kNeedMore,  // all is consumed
      kStdout,    // a piece of the answer
      kStderr,    // a piece for the log
      kEnd,       // the answer is complete, or was refused: `end`
      kMalformed  // `reason`: close. Every further call says the same
    } kind = kNeedMore;
    uint16_t request_id = 0;
    size_t consumed = 0;          // of `bytes`, with every kind
    std::string_view piece = {};  // a view into `bytes`, never empty
    EndRequest end = {};
    const char* reason = "";
  };
  // The next event. `bytes` is what was received and not consumed.
  Event next(std::string_view bytes);
  // Between two records: nothing was begun that is not complete.
  bool at_boundary() const { return header_.empty() && content_left_ == 0 && padding_left_ == 0; }

 private:
  Event take_header(std::string_view& bytes);
  Event take_content(std::string_view& bytes);
  Event take_end(std::string_view& bytes);
  void record_done();
  Event event(Event::Kind kind) const;
  Event malformed(const char* reason);

  std::string header_;  // of the current record, as far as it came
  RecordHeader record_;
  std::string end_;  // content of an END_REQUEST, as far as it came
  size_t content_left_ = 0;
  size_t padding_left_ = 0;
  const char* failure_ = nullptr;
};

}  // namespace cutwater::codec::fastcgi

// FastcgiRest: what comes of a FastCGI call when its caller has all of the answer already: what an application writes
// for the log while it goes on working, and END_REQUEST. Up to 64 KiB of a body that nobody reads are
// waited through; with more the call is over, and the connection to be closed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "codec/fastcgi/response_reader.h"
#include "upstream/call.h"

namespace cutwater::upstream {

class FastcgiRest final : public CallRest {
 public:
  struct Limits {
    uint64_t body;     // bytes that may still come, of a body that nobody waits for
    bool may_be_kept;  // the connection, when nothing follows
  };
  FastcgiRest(codec::fastcgi::ResponseReader reader, const Limits& limits)
      : reader_(std::move(reader)), limits_(limits) {}

  base::Task<Outcome> run(io::Loop& loop, io::Stream& stream, StderrSink& errors, base::Instant deadline) override;
  const char* reason() const override { return reason_; }
  bool went_on() const override { return went_on_; }

 private:
  std::optional<Outcome> take(std::string_view bytes, StderrSink& errors);
  Outcome take_end(const codec::fastcgi::EndRequest& end, std::string_view bytes);
  void drop(std::string_view piece);
  Outcome broken(const char* reason);

  codec::fastcgi::ResponseReader reader_;
  Limits limits_;
  uint64_t dropped_ = 0;
  bool went_on_ = false;
  const char* reason_ = "";
};

}  // namespace cutwater::upstream

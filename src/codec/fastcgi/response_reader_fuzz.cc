// Arbitrary bytes, whole and in pieces, must give the same events; consumed never passes the end; pieces are never
// empty.
#include <cstdlib>

#include "codec/fastcgi/response_reader.h"

namespace {

using Event = cutwater::codec::fastcgi::ResponseReader::Event;

std::string play(std::string_view bytes, size_t step) {
  cutwater::codec::fastcgi::ResponseReader reader;
  std::string log;
  Event::Kind last = Event::kNeedMore;
  uint16_t last_id = 0;
  while (!bytes.empty()) {
    std::string_view given = bytes.substr(0, step);
    bytes.remove_prefix(given.size());
    for (;;) {
      const Event event = reader.next(given);
      if (event.consumed > given.size()) std::abort();
      given.remove_prefix(event.consumed);
      if (event.kind == Event::kMalformed) return log + "malformed: " + event.reason;
      if (event.kind == Event::kNeedMore) break;
      const bool piece = event.kind != Event::kEnd;
      if (piece == event.piece.empty()) std::abort();
      if (!piece || event.kind != last || event.request_id != last_id)
        log += std::to_string(event.kind) + "," + std::to_string(event.request_id) + ";";
      log += event.piece;
      last = event.kind;
      last_id = event.request_id;
    }
    if (!given.empty()) std::abort();
  }
  return log + (reader.at_boundary() ? "." : "...");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (play(bytes, size + 1) != play(bytes, 1 + size % 13)) std::abort();
  return 0;
}

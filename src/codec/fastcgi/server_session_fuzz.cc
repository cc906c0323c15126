// Arbitrary bytes, whole and in pieces, must give the same events; consumed never passes the end; pieces are never
// empty.
#include <cstdlib>

#include "codec/fastcgi/server_session.h"

namespace {

using cutwater::codec::fastcgi::ServerSession;
using Event = ServerSession::Event;

std::string play(std::string_view bytes, size_t step, std::string& replies) {
  cutwater::codec::fastcgi::SessionLimits limits;
  limits.requests = 3;
  ServerSession session(limits);
  std::string log, buffer;
  Event::Kind last = Event::kNeedMore;
  uint16_t last_id = 0;
  while (!bytes.empty()) {
    buffer += bytes.substr(0, step);
    bytes.remove_prefix(std::min(step, bytes.size()));
    for (;;) {
      const Event event = session.next(buffer, replies);
      if (event.consumed > buffer.size()) std::abort();
      if (event.kind == Event::kMalformed) return log + "malformed";
      if (event.kind != Event::kNeedMore) {
        const bool piece = event.kind == Event::kStdin || event.kind == Event::kData;
        if (piece == event.piece.empty()) std::abort();
        if (!piece || event.kind != last || event.request_id != last_id)
          log += std::to_string(event.kind) + "," + std::to_string(event.request_id) + ";";
        log += event.piece;
        last = event.kind;
        last_id = event.request_id;
        if (event.kind == Event::kRequest) {
          for (const auto& variable : session.variables(event.request_id)) log += variable.name, log += variable.value;
        }
        const bool refused = event.kind == Event::kRefused;
        if (refused && !session.variables(event.request_id).empty()) std::abort();
        if (refused || event.kind == Event::kDataEnd || event.kind == Event::kAbort)
          session.end_request(event.request_id);
      }
      buffer.erase(0, event.consumed);
      if (event.kind == Event::kNeedMore) break;
    }
  }
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::string whole_replies, piecewise_replies;
  const std::string whole = play(bytes, size + 1, whole_replies);
  const std::string piecewise = play(bytes, 1 + size % 13, piecewise_replies);
  if (whole != piecewise || whole_replies != piecewise_replies) std::abort();
  return 0;
}

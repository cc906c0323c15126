// What we ask a FastCGI application, a web server's session reads as it was: variables and body, of any bytes.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/byte_reader.h"
#include "codec/fastcgi/request_encoder.h"
#include "codec/fastcgi/server_session.h"

namespace {

using namespace cutwater::codec;
using fastcgi::ServerSession;

// A length of one byte, or of two times 16 behind 255: records are long.
std::string_view next_text(cutwater::base::ByteReader& reader, std::string& longer) {
  const size_t length = reader.integer<uint8_t>();
  if (length < 255) return reader.bytes(length);
  longer.assign(size_t{reader.integer<uint16_t>()} * 16, 'x');
  return longer;
}

void check(std::string_view bytes, const Variables& asked, std::string_view body) {
  fastcgi::SessionLimits limits;
  limits.variables = {SIZE_MAX, SIZE_MAX};
  ServerSession session(limits);
  std::string replies, read_body;
  bool ended = false;
  for (;;) {
    const ServerSession::Event event = session.next(bytes, replies);
    bytes.remove_prefix(event.consumed);
    if (event.kind == ServerSession::Event::kNeedMore) break;
    if (event.kind == ServerSession::Event::kMalformed || ended) std::abort();
    if (event.kind == ServerSession::Event::kStdin) read_body += event.piece;
    ended = event.kind == ServerSession::Event::kStdinEnd;
  }
  if (!bytes.empty() || !replies.empty() || !ended || read_body != body) std::abort();
  const Variables& read = session.variables(1);
  if (read.size() != asked.size()) std::abort();
  for (size_t i = 0; i < read.size(); ++i) {
    if (read[i].name != asked[i].name || read[i].value != asked[i].value) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cutwater::base::ByteReader reader({reinterpret_cast<const char*>(data), size});
  std::string long_body, memory[16];
  const std::string_view body = next_text(reader, long_body);
  Variables asked;
  for (size_t i = 0; i + 1 < std::size(memory) && !reader.rest().empty(); i += 2) {
    const std::string_view name = next_text(reader, memory[i]);
    asked.push_back({name, next_text(reader, memory[i + 1])});
  }
  std::string bytes;
  fastcgi::append_request(bytes, 1, fastcgi::Role::kResponder, true, asked);
  for (std::string_view rest = body; !rest.empty(); rest.remove_prefix(std::min(rest.size(), fastcgi::kLongestPiece))) {
    const std::string_view piece = rest.substr(0, fastcgi::kLongestPiece);
    fastcgi::append_header(bytes, fastcgi::RecordType::kStdin, 1, piece.size());
    bytes += piece;
  }
  fastcgi::append_header(bytes, fastcgi::RecordType::kStdin, 1, 0);
  check(bytes, asked, body);
  return 0;
}

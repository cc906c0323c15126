// What is complete is so in one piece only, and is written again as it was.
#include <cstdlib>

#include "codec/uwsgi/packet.h"

namespace uwsgi = cutwater::codec::uwsgi;
using uwsgi::PacketResult;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  cutwater::codec::Variables variables;
  const PacketResult whole = uwsgi::read_packet(bytes, {}, variables);
  if (whole.kind == PacketResult::kIncomplete && whole.needed <= size) std::abort();
  if (whole.kind != PacketResult::kComplete) return 0;
  cutwater::codec::Variables fewer;
  if (uwsgi::read_packet(bytes.substr(0, whole.consumed - 1), {}, fewer).kind != PacketResult::kIncomplete)
    std::abort();
  if (bytes.front() != 0) return 0;  // PATH_INFO may be another one
  std::string again;
  const auto modifier2 = static_cast<uint8_t>(bytes.substr(3, 1).front());
  if (!uwsgi::append_packet(again, 0, modifier2, variables) || again != bytes.substr(0, whole.consumed)) std::abort();
  return 0;
}

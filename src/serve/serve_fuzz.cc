// A whole connection: any bytes, cut anywhere, to a client that takes a little, stalls, fails or leaves. The
// input is a count, that many steps, and the bytes.
#include <cstdlib>

#include "serve/fault_play.h"

using cutwater::serve::fault::Play;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t count = static_cast<uint8_t>(input.front());
  const std::string_view steps = input.substr(1, count);
  const std::string_view bytes = input.substr(1 + steps.size());

  Play whole(bytes);
  if (!whole.end()) std::abort();

  Play cut(bytes);
  for (char step : steps) cut.quiet_step(static_cast<uint8_t>(step));
  if (!cut.end() || cut.answers() != whole.answers() || cut.handled() != whole.handled()) std::abort();

  Play broken(bytes);
  for (char step : steps) broken.step(static_cast<uint8_t>(step));
  if (!broken.end()) std::abort();
  return 0;
}

#include "serve/body_pace.h"

#include <algorithm>
#include <chrono>

namespace cutwater::serve {

base::Duration patience_with_body(const ServeOptions& options, uint64_t received, base::Duration waited) {
  if (options.body_min_rate == 0) return options.send_timeout;
  const double seconds = std::min(static_cast<double>(received) / static_cast<double>(options.body_min_rate), 1e9);
  const auto earned = std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
  return std::clamp(options.body_grace + earned - waited, base::Duration(0), options.body_grace);
}

}  // namespace cutwater::serve

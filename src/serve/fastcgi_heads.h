// When each request of a FastCGI connection began whose variables are not complete.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "codec/fastcgi/server_session.h"

namespace cutwater::serve {

class FastcgiHeads {
 public:
  // Those of `session` that are new began now; those that are complete are forgotten.
  void note(const codec::fastcgi::ServerSession& session, base::Instant now);
  void forget(uint16_t request_id) { began_.erase(request_id); }
  void clear() { began_.clear(); }
  bool empty() const { return began_.empty(); }
  // When the first of them began.
  std::optional<base::Instant> first() const;
  // Forgets those that began until `latest`, and says which.
  std::vector<uint16_t> take_until(base::Instant latest);

 private:
  std::map<uint16_t, base::Instant> began_;
};

}  // namespace cutwater::serve

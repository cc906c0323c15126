// Plain pages for answers that no application gives: status, reason and request id, nothing internal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "message/exchange.h"

namespace cutwater::handler {

// What there is to say beside the status, where one status has several reasons.
enum class Cause {
  kOfStatus,
  kUnreachable,    // the server behind could not be asked
  kNotUnderstood,  // it answered, with what cannot be passed on
  kFileChanged,    // what was to go to it could not be read to its end
};

// Answers with the page of `status` and, when `field` is not empty, one more header field (Allow, Retry-After ...).
// A response that has begun is cut instead. `field` and `value` must live until the task's end.
base::Task<void> answer_error(message::Exchange& exchange, uint16_t status, std::string_view field = {},
                              std::string_view value = {});

base::Task<void> answer_error(message::Exchange& exchange, uint16_t status, Cause cause);

std::string error_page(uint16_t status, uint64_t request_id, Cause cause = Cause::kOfStatus);

}  // namespace cutwater::handler

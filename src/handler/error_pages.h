// Plain pages for answers that no application gives: status, reason and request id, nothing internal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "message/exchange.h"

namespace cutwater::handler {

// Answers with the page of `status` and, when `field` is not empty, one more header field (Allow, Retry-After ...).
// A response that has begun is cut instead. `field` and `value` must live until the task's end.
base::Task<void> answer_error(message::Exchange& exchange, uint16_t status, std::string_view field = {},
                              std::string_view value = {});

std::string error_page(uint16_t status, uint64_t request_id);

}  // namespace cutwater::handler

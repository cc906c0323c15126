// Answers to requests that go no further, by whoever asks others to answer: to what is no script, and to bodies that
// did not come as they should. `who` is the asker's name in the log: "upstream api".
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/task.h"
#include "handler/collected_body.h"
#include "handler/rate_limited_log.h"
#include "message/exchange.h"

namespace cutwater::handler {

struct Refuser {
  std::string_view who;
  RateLimitedLog& log;
  base::Instant now;
};

// What a client gets whose body did not come as it should.
uint16_t status_of_body(message::BodyStatus status);
// And for whose body there is no room.
uint16_t status_of_spool(SpoolStatus status);

// `status` as ScriptFolder::Found has it, `root` is its folder.
base::Task<void> refuse_script(message::Exchange& exchange, uint16_t status, Refuser refuser, std::string_view root);

base::Task<void> refuse_body(message::Exchange& exchange, CollectedBody::Outcome outcome, Refuser refuser);

}  // namespace cutwater::handler

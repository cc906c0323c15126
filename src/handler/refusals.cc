#include "handler/refusals.h"

#include <fmt/format.h>

#include <string>

#include "handler/error_pages.h"
#include "handler/gateway_request.h"

namespace cutwater::handler {

using message::BodyStatus;

uint16_t status_of_body(BodyStatus status) {
  switch (status) {
    case BodyStatus::kTooLarge:
      return 413;
    case BodyStatus::kTimedOut:
      return 408;
    default:
      return 400;
  }
}

uint16_t status_of_spool(SpoolStatus status) {
  switch (status) {
    case SpoolStatus::kNoSpace:
      return 507;
    case SpoolStatus::kOverBudget:
      return 503;
    default:
      return 500;
  }
}

base::Task<void> refuse_script(message::Exchange& exchange, uint16_t status, Refuser refuser, std::string_view root) {
  const message::Request& request = exchange.request;
  if (status == 403) {
    refuser.log.write(base::Severity::kError, "CW0401",
                      fmt::format("{}: {} cannot be looked for below {}; answered 403\n"
                                  "fix: let the user of the front enter the folders there",
                                  refuser.who, request.path, root),
                      refuser.now);
  }
  if (status == 503) {
    refuser.log.write(base::Severity::kError, "CW0703",
                      fmt::format("{}: no descriptor to look for {}; answered 503\n"
                                  "fix: raise the limit of open files (ulimit -n), or lower limits.connections",
                                  refuser.who, request.path),
                      refuser.now);
    auto answering = answer_error(exchange, status, "Retry-After", "10");
    co_await answering;
    co_return;
  }
  if (status != 301) {
    auto answering = answer_error(exchange, status);
    co_await answering;
    co_return;
  }
  std::string location = percent_encoded(request.path) + "/";
  if (!request.query.empty()) location.append("?").append(request.query);
  auto answering = answer_error(exchange, status, "Location", location);
  co_await answering;
}

base::Task<void> refuse_body(message::Exchange& exchange, CollectedBody::Outcome outcome, Refuser refuser) {
  if (outcome.status == BodyStatus::kDisconnected) co_return;
  if (outcome.spool == SpoolStatus::kWritten) {
    auto answering = answer_error(exchange, status_of_body(outcome.status));
    co_await answering;
    co_return;
  }
  const uint16_t status = status_of_spool(outcome.spool);
  refuser.log.write(base::Severity::kError, "CW0513",
                    fmt::format("{}: cannot spool a request body: {}; answered {}", refuser.who, outcome.why, status),
                    refuser.now, outcome.why);
  auto answering = answer_error(exchange, status, "Retry-After", "10");
  co_await answering;
}

}  // namespace cutwater::handler

#include "handler/error_pages.h"

#include <fmt/format.h>

namespace cutwater::handler {

namespace {

std::string_view explanation(uint16_t status) {
  switch (status) {
    case 400:
      return "The server could not understand the request.";
    case 403:
      return "You may not see this.";
    case 404:
      return "There is nothing at this address.";
    case 405:
      return "This address does not support that method.";
    case 408:
      return "The request took too long to arrive.";
    case 413:
      return "The request is larger than this server accepts.";
    case 416:
      return "The requested part lies outside the file.";
    case 500:
      return "The application failed while answering.";
    case 502:
      return "The application stopped while answering. Please try again.";
    case 503:
      return "The server is busy or starting. Please try again in a moment.";
    case 504:
      return "The application took too long to answer.";
    case 507:
      return "The server has no room for this upload.";
    default:
      return "The request could not be answered.";
  }
}

std::string_view explanation(uint16_t status, Cause cause) {
  switch (cause) {
    case Cause::kUnreachable:
      return status == 504 ? "The application could not be reached in time. Please try again in a moment."
                           : "The application cannot be reached. Please try again in a moment.";
    case Cause::kNotUnderstood:
      return "The application gave an answer that cannot be passed on.";
    case Cause::kFileChanged:
      return "What was asked for changed while it was read. Please try again.";
    default:
      return explanation(status);
  }
}

base::Task<void> answer_page(message::Exchange& exchange, uint16_t status, Cause cause, std::string_view field,
                             std::string_view value) {
  if (exchange.response.head_sent()) {
    exchange.response.abort();
    co_return;
  }
  std::string page = error_page(status, exchange.id, cause);
  message::Response response;
  response.status = status;
  response.content_length = page.size();
  response.headers.add("Content-Type", "text/html; charset=utf-8");
  response.headers.add("Cache-Control", "no-store");
  if (!field.empty()) response.headers.add(field, value);
  co_await exchange.response.head(response, page, true);
}

}  // namespace

std::string error_page(uint16_t status, uint64_t request_id, Cause cause) {
  std::string_view reason = message::standard_reason(status);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{0} {1}</title></head>\n"
      "<body>\n<h1>{0} {1}</h1>\n<p>{2}</p>\n<p><small>request {3:08x}</small></p>\n</body>\n</html>\n",
      status, reason, explanation(status, cause), request_id);
}

base::Task<void> answer_error(message::Exchange& exchange, uint16_t status, std::string_view field,
                              std::string_view value) {
  return answer_page(exchange, status, Cause::kOfStatus, field, value);
}

base::Task<void> answer_error(message::Exchange& exchange, uint16_t status, Cause cause) {
  return answer_page(exchange, status, cause, {}, {});
}

}  // namespace cutwater::handler

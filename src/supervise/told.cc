#include "supervise/told.h"

#include <algorithm>

#include "control/messages.h"

namespace cutwater::supervise {
namespace {

bool is_code(std::string_view code) {
  return code.size() == 6 && code.starts_with("CW") &&
         std::all_of(code.begin() + 2, code.end(), [](char c) { return c >= '0' && c <= '9'; });
}

base::Severity severity_of(std::string_view name) {
  if (name == "error") return base::Severity::kError;
  return name == "warning" ? base::Severity::kWarning : base::Severity::kInfo;
}

}  // namespace

bool log_if_told(const control::Message& message, base::LogSink& log) {
  if (message.type() != control::Told::kType) return false;
  const auto told = control::decode<control::Told>(message.body);
  if (told) log.write(severity_of(told->severity), is_code(told->code) ? told->code : std::string(), told->text);
  return true;
}

}  // namespace cutwater::supervise

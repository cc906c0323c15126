// Where messages for the operator go. One problem is one message: "error[CW0312] what / where / why / fix".
#pragma once

#include <string_view>

namespace cutwater::base {

enum class Severity { kDebug, kInfo, kWarning, kError };

// Implementations escape control bytes and never block the caller.
class LogSink {
 public:
  virtual ~LogSink() = default;
  // `code` is "CW0312" or empty; `text` may hold several lines, the first says what happened.
  virtual void write(Severity severity, std::string_view code, std::string_view text) = 0;

  void info(std::string_view text) { write(Severity::kInfo, "", text); }
  void warning(std::string_view code, std::string_view text) { write(Severity::kWarning, code, text); }
  void error(std::string_view code, std::string_view text) { write(Severity::kError, code, text); }
};

}  // namespace cutwater::base

// Every code Cutwater prints, once: `cutwater help CODE` and docs/errors.md come from here. A code never changes its
// meaning and is never used again.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cutwater::config {

struct ErrorCode {
  std::string_view code;     // "CW0101"
  std::string_view title;    // what happened, a few words
  std::string_view meaning;  // why it happens
  std::string_view fix;      // what to do
};

std::span<const ErrorCode> error_codes();
const ErrorCode* find_error_code(std::string_view code);

// "fix: <the code's own>" when `text` of an error names none itself, else "". Every error says what to do.
std::string missing_fix(std::string_view code, std::string_view text);

}  // namespace cutwater::config

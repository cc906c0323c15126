// HTTP dates (RFC 9110 section 5.6.7), always in GMT; times are seconds since 1970-01-01T00:00:00Z.
//
//   IMF-fixdate  = "Sun, 06 Nov 1994 08:49:37 GMT"       what we write
//   obs-date     = "Sunday, 06-Nov-94 08:49:37 GMT"      read only
//                / "Sun Nov  6 08:49:37 1994"            read only
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cutwater::message {

inline constexpr size_t kHttpDateLength = 29;

// Appends an IMF-fixdate. Years past 9999 cannot be written and become the end of 9999, years before 0 its
// beginning.
void append_http_date(std::string& to, int64_t unix_seconds);
std::string format_http_date(int64_t unix_seconds);

// Strict: exact lengths, separators and case, a day that exists. `now` settles the century of two-digit
// years: more than 50 years ahead means the last century. nullopt on anything else; a condition with it
// counts as absent.
std::optional<int64_t> parse_http_date(std::string_view text, int64_t now);

}  // namespace cutwater::message

#include "config/value.h"

#include <array>

#include "base/text.h"

namespace cutwater::config {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr uint64_t kSecond = 1'000'000'000;
constexpr std::array<Unit, 7> kDurationUnits = {{{"y", 365 * 86400 * kSecond},
                                                 {"w", 7 * 86400 * kSecond},
                                                 {"d", 86400 * kSecond},
                                                 {"h", 3600 * kSecond},
                                                 {"m", 60 * kSecond},
                                                 {"s", kSecond},
                                                 {"ms", kSecond / 1000}}};
constexpr std::array<Unit, 5> kSizeUnits = {
    {{"TB", 1ULL << 40}, {"GB", 1ULL << 30}, {"MB", 1ULL << 20}, {"KB", 1ULL << 10}, {"B", 1}}};

// "1.5" x 1000 = 1500. Up to nine decimals, which must come out whole; nullopt on overflow.
std::optional<uint64_t> scaled_number(std::string_view number, uint64_t factor) {
  size_t point = number.find('.');
  auto whole = base::parse_decimal(number.substr(0, point));
  if (!whole || (*whole != 0 && factor > static_cast<uint64_t>(INT64_MAX) / *whole)) return std::nullopt;
  uint64_t result = *whole * factor;
  if (point == std::string_view::npos) return result;
  std::string_view digits = number.substr(point + 1);
  auto fraction = base::parse_decimal(digits);
  if (!fraction || digits.size() > 9) return std::nullopt;
  uint64_t divisor = 1;
  for (size_t i = 0; i < digits.size(); ++i) divisor *= 10;
  unsigned __int128 part = static_cast<unsigned __int128>(*fraction) * factor;
  if (part % divisor != 0) return std::nullopt;
  result += static_cast<uint64_t>(part / divisor);
  return result > static_cast<uint64_t>(INT64_MAX) ? std::nullopt : std::optional(result);
}

template <class Units>
std::optional<uint64_t> parse_with_unit(std::string_view text, const Units& units) {
  if (text == "0") return 0;
  size_t end = text.find_first_not_of("0123456789.");
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  for (const Unit& unit : units) {
    if (base::equals_ignoring_case(text.substr(end), unit.name)) {
      return scaled_number(text.substr(0, end), unit.factor);
    }
  }
  return std::nullopt;
}

template <class Units>
std::string with_unit(uint64_t number, const Units& units) {
  for (const Unit& unit : units) {
    if (number != 0 && number % unit.factor == 0) {
      return std::to_string(number / unit.factor) + std::string(unit.name);
    }
  }
  return std::to_string(number);
}

}  // namespace

std::optional<base::Duration> parse_duration(std::string_view text) {
  auto nanoseconds = parse_with_unit(text, kDurationUnits);
  if (!nanoseconds) return std::nullopt;
  return base::Duration(static_cast<int64_t>(*nanoseconds));
}

std::optional<uint64_t> parse_size(std::string_view text, bool per_second) {
  if (per_second && text.size() > 2 && text.substr(text.size() - 2) == "/s") text.remove_suffix(2);
  std::string plain(text);
  size_t binary = plain.find('i');
  if (binary != std::string::npos && binary + 2 == plain.size()) plain.erase(binary, 1);
  return parse_with_unit(plain, kSizeUnits);
}

std::optional<uint64_t> parse_octal_mode(std::string_view text) {
  if (text.empty() || text.size() > 4 || text.find_first_not_of("01234567") != std::string_view::npos) {
    return std::nullopt;
  }
  uint64_t mode = 0;
  for (char digit : text) mode = mode * 8 + static_cast<uint64_t>(digit - '0');
  return mode <= 0777 ? std::optional(mode) : std::nullopt;
}

std::string to_duration_text(base::Duration duration) {
  return with_unit(static_cast<uint64_t>(duration.count()), kDurationUnits);
}

std::string to_size_text(uint64_t bytes) {
  return with_unit(bytes, kSizeUnits);
}

TextList split_list(std::string_view text, char separator) {
  TextList parts;
  while (!text.empty()) {
    size_t end = text.find(separator);
    std::string_view part = base::trim_whitespace(text.substr(0, end));
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

}  // namespace cutwater::config

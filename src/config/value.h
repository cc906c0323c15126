// The words of a setting and what they mean: durations "30s", sizes "10MB", octal modes, counts. Text in, plain value
// out; says nothing about where the text came from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"

namespace cutwater::config {

using TextList = std::vector<std::string>;
using TextMap = std::map<std::string, std::string>;
// A server behind us.
struct Server {
  std::string address;  // "10.0.0.5:8000", "[::1]:80", "unix:/run/api.sock"
  unsigned weight = 1;
  bool is_url = false;  // written "http://...": it speaks HTTP
  bool operator==(const Server&) const = default;
};
using ServerList = std::vector<Server>;
// How many processes a pool has: between `min` and `max` as they are needed, `spare` of them with nothing to do.
struct ProcessCount {
  unsigned min = 0;
  unsigned max = 8;
  unsigned spare = 0;
  base::Duration idle = std::chrono::seconds(60);  // then one that is not needed ends
  bool operator==(const ProcessCount&) const = default;
};
// A count and a size are both the uint64_t; "auto" is 0.
using Value = std::variant<uint64_t, base::Duration, std::string, TextList, TextMap, ServerList, ProcessCount>;

// "500ms" "30s" "2m" "1h" "7d" "2w" "1y" (365 days), also "1.5s"; "0" needs no unit. Nothing else, no blanks.
std::optional<base::Duration> parse_duration(std::string_view text);

// "500B" "64KB" "10MB" "1GB" "1TB" and KiB... (both count 1024); "0" needs no unit. With `per_second`, "500B/s" too.
std::optional<uint64_t> parse_size(std::string_view text, bool per_second = false);

// "660" or "0660" -> 0660; at most 0777.
std::optional<uint64_t> parse_octal_mode(std::string_view text);

// The shortest text that parse_duration and parse_size read back as the same value.
std::string to_duration_text(base::Duration duration);
std::string to_size_text(uint64_t bytes);

// "a, b,c" -> a b c; empty parts are dropped.
TextList split_list(std::string_view text, char separator);

}  // namespace cutwater::config

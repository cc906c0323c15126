#include "message/target.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "message/grammar.h"

namespace cutwater::message {
namespace {

enum TargetByte : uint8_t {
  kRefused = 1,  // never in a target: blanks, control bytes, '#', bytes from 0x7f
  kEncoded = 2,  // '%'
  kSlash = 4,
  kDot = 8,
};

constexpr std::array<uint8_t, 256> make_target_table() {
  std::array<uint8_t, 256> table{};
  for (size_t byte = 0; byte < table.size(); ++byte) table[byte] = byte <= 0x20 || byte >= 0x7f ? kRefused : 0;
  table['#'] = kRefused;
  table['%'] = kEncoded;
  table['/'] = kSlash;
  table['.'] = kDot;
  return table;
}
constexpr std::array<uint8_t, 256> kTargetTable = make_target_table();

bool starts_ignoring_case(std::string_view text, std::string_view lower_prefix) {
  return base::equals_ignoring_case(text.substr(0, lower_prefix.size()), lower_prefix);
}

// Splits "/path?query" and notes whether the path needs decode_path. False: a byte that no target has.
bool split_path_and_query(std::string_view text, Target& target) {
  size_t mark = std::min(text.find('?'), text.size());
  target.path = text.substr(0, mark);
  target.query = text.substr(std::min(mark + 1, text.size()));
  unsigned in_path = 0;
  unsigned before = 0;
  bool dots_or_empty_segments = false;
  for (char c : target.path) {
    unsigned kind = kTargetTable[static_cast<unsigned char>(c)];
    in_path |= kind;
    dots_or_empty_segments |= (before & kSlash) != 0 && (kind & (kSlash | kDot)) != 0;
    before = kind;
  }
  unsigned in_query = 0;
  for (char c : target.query) in_query |= kTargetTable[static_cast<unsigned char>(c)];
  target.path_is_plain = (in_path & kEncoded) == 0 && !dots_or_empty_segments;
  return ((in_path | in_query) & kRefused) == 0;
}

std::optional<Target> split_absolute(std::string_view text) {
  if (starts_ignoring_case(text, "http://")) {
    text.remove_prefix(7);
  } else if (starts_ignoring_case(text, "https://")) {
    text.remove_prefix(8);
  } else {
    return std::nullopt;
  }
  Target target;
  target.form = TargetForm::kAbsolute;
  size_t end = std::min(text.find_first_of("/?"), text.size());
  target.authority = text.substr(0, end);
  if (target.authority.empty() || !split_path_and_query(text.substr(end), target)) return std::nullopt;
  if (target.path.empty()) target.path = "/";
  return target;
}

// Appends `segment`, which a '/' follows when `more`, to the path in `to` after `start`. That path ends with
// '/' between two calls.
void append_segment(std::string& to, size_t start, std::string_view segment, bool more) {
  if (segment.empty() || segment == ".") return;
  if (segment == "..") {
    if (to.size() > start + 1) to.resize(to.rfind('/', to.size() - 2) + 1);
    return;
  }
  to += segment;
  if (more) to += '/';
}

// In place over to[start..]: merges slashes and removes dot segments (RFC 3986 section 5.2.4; ".." at the
// root stays there). The result is never longer, so writing trails reading.
void remove_dot_segments(std::string& to, size_t start) {
  std::string decoded = to.substr(start);
  to.resize(start);
  to += '/';
  std::string_view rest(decoded);
  rest.remove_prefix(1);
  while (true) {
    size_t slash = rest.find('/');
    bool more = slash != std::string_view::npos;
    append_segment(to, start, rest.substr(0, slash), more);
    if (!more) return;
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace

std::optional<Target> split_target(std::string_view method, std::string_view target) {
  if (target.empty()) return std::nullopt;
  Target split;
  if (method == "CONNECT") {
    split.form = TargetForm::kAuthority;
    split.authority = target;
    return split;
  }
  if (target.front() == '/') {
    if (!split_path_and_query(target, split)) return std::nullopt;
    return split;
  }
  if (target == "*") {
    if (method != "OPTIONS") return std::nullopt;
    split.form = TargetForm::kAsterisk;
    split.path = target;
    return split;
  }
  return split_absolute(target);
}

DecodedPath decode_path(std::string_view raw, std::string& to) {
  DecodedPath result;
  if (raw.empty() || raw.front() != '/') {
    result.error = "path does not start with '/'";
    return result;
  }
  size_t start = to.size();
  for (size_t at = 0; at < raw.size(); ++at) {
    char c = raw[at];
    if (c == '%') {
      int high = at + 2 < raw.size() ? hex_value(raw[at + 1]) : -1;
      int low = high >= 0 ? hex_value(raw[at + 2]) : -1;
      if (low < 0) {
        result.error = "bad percent-encoding in path";
        return result;
      }
      c = static_cast<char>(high * 16 + low);
      at += 2;
      result.had_encoded_slash |= c == '/';
    }
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      result.error = "control byte in path";
      return result;
    }
    to += c;
  }
  remove_dot_segments(to, start);
  return result;
}

bool path_has_prefix(std::string_view path, std::string_view prefix) {
  if (!prefix.empty() && prefix.back() == '/') prefix.remove_suffix(1);
  if (path.substr(0, prefix.size()) != prefix) return false;
  return path.size() == prefix.size() || path[prefix.size()] == '/';
}

}  // namespace cutwater::message

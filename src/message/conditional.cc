#include "message/conditional.h"

#include <algorithm>

#include "base/text.h"
#include "message/http_date.h"

namespace cutwater::message {
namespace {

enum class Comparison { kStrong, kWeak };

//   entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE      etagc = %x21 / %x23-7E / obs-text
struct EntityTag {
  std::string_view opaque;
  bool weak = false;
};

// Takes one entity tag off the front of `rest`; nullopt and `rest` unchanged when there is none.
std::optional<EntityTag> take_entity_tag(std::string_view& rest) {
  EntityTag tag;
  std::string_view text = rest;
  if (text.substr(0, 2) == "W/") {
    tag.weak = true;
    text.remove_prefix(2);
  }
  if (text.empty() || text.front() != '"') return std::nullopt;
  text.remove_prefix(1);
  size_t close = text.find('"');
  if (close == std::string_view::npos) return std::nullopt;
  tag.opaque = text.substr(0, close);
  bool valid = std::none_of(tag.opaque.begin(), tag.opaque.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f;
  });
  if (!valid) return std::nullopt;
  rest = text.substr(close + 1);
  return tag;
}

bool matches(const EntityTag& left, const EntityTag& right, Comparison comparison) {
  if (comparison == Comparison::kStrong && (left.weak || right.weak)) return false;
  return left.opaque == right.opaque;
}

// Whether the list in one field's value holds `current`. A malformed list holds what stood before the fault.
bool list_holds(std::string_view list, const std::optional<EntityTag>& current, Comparison comparison) {
  if (base::trim_whitespace(list) == "*") return true;
  if (!current) return false;
  while (true) {
    size_t begin = list.find_first_not_of(" \t,");
    if (begin == std::string_view::npos) return false;
    list.remove_prefix(begin);
    std::optional<EntityTag> tag = take_entity_tag(list);
    if (!tag) return false;
    if (matches(*tag, *current, comparison)) return true;
    size_t next = list.find_first_not_of(" \t");
    if (next == std::string_view::npos || list[next] != ',') return false;
  }
}

std::optional<EntityTag> parse_entity_tag(std::string_view text) {
  std::optional<EntityTag> tag = take_entity_tag(text);
  return text.empty() ? tag : std::nullopt;
}

// nullopt: no such field. Else whether any of them holds the current tag.
std::optional<bool> any_field_holds(const Headers& headers, std::string_view name, std::string_view etag,
                                    Comparison comparison) {
  std::optional<bool> held;
  for (const HeaderField& field : headers) {
    if (!base::equals_ignoring_case(field.name, name)) continue;
    held = held.value_or(false) || list_holds(field.value, parse_entity_tag(etag), comparison);
  }
  return held;
}

// A date given twice, or not a date, is no condition at all.
std::optional<int64_t> single_date(const Headers& headers, std::string_view name, int64_t now) {
  if (headers.count(name) != 1) return std::nullopt;
  return parse_http_date(*headers.get(name), now);
}

// Most requests have none.
bool has_conditions(const Headers& headers) {
  return std::any_of(headers.begin(), headers.end(), [](const HeaderField& field) {
    return base::equals_ignoring_case(field.name.substr(0, 3), "If-");
  });
}

bool is_get_or_head(const Request& request) {
  return request.method == "GET" || request.method == "HEAD";
}

}  // namespace

Precondition evaluate_preconditions(const Request& request, const Validators& validators, int64_t now) {
  const Headers& headers = request.headers;
  if (!has_conditions(headers)) return Precondition::kProceed;
  if (auto held = any_field_holds(headers, "If-Match", validators.etag, Comparison::kStrong)) {
    if (!*held) return Precondition::kFailed;
  } else if (auto since = single_date(headers, "If-Unmodified-Since", now)) {
    if (validators.last_modified && *validators.last_modified > *since) return Precondition::kFailed;
  }
  if (auto held = any_field_holds(headers, "If-None-Match", validators.etag, Comparison::kWeak)) {
    if (*held) return is_get_or_head(request) ? Precondition::kNotModified : Precondition::kFailed;
  } else if (is_get_or_head(request)) {
    auto since = single_date(headers, "If-Modified-Since", now);
    if (since && validators.last_modified && *validators.last_modified <= *since) return Precondition::kNotModified;
  }
  return Precondition::kProceed;
}

bool if_range_allows(const Request& request, const Validators& validators, int64_t now) {
  size_t fields = request.headers.count("If-Range");
  if (fields == 0) return true;
  if (fields > 1) return false;
  std::string_view value = *request.headers.get("If-Range");
  if (std::optional<EntityTag> asked = parse_entity_tag(value)) {
    std::optional<EntityTag> current = parse_entity_tag(validators.etag);
    return current && matches(*asked, *current, Comparison::kStrong);
  }
  std::optional<int64_t> date = parse_http_date(value, now);
  // A file changed within this very second may change again without a new date: its date proves nothing
  // (8.8.2.2).
  return date && validators.last_modified == date && now > *date + 1;
}

}  // namespace cutwater::message

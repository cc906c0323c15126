#include "codec/fastcgi/values.h"

#include <optional>

#include "base/text.h"
#include "codec/fastcgi/name_value.h"
#include "codec/fastcgi/record.h"
#include "codec/fastcgi/request_encoder.h"

namespace cutwater::codec::fastcgi {
namespace {

constexpr std::string_view kMultiplexes = "FCGI_MPXS_CONNS";
constexpr std::string_view kMostRequests = "FCGI_MAX_REQS";
constexpr size_t kLongestAnswer = 8192;
constexpr size_t kMostValues = 64;
constexpr size_t kUnknownTypeBytes = 8;
// libfcgi reads on at the end of a record without padding, and answers only when something else has come.
constexpr size_t kPadding = 8;
constexpr size_t kPaddingLengthAt = 6;  // in a header

ValuesAnswer malformed() {
  ValuesAnswer answer;
  answer.kind = ValuesAnswer::kMalformed;
  return answer;
}

// False: it is no list of names and values, or a value is not what its name asks for.
bool read_values(std::string_view content, ValuesAnswer& answer) {
  Variables values;
  if (!read_pairs(content, kMostValues, values)) return false;
  for (const auto& [name, value] : values) {
    if (name == kMultiplexes) answer.multiplexes = value == "1";
    if (name != kMostRequests) continue;
    const std::optional<uint64_t> number = base::parse_decimal(value);
    if (!number) return false;
    answer.most_requests = *number;
  }
  return true;
}

}  // namespace

void append_get_values(std::string& to) {
  std::string names;
  append_pair(names, kMultiplexes, "");
  append_pair(names, kMostRequests, "");
  const size_t header = to.size();
  append_header(to, RecordType::kGetValues, kManagementId, names.size());
  to[header + kPaddingLengthAt] = static_cast<char>(kPadding);
  to += names;
  to.append(kPadding, '\0');
}

ValuesAnswer read_values_answer(std::string_view bytes) {
  const std::optional<RecordHeader> header = read_header(bytes);
  if (!header) return {};
  const auto type = static_cast<RecordType>(header->type);
  const bool unknown = type == RecordType::kUnknownType && header->content_length == kUnknownTypeBytes;
  const bool fits = unknown || (type == RecordType::kGetValuesResult && header->content_length <= kLongestAnswer);
  if (header->version != kVersion || header->request_id != kManagementId || !fits) return malformed();
  ValuesAnswer answer;
  const size_t whole = kHeaderBytes + header->content_length + header->padding_length;
  if (bytes.size() < whole) return answer;
  if (!unknown && !read_values(bytes.substr(kHeaderBytes, header->content_length), answer)) return malformed();
  answer.kind = ValuesAnswer::kAnswered;
  answer.consumed = whole;
  return answer;
}

}  // namespace cutwater::codec::fastcgi

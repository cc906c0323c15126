#include "codec/fastcgi/request_encoder.h"

#include "codec/fastcgi/name_value.h"

namespace cutwater::codec::fastcgi {

void append_request(std::string& to, uint16_t request_id, Role role, bool keep_connection, const Variables& variables) {
  constexpr size_t kOtherRecords = 64;  // before and behind the pairs, and the end of an input that is empty
  const size_t length = length_of_pairs(variables);
  to.reserve(to.size() + length + kOtherRecords);
  append_begin_request(to, request_id, role, keep_connection);
  if (length > 0 && length <= kMostContent) {
    append_header(to, RecordType::kParams, request_id, length);
    append_pairs(to, variables);
  } else {
    std::string pairs;
    append_pairs(pairs, variables);
    append_stream(to, RecordType::kParams, request_id, pairs);
  }
  append_header(to, RecordType::kParams, request_id, 0);
}

}  // namespace cutwater::codec::fastcgi

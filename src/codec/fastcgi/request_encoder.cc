#include "codec/fastcgi/request_encoder.h"

#include "codec/fastcgi/name_value.h"

namespace cutwater::codec::fastcgi {

void append_request(std::string& to, uint16_t request_id, Role role, bool keep_connection, const Variables& variables) {
  constexpr size_t kOtherRecords = 64;  // before and behind the pairs, and the end of an input that is empty
  size_t length = 0;
  for (const Variable& variable : variables) length += pair_length(variable.name, variable.value);
  to.reserve(to.size() + length + kOtherRecords);
  append_begin_request(to, request_id, role, keep_connection);
  const bool fits_in_one = length > 0 && length <= kMostContent;
  std::string apart;
  std::string& pairs = fits_in_one ? to : apart;
  if (fits_in_one) append_header(to, RecordType::kParams, request_id, length);
  for (const Variable& variable : variables) append_pair(pairs, variable.name, variable.value);
  append_stream(to, RecordType::kParams, request_id, apart);
  append_record(to, RecordType::kParams, request_id, {});
}

void append_header(std::string& to, RecordType type, uint16_t request_id, size_t content_length) {
  for (size_t byte : {size_t{kVersion}, static_cast<size_t>(type), size_t{request_id} >> 8, size_t{request_id},
                      content_length >> 8, content_length, size_t{0}, size_t{0}}) {
    to += static_cast<char>(byte & 0xff);
  }
}

}  // namespace cutwater::codec::fastcgi

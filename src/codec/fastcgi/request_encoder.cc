#include "codec/fastcgi/request_encoder.h"

#include "codec/fastcgi/name_value.h"

namespace cutwater::codec::fastcgi {

void append_request(std::string& to, uint16_t request_id, Role role, bool keep_connection, const Variables& variables) {
  constexpr size_t kMostLengths = 8;    // of a pair
  constexpr size_t kOtherRecords = 64;  // what stands before, between and behind the pairs, mostly
  size_t length = 0;
  for (const Variable& variable : variables) length += kMostLengths + variable.name.size() + variable.value.size();
  to.reserve(to.size() + length + kOtherRecords);
  append_begin_request(to, request_id, role, keep_connection);
  std::string pairs;
  pairs.reserve(length);
  for (const Variable& variable : variables) append_pair(pairs, variable.name, variable.value);
  append_stream(to, RecordType::kParams, request_id, pairs);
  append_record(to, RecordType::kParams, request_id, {});
}

void append_header(std::string& to, RecordType type, uint16_t request_id, size_t content_length) {
  for (size_t byte : {size_t{kVersion}, static_cast<size_t>(type), size_t{request_id} >> 8, size_t{request_id},
                      content_length >> 8, content_length, size_t{0}, size_t{0}}) {
    to += static_cast<char>(byte & 0xff);
  }
}

}  // namespace cutwater::codec::fastcgi

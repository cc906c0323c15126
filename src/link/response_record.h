// The response head as UpKind::kHead carries it (little-endian, no padding):
//
//   head:   u16 status | u8 has length | u8 zero | u64 content length | u16 reason length | reason | fields
//   fields: u16 count | (u16 name length | u32 value length | name | value) ...
//
// The front checks every byte of it as if a stranger had sent it: status 101 or 200..999, names are tokens,
// values and reason have no control bytes but tab (faults.md 77-79), and framing and connection fields
// (is_framing_field) are refused: framing belongs to the front.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/byte_reader.h"
#include "message/response.h"

namespace cutwater::link {

// Bytes written, 0 when `to` is too small or a length does not fit its field.
size_t encode_response(const message::Response& response, base::ByteWriter& to);
// What encode_response will write; 0 when a length does not fit its field.
size_t encoded_size(const message::Response& response);
// Views point into `record`, which the caller has copied out of shared memory first.
bool decode_response(std::string_view record, message::Response& response);

// The payload of kTrailers and kEarlyHints.
size_t encode_fields(const message::Headers& fields, base::ByteWriter& to);
bool decode_fields(std::string_view record, message::Headers& fields);

// Content-Length, Transfer-Encoding, Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade: never in
// a record.
bool is_framing_field(std::string_view name);

// The two parts of a kHead payload; nullopt when it is damaged. Views into `payload`.
struct HeadPayload {
  std::string_view record;
  std::string_view body;
};
std::optional<HeadPayload> split_head_payload(std::string_view payload);

// For the front: copies the record of a kHead payload (shared memory) into `storage`, checks and decodes it.
// `response` views `storage`; `body` still lies in the payload. False: damaged, answer 502.
bool read_head_payload(std::string_view payload, std::string& storage, message::Response& response,
                       std::string_view& body);

}  // namespace cutwater::link

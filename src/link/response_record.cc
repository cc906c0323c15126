#include "link/response_record.h"

#include <cstdint>

#include "base/text.h"
#include "message/grammar.h"

namespace cutwater::link {
namespace {

constexpr size_t kHeadBytes = 2 + 1 + 1 + 8 + 2;
constexpr size_t kFieldBytes = 2 + 4;

bool status_can_be(uint16_t status) {
  return status == 101 || (status >= 200 && status <= 999);
}

// 0 when a length does not fit its field.
size_t fields_size(const message::Headers& fields) {
  if (fields.size() > 0xffff) return 0;
  size_t size = sizeof(uint16_t);
  for (const message::HeaderField& field : fields) {
    if (field.name.size() > 0xffff || field.value.size() > 0xffffffff) return 0;
    size += kFieldBytes + field.name.size() + field.value.size();
  }
  return size;
}

void write_fields(const message::Headers& fields, base::ByteWriter& to) {
  to.integer(static_cast<uint16_t>(fields.size()));
  for (const message::HeaderField& field : fields) {
    to.integer(static_cast<uint16_t>(field.name.size()));
    to.integer(static_cast<uint32_t>(field.value.size()));
    to.bytes(field.name);
    to.bytes(field.value);
  }
}

bool read_fields(base::ByteReader& reader, message::Headers& fields) {
  fields.clear();
  auto count = reader.integer<uint16_t>();
  for (uint32_t index = 0; index < count; ++index) {
    auto name_length = reader.integer<uint16_t>();
    auto value_length = reader.integer<uint32_t>();
    std::string_view name = reader.bytes(name_length);
    std::string_view value = reader.bytes(value_length);
    if (reader.failed() || !message::valid_field(name, value) || is_framing_field(name)) return false;
    fields.add(name, value);
  }
  return !reader.failed() && reader.rest().empty();
}

}  // namespace

bool is_framing_field(std::string_view name) {
  switch (name.size()) {
    case 2:
      return base::equals_ignoring_case(name, "te");
    case 7:
      return base::equals_ignoring_case(name, "trailer") || base::equals_ignoring_case(name, "upgrade");
    case 10:
      return base::equals_ignoring_case(name, "connection") || base::equals_ignoring_case(name, "keep-alive");
    case 14:
      return base::equals_ignoring_case(name, "content-length");
    case 16:
      return base::equals_ignoring_case(name, "proxy-connection");
    case 17:
      return base::equals_ignoring_case(name, "transfer-encoding");
    default:
      return false;
  }
}

size_t encoded_size(const message::Response& response) {
  size_t fields = fields_size(response.headers);
  if (fields == 0 || response.reason.size() > 0xffff) return 0;
  return kHeadBytes + response.reason.size() + fields;
}

size_t encode_response(const message::Response& response, base::ByteWriter& to) {
  size_t size = encoded_size(response);
  if (size == 0) return 0;
  to.integer(response.status);
  to.integer(static_cast<uint8_t>(response.content_length.has_value()));
  to.integer(uint8_t{0});
  to.integer(response.content_length.value_or(0));
  to.integer(static_cast<uint16_t>(response.reason.size()));
  to.bytes(response.reason);
  write_fields(response.headers, to);
  return to.failed() ? 0 : size;
}

bool decode_response(std::string_view record, message::Response& response) {
  base::ByteReader reader(record);
  response.status = reader.integer<uint16_t>();
  auto has_length = reader.integer<uint8_t>();
  auto zero = reader.integer<uint8_t>();
  auto length = reader.integer<uint64_t>();
  response.reason = reader.bytes(reader.integer<uint16_t>());
  if (reader.failed() || !status_can_be(response.status) || has_length > 1 || zero != 0 ||
      !message::is_field_value(response.reason))
    return false;
  response.content_length.reset();
  if (has_length == 1) response.content_length = length;
  if (has_length == 0 && length != 0) return false;
  return read_fields(reader, response.headers);
}

size_t encode_fields(const message::Headers& fields, base::ByteWriter& to) {
  size_t size = fields_size(fields);
  if (size == 0) return 0;
  write_fields(fields, to);
  return to.failed() ? 0 : size;
}

bool decode_fields(std::string_view record, message::Headers& fields) {
  base::ByteReader reader(record);
  return read_fields(reader, fields);
}

std::optional<HeadPayload> split_head_payload(std::string_view payload) {
  base::ByteReader reader(payload);
  HeadPayload parts;
  parts.record = reader.bytes(reader.integer<uint32_t>());
  if (reader.failed()) return std::nullopt;
  parts.body = reader.rest();
  return parts;
}

bool read_head_payload(std::string_view payload, std::string& storage, message::Response& response,
                       std::string_view& body) {
  std::optional<HeadPayload> parts = split_head_payload(payload);
  if (!parts) return false;
  storage.assign(parts->record);
  body = parts->body;
  return decode_response(storage, response);
}

}  // namespace cutwater::link

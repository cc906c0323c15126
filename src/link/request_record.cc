#include "link/request_record.h"

#include <array>
#include <cstring>
#include <limits>

namespace cutwater::link {
namespace {

enum Flags : uint8_t {
  kEncodedSlash = 1,
  kExpectsContinue = 2,
  kKeepAlive = 4,
  kHasData = 8,
  kWebSocket = 16,
  kPlainAnswer = 32,
  kAllFlags = 63
};

struct Fixed {
  uint32_t total_bytes;
  uint8_t version_minor;
  uint8_t framing;
  uint8_t flags;
  uint8_t body_place;
  uint64_t content_length;
  uint64_t body_length;
  uint64_t exchange_id;
  uint16_t remote_port;
  uint16_t server_port;
  uint16_t field_count;
  uint16_t variable_count;
};
static_assert(sizeof(Fixed) == 40);

constexpr size_t kStrings = 9;
struct FieldLengths {
  uint32_t name;
  uint32_t value;
};

std::array<std::string_view, kStrings> strings_of(const message::Request& request, const RequestExtras& extras) {
  return {request.method,    request.raw_target,     request.path,        request.query,     request.scheme,
          request.authority, request.remote_address, request.server_name, extras.script_name};
}

size_t size_of(const message::Headers& fields) {
  size_t size = fields.size() * sizeof(FieldLengths);
  for (const message::HeaderField& field : fields) size += field.name.size() + field.value.size();
  return size;
}

size_t size_of(const std::array<std::string_view, kStrings>& strings, const message::Request& request) {
  size_t size = sizeof(Fixed) + kStrings * sizeof(uint32_t) + size_of(request.headers) + size_of(request.variables);
  for (std::string_view text : strings) size += text.size();
  return size;
}

// Appends without a check for each piece: the caller has made sure that all of it fits. Most pieces are
// short, and a call of memcpy costs more than their bytes.
class Appender {
 public:
  explicit Appender(char* to) : to_(to) {}
  template <class Value>
  void integer(const Value& value) {
    std::memcpy(to_, &value, sizeof value);
    to_ += sizeof value;
  }
  void bytes(std::string_view from) {
    size_t count = from.size();
    if (count >= 8 && count <= 32)
      copy_ends(from.data(), count);
    else if (count >= 8)
      std::memcpy(to_, from.data(), count);
    else if (count >= 4)
      copy_halves(from.data(), count);
    else
      for (size_t index = 0; index < count; ++index) to_[index] = from[index];
    to_ += count;
  }

 private:
  // 8 to 32 bytes as words from both ends, which may overlap.
  void copy_ends(const char* from, size_t count) {
    copy_word(from, 0);
    if (count > 16) {
      copy_word(from, 8);
      copy_word(from, count - 16);
    }
    copy_word(from, count - 8);
  }
  void copy_halves(const char* from, size_t count) {
    std::memcpy(to_, from, 4);
    std::memcpy(to_ + count - 4, from + count - 4, 4);
  }
  void copy_word(const char* from, size_t offset) { std::memcpy(to_ + offset, from + offset, 8); }
  char* to_;
};

struct Counts {
  uint16_t fields = 0;
  uint16_t variables = 0;
};

bool decode_fixed(base::ByteReader& reader, message::Request& request, RequestExtras& extras, Counts& counts) {
  auto fixed = reader.integer<Fixed>();
  if (reader.failed() || fixed.total_bytes != reader.rest().size() + sizeof fixed) return false;
  if (fixed.framing > static_cast<uint8_t>(message::BodyFraming::kChunked) || (fixed.flags & ~kAllFlags) != 0 ||
      fixed.body_place > static_cast<uint8_t>(BodyPlace::kStreamed))
    return false;
  request.version_minor = fixed.version_minor;
  request.framing = static_cast<message::BodyFraming>(fixed.framing);
  request.path_had_encoded_slash = (fixed.flags & kEncodedSlash) != 0;
  request.expects_continue = (fixed.flags & kExpectsContinue) != 0;
  request.wants_keep_alive = (fixed.flags & kKeepAlive) != 0;
  request.plain_answer = (fixed.flags & kPlainAnswer) != 0;
  request.content_length = fixed.content_length;
  request.remote_port = fixed.remote_port;
  request.server_port = fixed.server_port;
  extras.body_place = static_cast<BodyPlace>(fixed.body_place);
  extras.body_length = fixed.body_length;
  extras.exchange_id = fixed.exchange_id;
  extras.has_data = (fixed.flags & kHasData) != 0;
  extras.websocket = (fixed.flags & kWebSocket) != 0;
  counts = {fixed.field_count, fixed.variable_count};
  return true;
}

void decode_fields(base::ByteReader& reader, base::ByteReader& lengths, size_t count, message::Headers& fields) {
  fields.clear();
  for (size_t index = 0; index < count && !reader.failed(); ++index) {
    auto field = lengths.integer<FieldLengths>();
    std::string_view name = reader.bytes(field.name);
    fields.add(name, reader.bytes(field.value));
  }
}

}  // namespace

size_t encoded_size(const message::Request& request, const RequestExtras& extras) {
  return size_of(strings_of(request, extras), request);
}

size_t encode_request(const message::Request& request, const RequestExtras& extras, std::span<char> to) {
  auto strings = strings_of(request, extras);
  size_t total = size_of(strings, request);
  if (total > to.size() || total > std::numeric_limits<uint32_t>::max()) return 0;
  if (request.headers.size() > 0xffff || request.variables.size() > 0xffff) return 0;
  Fixed fixed{
      .total_bytes = static_cast<uint32_t>(total),
      .version_minor = request.version_minor,
      .framing = static_cast<uint8_t>(request.framing),
      .flags = static_cast<uint8_t>((request.path_had_encoded_slash ? kEncodedSlash : 0) |
                                    (request.expects_continue ? kExpectsContinue : 0) |
                                    (request.wants_keep_alive ? kKeepAlive : 0) | (extras.has_data ? kHasData : 0) |
                                    (extras.websocket ? kWebSocket : 0) | (request.plain_answer ? kPlainAnswer : 0)),
      .body_place = static_cast<uint8_t>(extras.body_place),
      .content_length = request.content_length,
      .body_length = extras.body_length,
      .exchange_id = extras.exchange_id,
      .remote_port = request.remote_port,
      .server_port = request.server_port,
      .field_count = static_cast<uint16_t>(request.headers.size()),
      .variable_count = static_cast<uint16_t>(request.variables.size()),
  };
  Appender append(to.data());
  append.integer(fixed);
  for (std::string_view text : strings) append.integer(static_cast<uint32_t>(text.size()));
  for (const message::Headers* fields : {&request.headers, &request.variables}) {
    for (const message::HeaderField& field : *fields)
      append.integer(FieldLengths{static_cast<uint32_t>(field.name.size()), static_cast<uint32_t>(field.value.size())});
  }
  for (std::string_view text : strings) append.bytes(text);
  for (const message::Headers* fields : {&request.headers, &request.variables}) {
    for (const message::HeaderField& field : *fields) {
      append.bytes(field.name);
      append.bytes(field.value);
    }
  }
  return total;
}

bool decode_request(std::string_view record, message::Request& request, RequestExtras& extras) {
  base::ByteReader reader(record);
  Counts counts;
  if (!decode_fixed(reader, request, extras, counts)) return false;
  base::ByteReader lengths(reader.bytes(kStrings * sizeof(uint32_t)));
  base::ByteReader field_lengths(reader.bytes((size_t{counts.fields} + counts.variables) * sizeof(FieldLengths)));
  std::string_view* strings[kStrings] = {&request.method,         &request.raw_target,  &request.path,
                                         &request.query,          &request.scheme,      &request.authority,
                                         &request.remote_address, &request.server_name, &extras.script_name};
  for (std::string_view* text : strings) *text = reader.bytes(lengths.integer<uint32_t>());
  decode_fields(reader, field_lengths, counts.fields, request.headers);
  decode_fields(reader, field_lengths, counts.variables, request.variables);
  return !reader.failed() && !lengths.failed() && !field_lengths.failed() && reader.rest().empty();
}

}  // namespace cutwater::link

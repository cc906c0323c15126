#include "codec/fastcgi/record.h"

#include <array>

#include "base/byte_reader.h"

namespace cutwater::codec::fastcgi {
namespace {

constexpr size_t kAlignment = 8;

uint16_t read_u16(base::ByteReader& reader) {
  const auto high = reader.integer<uint8_t>();
  const auto low = reader.integer<uint8_t>();
  return static_cast<uint16_t>(high << 8 | low);
}

uint32_t read_u32(base::ByteReader& reader) {
  const uint32_t high = read_u16(reader);
  return high << 16 | read_u16(reader);
}

constexpr char byte_of(size_t value) {
  return static_cast<char>(value & 0xff);
}

void append_padded(std::string& to, RecordType type, uint16_t request_id, size_t content_length, size_t padding) {
  const std::array<char, kHeaderBytes> header = {byte_of(kVersion),
                                                 byte_of(static_cast<size_t>(type)),
                                                 byte_of(size_t{request_id} >> 8),
                                                 byte_of(request_id),
                                                 byte_of(content_length >> 8),
                                                 byte_of(content_length),
                                                 byte_of(padding),
                                                 0};
  to.append(header.data(), header.size());
}

// One whose content is 8 bytes.
void append_short_record(std::string& to, RecordType type, uint16_t request_id, const std::array<char, 8>& content) {
  append_padded(to, type, request_id, content.size(), 0);
  to.append(content.data(), content.size());
}

}  // namespace

std::optional<RecordHeader> read_header(std::string_view bytes) {
  base::ByteReader reader(bytes);
  RecordHeader header;
  header.version = reader.integer<uint8_t>();
  header.type = reader.integer<uint8_t>();
  header.request_id = read_u16(reader);
  header.content_length = read_u16(reader);
  header.padding_length = reader.integer<uint8_t>();
  reader.bytes(1);
  if (reader.failed()) return std::nullopt;
  return header;
}

std::optional<BeginRequest> read_begin_request(std::string_view content) {
  base::ByteReader reader(content);
  BeginRequest begin;
  begin.role = read_u16(reader);
  constexpr uint8_t kKeepConnection = 1;
  begin.keep_connection = (reader.integer<uint8_t>() & kKeepConnection) != 0;
  reader.bytes(5);
  if (reader.failed() || !reader.rest().empty()) return std::nullopt;
  return begin;
}

std::optional<EndRequest> read_end_request(std::string_view content) {
  base::ByteReader reader(content);
  EndRequest end;
  end.application_status = read_u32(reader);
  const auto status = reader.integer<uint8_t>();
  reader.bytes(3);
  if (reader.failed() || !reader.rest().empty()) return std::nullopt;
  if (status > static_cast<uint8_t>(ProtocolStatus::kUnknownRole)) return std::nullopt;
  end.protocol_status = static_cast<ProtocolStatus>(status);
  return end;
}

void append_record(std::string& to, RecordType type, uint16_t request_id, std::string_view content) {
  content = content.substr(0, kMostContent);
  const size_t padding = (kAlignment - content.size() % kAlignment) % kAlignment;
  append_padded(to, type, request_id, content.size(), padding);
  to += content;
  to.append(padding, '\0');
}

void append_header(std::string& to, RecordType type, uint16_t request_id, size_t content_length) {
  append_padded(to, type, request_id, content_length, 0);
}

void append_stream(std::string& to, RecordType type, uint16_t request_id, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kLongestPiece);
    append_record(to, type, request_id, piece);
    bytes.remove_prefix(piece.size());
  }
}

void append_begin_request(std::string& to, uint16_t request_id, Role role, bool keep_connection) {
  const auto number = static_cast<size_t>(role);
  append_short_record(to, RecordType::kBeginRequest, request_id,
                      {byte_of(number >> 8), byte_of(number), byte_of(keep_connection ? 1 : 0)});
}

void append_end_request(std::string& to, uint16_t request_id, EndRequest end) {
  const size_t status = end.application_status;
  append_short_record(to, RecordType::kEndRequest, request_id,
                      {byte_of(status >> 24), byte_of(status >> 16), byte_of(status >> 8), byte_of(status),
                       byte_of(static_cast<size_t>(end.protocol_status))});
}

void append_unknown_type(std::string& to, uint8_t type) {
  append_short_record(to, RecordType::kUnknownType, kManagementId, {byte_of(type)});
}

}  // namespace cutwater::codec::fastcgi

#include "codec/fastcgi/record.h"

#include <algorithm>

#include "base/byte_reader.h"

namespace cutwater::codec::fastcgi {
namespace {

constexpr size_t kAlignment = 8;
// The longest content that is a multiple of 8: a long stream then needs no padding.
constexpr size_t kLongPiece = kMostContent - kMostContent % kAlignment;

uint16_t read_u16(base::ByteReader& reader) {
  const auto high = reader.integer<uint8_t>();
  const auto low = reader.integer<uint8_t>();
  return static_cast<uint16_t>(high << 8 | low);
}

uint32_t read_u32(base::ByteReader& reader) {
  const uint32_t high = read_u16(reader);
  return high << 16 | read_u16(reader);
}

void append_u8(std::string& to, unsigned value) {
  to += static_cast<char>(value & 0xff);
}
void append_u16(std::string& to, unsigned value) {
  append_u8(to, value >> 8);
  append_u8(to, value);
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
  append_u8(to, kVersion);
  append_u8(to, static_cast<uint8_t>(type));
  append_u16(to, request_id);
  append_u16(to, static_cast<unsigned>(content.size()));
  append_u8(to, static_cast<unsigned>(padding));
  append_u8(to, 0);
  to += content;
  to.append(padding, '\0');
}

void append_stream(std::string& to, RecordType type, uint16_t request_id, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kLongPiece);
    append_record(to, type, request_id, piece);
    bytes.remove_prefix(piece.size());
  }
}

void append_begin_request(std::string& to, uint16_t request_id, Role role, bool keep_connection) {
  std::string content;
  append_u16(content, static_cast<uint16_t>(role));
  append_u8(content, keep_connection ? 1 : 0);
  content.append(5, '\0');
  append_record(to, RecordType::kBeginRequest, request_id, content);
}

void append_end_request(std::string& to, uint16_t request_id, EndRequest end) {
  std::string content;
  append_u16(content, end.application_status >> 16);
  append_u16(content, end.application_status & 0xffff);
  append_u8(content, static_cast<uint8_t>(end.protocol_status));
  content.append(3, '\0');
  append_record(to, RecordType::kEndRequest, request_id, content);
}

void append_unknown_type(std::string& to, uint8_t type) {
  std::string content;
  append_u8(content, type);
  content.append(7, '\0');
  append_record(to, RecordType::kUnknownType, kManagementId, content);
}

}  // namespace cutwater::codec::fastcgi

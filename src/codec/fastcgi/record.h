// FastCGI 1.0 records (specification sections 3.3 and 8): 8 bytes of header, content, padding that means nothing.
//
//   u8 version = 1 | u8 type | u16 request id | u16 content length | u8 padding length | u8 reserved   (big-endian)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cutwater::codec::fastcgi {

inline constexpr size_t kHeaderBytes = 8;
inline constexpr size_t kMostContent = 65535;
// The longest content that is a multiple of 8, and so needs no padding.
inline constexpr size_t kLongestPiece = kMostContent - kMostContent % 8;
inline constexpr uint8_t kVersion = 1;
inline constexpr uint16_t kManagementId = 0;  // records of the connection itself

enum class RecordType : uint8_t {
  kBeginRequest = 1,
  kAbortRequest = 2,
  kEndRequest = 3,
  kParams = 4,
  kStdin = 5,
  kStdout = 6,
  kStderr = 7,
  kData = 8,
  kGetValues = 9,
  kGetValuesResult = 10,
  kUnknownType = 11,
};

enum class Role : uint16_t { kResponder = 1, kAuthorizer = 2, kFilter = 3 };

enum class ProtocolStatus : uint8_t {
  kRequestComplete = 0,
  kCannotMultiplex = 1,
  kOverloaded = 2,
  kUnknownRole = 3,
};

struct RecordHeader {
  uint8_t version = kVersion;
  uint8_t type = 0;  // a RecordType, or one we do not know
  uint16_t request_id = 0;
  uint16_t content_length = 0;
  uint8_t padding_length = 0;
};

// nullopt: fewer than 8 bytes.
std::optional<RecordHeader> read_header(std::string_view bytes);

struct BeginRequest {
  uint16_t role = 0;
  bool keep_connection = false;
};
// The 8 bytes of a BEGIN_REQUEST's content; nullopt: it has another length.
std::optional<BeginRequest> read_begin_request(std::string_view content);

struct EndRequest {
  uint32_t application_status = 0;
  ProtocolStatus protocol_status = ProtocolStatus::kRequestComplete;
};
// nullopt: another length, or a status that does not exist.
std::optional<EndRequest> read_end_request(std::string_view content);

// Whole records, padded to a multiple of 8. `content` is at most kMostContent bytes.
void append_record(std::string& to, RecordType type, uint16_t request_id, std::string_view content);
// The header of an unpadded record; `content_length` bytes follow, at most kMostContent.
void append_header(std::string& to, RecordType type, uint16_t request_id, size_t content_length);
// A stream of any length as one record after the other; nothing for an empty one. The record without content
// that ends a stream is append_record(to, type, id, {}).
void append_stream(std::string& to, RecordType type, uint16_t request_id, std::string_view bytes);
void append_begin_request(std::string& to, uint16_t request_id, Role role, bool keep_connection);
void append_end_request(std::string& to, uint16_t request_id, EndRequest end);
void append_unknown_type(std::string& to, uint8_t type);

}  // namespace cutwater::codec::fastcgi

// One line of the access log for one exchange, safe against injection: what a client sent is escaped (faults.md 43).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "message/request.h"
#include "serve/http_server.h"

namespace cutwater::handler {

enum class LogFormat { kCombined, kJson };

// The texts of one second, made anew only when it has passed.
struct LogTime {
  std::string combined;  // 10/Oct/2026:13:55:36 +0200, local time
  std::string rfc3339;   // 2026-10-10T11:55:36Z
};
LogTime make_log_time(int64_t unix_seconds);

struct LogRecord {
  const message::Request& request;  // with an empty method when the head was refused
  std::string_view connection_address;
  const serve::ExchangeObserver::Summary& summary;
  base::Duration duration{};  // from the first byte of the head to the last byte handed to the kernel; JSON says it
  size_t longest_field = std::string::npos;  // bytes of what a client sent: a longer one is cut, "..." says it
};

// Append one line with its newline.
//   combined = remote " - - [" time "] \"" request-line "\" " status " " bytes " \"" referer "\" \"" user-agent "\""
void append_combined(std::string& to, const LogTime& time, const LogRecord& record);
//   json = {"time":...,"id":...,"remote":...,"method":...,"target":...,"protocol":...,"status":...,"bytes":...,
//           "ms":...,"host":...,"scheme":...,"referer":...,"agent":...} and, where they apply, "peer", "refused",
//           "aborted". "id" is the request's as error pages and messages have it, unique within a front.
void append_json(std::string& to, const LogTime& time, const LogRecord& record);

// Appends a line of at most `limit` bytes: where it would have more its long fields are cut.
void append_line(std::string& to, LogFormat format, const LogTime& time, LogRecord record, size_t limit);

// As a JSON string with its quotes. Bytes that are not valid UTF-8 become \u00HH, their Latin-1 reading.
void append_json_string(std::string& to, std::string_view text);

// The status logged: 499 when the client left before an answer.
uint16_t logged_status(const serve::ExchangeObserver::Summary& summary);

}  // namespace cutwater::handler

#include "handler/log_line.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <iterator>

#include "base/text.h"

namespace cutwater::handler {

namespace {

constexpr uint16_t kClientLeft = 499;
constexpr std::string_view kCut = "...";

void append_escaped(std::string& to, std::string_view text, size_t longest) {
  const std::string_view start = base::leading_text(text, longest);
  base::append_log_escaped(to, start);
  if (start.size() < text.size()) to += kCut;
}

void append_or_dash(std::string& to, std::string_view text, size_t longest) {
  if (text.empty()) {
    to += '-';
  } else {
    append_escaped(to, text, longest);
  }
}

// The JSON escape of a character of several bytes that must not stand for itself, or "".
std::string escape_of(std::string_view character) {
  if (!base::must_be_escaped(character)) return "";
  if (character.size() == 2) return fmt::format("\\u00{:02x}", static_cast<unsigned char>(character[1]));
  const auto low_bits = [character](size_t index) { return static_cast<unsigned char>(character[index]) & 0x3fu; };
  return fmt::format("\\u2{:03x}", low_bits(1) << 6 | low_bits(2));  // all of them begin with the byte e2
}

void append_key(std::string& to, std::string_view key) {
  to += to.back() == '{' ? "\"" : ",\"";
  to.append(key).append("\":");
}

void append_text(std::string& to, std::string_view key, std::string_view value, size_t longest = std::string::npos) {
  append_key(to, key);
  const std::string_view start = base::leading_text(value, longest);
  append_json_string(to, start);
  if (start.size() == value.size()) return;
  to.pop_back();
  to.append(kCut) += '"';
}

void append_number(std::string& to, std::string_view key, uint64_t value) {
  append_key(to, key);
  base::append_decimal(to, value);
}

// Milliseconds with microseconds behind the point.
void append_milliseconds(std::string& to, base::Duration duration) {
  const int64_t microseconds = std::max<int64_t>(0, duration.count() / 1000);
  fmt::format_to(std::back_inserter(to), "{}.{:03}", microseconds / 1000, microseconds % 1000);
}

}  // namespace

uint16_t logged_status(const serve::ExchangeObserver::Summary& summary) {
  return summary.status == 0 ? kClientLeft : summary.status;
}

LogTime make_log_time(int64_t unix_seconds) {
  const auto moment = static_cast<time_t>(unix_seconds);
  tm local{};
  tm universal{};
  localtime_r(&moment, &local);
  gmtime_r(&moment, &universal);
  return {fmt::format("{:%d/%b/%Y:%H:%M:%S %z}", local), fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", universal)};
}

void append_combined(std::string& to, const LogTime& time, const LogRecord& record) {
  const message::Request& request = record.request;
  const size_t longest = record.longest_field;
  append_or_dash(to, request.remote_address.empty() ? record.connection_address : request.remote_address, longest);
  to.append(" - - [").append(time.combined).append("] \"");
  if (request.method.empty()) {
    to += '-';
  } else {
    append_escaped(to, request.method, longest);
    to += ' ';
    append_escaped(to, request.raw_target, longest);
    to.append(" HTTP/1.").append(1, static_cast<char>('0' + request.version_minor));
  }
  to += "\" ";
  base::append_decimal(to, logged_status(record.summary));
  to += ' ';
  if (record.summary.body_bytes_sent == 0) {
    to += '-';
  } else {
    base::append_decimal(to, record.summary.body_bytes_sent);
  }
  to += " \"";
  append_or_dash(to, request.headers.get("Referer").value_or(""), longest);
  to += "\" \"";
  append_or_dash(to, request.headers.get("User-Agent").value_or(""), longest);
  to += "\"\n";
}

void append_json_string(std::string& to, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const size_t length = base::utf8_length(text);
    if (byte == '"' || byte == '\\') {
      to += '\\';
      to += text.front();
    } else if (byte < 0x20 || byte == 0x7f || length == 0) {
      to += "\\u00";
      to += kHex[byte >> 4];
      to += kHex[byte & 15];
    } else if (const std::string escape = length > 1 ? escape_of(text.substr(0, length)) : ""; !escape.empty()) {
      to += escape;
    } else {
      to.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  to += '"';
}

void append_json(std::string& to, const LogTime& time, const LogRecord& record) {
  const message::Request& request = record.request;
  const size_t longest = record.longest_field;
  to += '{';
  append_text(to, "time", time.rfc3339);
  append_key(to, "id");
  fmt::format_to(std::back_inserter(to), "\"{:08x}\"", record.summary.id);
  append_text(to, "remote", request.remote_address.empty() ? record.connection_address : request.remote_address,
              longest);
  if (!request.remote_address.empty() && request.remote_address != record.connection_address) {
    append_text(to, "peer", record.connection_address);
  }
  if (!request.method.empty()) {
    append_text(to, "method", request.method, longest);
    append_text(to, "target", request.raw_target, longest);
    append_text(to, "protocol", request.version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1");
    append_text(to, "host", request.authority, longest);
    append_text(to, "scheme", request.scheme);
  }
  append_number(to, "status", logged_status(record.summary));
  append_number(to, "bytes", record.summary.body_bytes_sent);
  append_key(to, "ms");
  append_milliseconds(to, record.duration);
  if (auto referer = request.headers.get("Referer")) append_text(to, "referer", *referer, longest);
  if (auto agent = request.headers.get("User-Agent")) append_text(to, "agent", *agent, longest);
  if (record.summary.refused) append_text(to, "refused", record.summary.refused);
  if (record.summary.aborted) to += ",\"aborted\":true";
  to += "}\n";
}

void append_line(std::string& to, LogFormat format, const LogTime& time, LogRecord record, size_t limit) {
  const auto append = format == LogFormat::kJson ? append_json : append_combined;
  const size_t start = to.size();
  append(to, time, record);
  for (const size_t longest : {3500u, 1700u, 700u, 300u, 100u}) {  // the last: six fields, each byte of theirs escaped
    if (to.size() - start <= limit) return;
    to.resize(start);
    record.longest_field = longest;
    append(to, time, record);
  }
}

}  // namespace cutwater::handler

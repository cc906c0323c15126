#include "codec/fastcgi/response_reader.h"

namespace cutwater::codec::fastcgi {
namespace {

constexpr size_t kEndRequestBytes = 8;

std::string_view take(std::string_view& bytes, size_t most) {
  const std::string_view taken = bytes.substr(0, most);
  bytes.remove_prefix(taken.size());
  return taken;
}

}  // namespace

ResponseReader::Event ResponseReader::event(Event::Kind kind) const {
  Event found;
  found.kind = kind;
  found.request_id = record_.request_id;
  return found;
}

ResponseReader::Event ResponseReader::malformed(const char* reason) {
  failure_ = reason;
  Event found = event(Event::kMalformed);
  found.reason = reason;
  return found;
}

ResponseReader::Event ResponseReader::next(std::string_view bytes) {
  if (failure_ != nullptr) return malformed(failure_);
  const size_t before = bytes.size();
  Event found;
  while (!bytes.empty() && found.kind == Event::kNeedMore) {
    if (header_.size() < kHeaderBytes) {
      found = take_header(bytes);
    } else if (content_left_ > 0) {
      found = take_content(bytes);
    } else {
      padding_left_ -= take(bytes, padding_left_).size();
      if (padding_left_ == 0) header_.clear();
    }
  }
  found.consumed = before - bytes.size();
  return found;
}

// Empty content ends a stream; what counts is END_REQUEST. Some applications (Go's net/http/fcgi) end their answer to
// GET_VALUES in this way too.
ResponseReader::Event ResponseReader::take_header(std::string_view& bytes) {
  header_ += take(bytes, kHeaderBytes - header_.size());
  const auto read = read_header(header_);
  if (!read) return {};
  record_ = *read;
  if (record_.version != kVersion) return malformed("a record of another version than 1");
  const bool is_value = static_cast<RecordType>(record_.type) == RecordType::kGetValuesResult;
  const bool ends_values = is_value && record_.content_length == 0;
  if (record_.request_id == kManagementId && !ends_values)
    return malformed("a record for the connection, which was not asked for");
  content_left_ = record_.content_length;
  padding_left_ = record_.padding_length;
  end_.clear();
  switch (static_cast<RecordType>(record_.type)) {
    case RecordType::kStdout:
    case RecordType::kStderr:
      break;
    case RecordType::kGetValuesResult:
      if (record_.request_id != kManagementId) return malformed("an answer to GET_VALUES for a request");
      break;
    case RecordType::kEndRequest:
      if (content_left_ != kEndRequestBytes) return malformed("an END_REQUEST of another length than 8");
      break;
    default:
      return malformed("a record of a type that no application sends");
  }
  record_done();
  return {};
}

ResponseReader::Event ResponseReader::take_content(std::string_view& bytes) {
  if (static_cast<RecordType>(record_.type) == RecordType::kEndRequest) return take_end(bytes);
  Event found = event(static_cast<RecordType>(record_.type) == RecordType::kStdout ? Event::kStdout : Event::kStderr);
  found.piece = take(bytes, content_left_);
  content_left_ -= found.piece.size();
  record_done();
  return found;
}

ResponseReader::Event ResponseReader::take_end(std::string_view& bytes) {
  const std::string_view piece = take(bytes, content_left_);
  end_ += piece;
  content_left_ -= piece.size();
  if (content_left_ > 0) return {};
  const auto end = read_end_request(end_);
  if (!end) return malformed("an END_REQUEST whose status does not exist");
  Event found = event(Event::kEnd);
  found.end = *end;
  record_done();
  return found;
}

void ResponseReader::record_done() {
  if (content_left_ == 0 && padding_left_ == 0) header_.clear();
}

}  // namespace cutwater::codec::fastcgi

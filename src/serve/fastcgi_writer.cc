#include "serve/fastcgi_writer.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "codec/fastcgi/record.h"
#include "codec/http1/response_encoder.h"

namespace cutwater::serve {

using codec::fastcgi::RecordType;
using message::WriteStatus;

namespace {

constexpr size_t kFilePiece = 32 * 1024;
constexpr size_t kRecordHeaders = 1024;  // more than those of all records that output_buffer has room for

}  // namespace

base::Task<WriteStatus> FastcgiWriter::head(const message::Response& response, std::string_view first_piece,
                                            bool complete) {
  if (head_sent() || !writable()) return settle();
  has_body_ = request_.method != "HEAD" && message::status_allows_body(response.status);
  announced_left_ = response.content_length;
  std::optional<uint64_t> whole_body;
  if (complete && !announced_left_ && has_body_) whole_body = announced_left_ = first_piece.size();
  std::string bytes;
  codec::http1::append_gateway_head(bytes, response, codec::http1::StatusForm::kStatusField, whole_body);
  bytes += admit(first_piece);
  status_ = response.status;
  codec::fastcgi::append_stream(output_.staged(), RecordType::kStdout, request_id_, bytes);
  send_body({}, complete);
  return settle();
}

std::string_view FastcgiWriter::admit(std::string_view piece) {
  if (!has_body_) return {};
  if (announced_left_) {
    piece = piece.substr(0, std::min<uint64_t>(piece.size(), *announced_left_));
    *announced_left_ -= piece.size();
  }
  body_bytes_ += piece.size();
  return piece;
}

void FastcgiWriter::send_body(std::string_view piece, bool last) {
  codec::fastcgi::append_stream(output_.staged(), RecordType::kStdout, request_id_, piece);
  if (last) {
    finished_ = true;
    if (has_body_ && announced_left_.value_or(0) > 0) aborted_ = true;
  }
  output_.send();
}

base::Task<WriteStatus> FastcgiWriter::body(std::string_view piece, bool complete) {
  if (takes_body()) {
    piece = admit(piece);
    if (!piece.empty() || complete) send_body(piece, complete);
  }
  return settle();
}

base::Task<WriteStatus> FastcgiWriter::finish() {
  if (takes_body()) send_body({}, true);
  return settle();
}

// Copied: a record's bytes must follow its header, whoever else writes meanwhile. Whoever calls has brought the range
// into the page cache, as for the sendfile of HTTP.
base::Task<WriteStatus> FastcgiWriter::file(int descriptor, uint64_t offset, uint64_t length) {
  if (announced_left_) length = std::min(length, *announced_left_);
  std::string piece;
  WriteStatus status = writable() ? WriteStatus::kWritten : WriteStatus::kClientGone;
  while (length > 0 && has_body_ && takes_body()) {
    piece.resize(std::min<uint64_t>(length, kFilePiece));
    const ssize_t count = pread(descriptor, piece.data(), piece.size(), static_cast<off_t>(offset));
    if (count <= 0) {
      aborted_ = true;
      co_return WriteStatus::kClientGone;
    }
    piece.resize(static_cast<size_t>(count));
    offset += piece.size();
    length -= piece.size();
    auto writing = body(piece, false);
    status = co_await writing;
    if (status != WriteStatus::kWritten) break;
  }
  co_return status;
}

base::Task<WriteStatus> FastcgiWriter::settle() {
  if (!writable()) co_return WriteStatus::kClientGone;
  if (output_.pending() > options_.output_buffer) {
    auto waiting = room_.wait_for_room();
    if (!co_await waiting) co_return WriteStatus::kClientGone;
  }
  co_return writable() ? WriteStatus::kWritten : WriteStatus::kClientGone;
}

size_t FastcgiWriter::room() const {
  const size_t taken = output_.pending() + kRecordHeaders;
  return taken < options_.output_buffer ? options_.output_buffer - taken : 0;
}

bool FastcgiWriter::complete() const {
  if (!head_sent() || aborted_) return false;
  return finished_ || !has_body_ || (announced_left_ && *announced_left_ == 0);
}

}  // namespace cutwater::serve

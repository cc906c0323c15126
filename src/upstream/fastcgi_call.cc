#include "upstream/fastcgi_call.h"

#include <string>

namespace cutwater::upstream {

using codec::fastcgi::ProtocolStatus;
using codec::fastcgi::RecordType;
using codec::fastcgi::ResponseReader;

StreamFraming::StreamFraming(RecordType type) : type_(type) {
  codec::fastcgi::append_header(last_, type_, kFastcgiRequestId, 0);
}

void StreamFraming::append_start(std::string& to, size_t size) const {
  codec::fastcgi::append_header(to, type_, kFastcgiRequestId, size);
}

const StreamFraming& input_framing() {
  static const StreamFraming framing(RecordType::kStdin);
  return framing;
}

const StreamFraming& data_framing() {
  static const StreamFraming framing(RecordType::kData);
  return framing;
}

// What is known of the body goes out together with the head.
void FastcgiCall::begin(std::string head) {
  codec::fastcgi::append_stream(head, RecordType::kStdin, kFastcgiRequestId, body_.take_kept());
  const bool whole = body_.complete();
  if (whole) head += input_framing().last();
  upload_.begin(head, whole);
}

CgiCall::Output FastcgiCall::failed(CallStatus status, const char* reason) {
  broken(reason);
  Output output{Output::kFailed};
  output.failure = status;
  return output;
}

CgiCall::Output FastcgiCall::take_output(std::string_view& bytes) {
  while (true) {
    const ResponseReader::Event event = reader_.next(bytes);
    bytes.remove_prefix(event.consumed);
    if (event.kind == ResponseReader::Event::kNeedMore) return {};
    if (event.kind == ResponseReader::Event::kMalformed) return failed(CallStatus::kBroken, event.reason);
    if (event.request_id != kFastcgiRequestId)
      return failed(CallStatus::kBroken, "a record for a request that was not made");
    switch (event.kind) {
      case ResponseReader::Event::kStdout:
        return {Output::kPiece, event.piece};
      case ResponseReader::Event::kEnd:
        return take_end(event.end, bytes);
      default:
        errors_.on_stderr(event.piece);
    }
  }
}

CgiCall::Output FastcgiCall::take_end(const codec::fastcgi::EndRequest& end, std::string_view& bytes) {
  switch (end.protocol_status) {
    case ProtocolStatus::kOverloaded:
      return failed(CallStatus::kOverloaded, "it is overloaded");
    case ProtocolStatus::kCannotMultiplex:
      return failed(CallStatus::kCannotMultiplex, "it believes that another request runs on the connection");
    case ProtocolStatus::kUnknownRole:
      return failed(CallStatus::kBroken, "it does not know the role");
    case ProtocolStatus::kRequestComplete:
      break;
  }
  if (end.application_status != 0)
    return failed(CallStatus::kBroken, "the application ended with a status other than 0");
  const ResponseReader::Event padding = reader_.next(bytes);
  bytes.remove_prefix(padding.consumed);
  said_more_ = padding.kind != ResponseReader::Event::kNeedMore;
  return {Output::kEnd};
}

bool FastcgiCall::connection_reusable() const {
  return options_.keeps_connection && answer_complete() && nothing_left() && !said_more_ && reader_.at_boundary() &&
         request_complete();
}

}  // namespace cutwater::upstream

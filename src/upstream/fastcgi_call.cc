#include "upstream/fastcgi_call.h"

#include <string>
#include <utility>

#include "upstream/fastcgi_rest.h"

namespace cutwater::upstream {

using codec::fastcgi::ProtocolStatus;
using codec::fastcgi::RecordType;
using codec::fastcgi::ResponseReader;

const char* fault_of(const codec::fastcgi::EndRequest& end) {
  switch (end.protocol_status) {
    case ProtocolStatus::kOverloaded:
      return "it is overloaded";
    case ProtocolStatus::kCannotMultiplex:
      return "it believes that another request runs on the connection";
    case ProtocolStatus::kUnknownRole:
      return "it does not know the role";
    case ProtocolStatus::kRequestComplete:
      break;
  }
  return end.application_status == 0 ? nullptr : kApplicationFailed;
}

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
  const bool overloaded = end.protocol_status == ProtocolStatus::kOverloaded;
  const bool refused = end.protocol_status == ProtocolStatus::kCannotMultiplex;
  if (const char* fault = fault_of(end)) {
    return failed(overloaded ? CallStatus::kOverloaded
                  : refused  ? CallStatus::kCannotMultiplex
                             : CallStatus::kBroken,
                  fault);
  }
  const ResponseReader::Event padding = reader_.next(bytes);
  bytes.remove_prefix(padding.consumed);
  said_more_ = padding.kind != ResponseReader::Event::kNeedMore;
  return {Output::kEnd};
}

bool FastcgiCall::connection_reusable() const {
  return options_.keeps_connection && answer_complete() && nothing_left() && !said_more_ && reader_.at_boundary() &&
         request_complete();
}

std::unique_ptr<CallRest> FastcgiCall::leave() {
  const uint64_t left = left_of_body();
  const bool may_be_kept = options_.keeps_connection && request_complete();
  return std::make_unique<FastcgiRest>(std::move(reader_), FastcgiRest::Limits{left, may_be_kept});
}

}  // namespace cutwater::upstream

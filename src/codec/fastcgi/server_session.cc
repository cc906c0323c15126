#include "codec/fastcgi/server_session.h"

#include <algorithm>

#include "base/text.h"
#include "codec/fastcgi/name_value.h"

namespace cutwater::codec::fastcgi {
namespace {

constexpr size_t kLongestValuesRecord = 8192;
constexpr size_t kMostValues = 64;

// What a web server may send; everything else is answered UNKNOWN_TYPE.
bool known_type(uint8_t type) {
  switch (static_cast<RecordType>(type)) {
    case RecordType::kBeginRequest:
    case RecordType::kAbortRequest:
    case RecordType::kParams:
    case RecordType::kStdin:
    case RecordType::kData:
    case RecordType::kGetValues:
      return true;
    default:
      return false;
  }
}

bool is_stream(RecordType type) {
  return type == RecordType::kParams || type == RecordType::kStdin || type == RecordType::kData;
}

bool known_role(uint16_t role) {
  return role >= static_cast<uint16_t>(Role::kResponder) && role <= static_cast<uint16_t>(Role::kFilter);
}

}  // namespace

ServerSession::Event ServerSession::next(std::string_view bytes, std::string& replies) {
  if (failure_ != nullptr) return malformed(failure_);
  size_t consumed = 0;
  for (;;) {
    const bool in_record = record_.has_value();
    Event found = in_record ? take_record(bytes, replies) : begin_record(bytes);
    consumed += found.consumed;
    bytes.remove_prefix(found.consumed);
    const bool progress = found.consumed > 0 || record_.has_value() != in_record;
    if (found.kind == Event::kNeedMore && progress) continue;
    found.consumed = consumed;
    return found;
  }
}

ServerSession::Event ServerSession::begin_record(std::string_view bytes) {
  record_ = read_header(bytes);
  if (!record_) return event(Event::kNeedMore);
  if (record_->version != kVersion) return malformed("a record of another version than 1");
  const bool management = record_->request_id == kManagementId;
  if (known_type(record_->type) && management != (type() == RecordType::kGetValues))
    return malformed("a record whose type does not fit its request id");
  if (type() == RecordType::kGetValues && record_->content_length > kLongestValuesRecord)
    return malformed("GET_VALUES over 8 KiB");
  in_content_ = true;
  content_left_ = record_->content_length;
  padding_left_ = record_->padding_length;
  Event begun = event(Event::kNeedMore);
  begun.consumed = kHeaderBytes;
  return begun;
}

// Content, then padding. An event ends the call; what is left of the record is taken by the next one.
ServerSession::Event ServerSession::take_record(std::string_view bytes, std::string& replies) {
  Event found = event(Event::kNeedMore);
  if (in_content_) {
    found = take_content(bytes, replies);
    if (found.kind != Event::kNeedMore || in_content_) return found;
    bytes.remove_prefix(found.consumed);
  }
  const size_t skipped = std::min(padding_left_, bytes.size());
  padding_left_ -= skipped;
  found.consumed += skipped;
  if (padding_left_ == 0) record_.reset();
  return found;
}

ServerSession::Event ServerSession::take_content(std::string_view bytes, std::string& replies) {
  const bool piecewise = !known_type(record_->type) || is_stream(type());
  const size_t wanted = content_left_;
  if (piecewise ? (wanted > 0 && bytes.empty()) : bytes.size() < wanted) return event(Event::kNeedMore);
  const std::string_view content = bytes.substr(0, wanted);
  content_left_ -= content.size();
  in_content_ = content_left_ > 0;
  Event found = event(Event::kNeedMore);
  if (!known_type(record_->type)) {
    if (!in_content_) append_unknown_type(replies, record_->type);
  } else if (!piecewise) {
    found = take_whole(content, replies);
  } else {
    found = record_->content_length == 0 ? end_stream() : take_piece(content);
  }
  found.consumed = content.size();
  return found;
}

ServerSession::Event ServerSession::take_whole(std::string_view content, std::string& replies) {
  if (type() == RecordType::kBeginRequest) return take_begin(content, replies);
  if (type() == RecordType::kAbortRequest) return take_abort(replies);
  answer_values(content, replies);
  return event(Event::kNeedMore);
}

ServerSession::Event ServerSession::take_begin(std::string_view content, std::string& replies) {
  const std::optional<BeginRequest> begin = read_begin_request(content);
  if (!begin) return malformed("BEGIN_REQUEST of another length than 8");
  if (find() != nullptr) return malformed("BEGIN_REQUEST with the id of a request that runs");
  if (!known_role(begin->role)) {
    return turn_away(*begin, ProtocolStatus::kUnknownRole, "a role that FastCGI does not have", replies);
  } else if (requests_.size() >= limits_.requests) {
    const auto status = limits_.requests == 1 ? ProtocolStatus::kCannotMultiplex : ProtocolStatus::kOverloaded;
    return turn_away(*begin, status, "more requests at once on its connection than GET_VALUES told", replies);
  } else {
    Request& request = requests_[record_->request_id];
    request.role = static_cast<Role>(begin->role);
    request.keep_connection = begin->keep_connection;
  }
  return event(Event::kNeedMore);
}

ServerSession::Event ServerSession::turn_away(const BeginRequest& begin, ProtocolStatus status, const char* reason,
                                              std::string& replies) {
  append_end_request(replies, record_->request_id, {0, status});
  if (!begin.keep_connection) wants_close_ = true;
  Event turned_away = event(Event::kTurnedAway);
  turned_away.reason = reason;
  return turned_away;
}

// Before its variables are complete nobody knows of the request: it ends here.
ServerSession::Event ServerSession::take_abort(std::string& replies) {
  Request* request = find();
  if (request == nullptr || request->aborted) return event(Event::kNeedMore);
  if (request->has_head()) {
    request->stage = Request::Stage::kOver;
    request->aborted = true;
    return event(Event::kAbort);
  }
  if (!request->keep_connection) wants_close_ = true;
  append_end_request(replies, record_->request_id, {});
  requests_.erase(record_->request_id);
  return event(Event::kNeedMore);
}

ServerSession::Event ServerSession::take_piece(std::string_view piece) {
  Request* request = find();
  if (request == nullptr || request->stage == Request::Stage::kOver) return event(Event::kNeedMore);
  if (type() == RecordType::kParams) return take_params(*request, piece);
  if (type() == RecordType::kStdin && request->stage == Request::Stage::kStdin) return event(Event::kStdin, piece);
  if (type() == RecordType::kData && request->stage == Request::Stage::kData) return event(Event::kData, piece);
  return misordered(*request);
}

ServerSession::Event ServerSession::take_params(Request& request, std::string_view piece) {
  if (request.has_head()) return misordered(request);
  if (piece.size() > limits_.variables.bytes - request.params.size())
    return refused(request, "variables over the limit", true);
  request.params += piece;
  return event(Event::kNeedMore);
}

ServerSession::Event ServerSession::end_stream() {
  Request* request = find();
  if (request == nullptr || request->stage == Request::Stage::kOver) return event(Event::kNeedMore);
  if (type() == RecordType::kParams && !request->has_head()) return end_params(*request);
  if (type() == RecordType::kStdin && request->stage == Request::Stage::kStdin) {
    request->stage = request->role == Role::kFilter ? Request::Stage::kData : Request::Stage::kOver;
    return event(Event::kStdinEnd);
  }
  if (type() == RecordType::kData && request->stage == Request::Stage::kData) {
    request->stage = Request::Stage::kOver;
    return event(Event::kDataEnd);
  }
  return misordered(*request);
}

ServerSession::Event ServerSession::end_params(Request& request) {
  if (!read_pairs(request.params, limits_.variables.count, request.variables)) {
    if (request.variables.size() >= limits_.variables.count) return refused(request, "too many variables", true);
    return malformed("PARAMS that are no list of names and values");
  }
  // An authorizer is sent no body (section 6.3).
  request.stage = request.role == Role::kAuthorizer ? Request::Stage::kOver : Request::Stage::kStdin;
  return event(Event::kRequest);
}

// Its bytes are given back at once: of 64 such requests on each connection nothing may be kept.
void ServerSession::refuse(Request& request) {
  request.stage = Request::Stage::kOver;
  request.variables.clear();
  std::string().swap(request.params);
}

ServerSession::Event ServerSession::refused(Request& request, const char* reason, bool over_limit) {
  refuse(request);
  Event result = event(Event::kRefused);
  result.reason = reason;
  result.over_limit = over_limit;
  return result;
}

// A record of a stream that has not begun, or has ended.
ServerSession::Event ServerSession::misordered(Request& request) {
  if (!request.has_head()) return refused(request, "STDIN or DATA before the end of PARAMS");
  request.stage = Request::Stage::kOver;
  Event result = event(Event::kMisordered);
  result.reason = "PARAMS, STDIN or DATA out of order";
  return result;
}

// Names that we do not know are left out (section 4.1). Who sends several requests at once (HAProxy) takes MAX_REQS for
// those of one connection.
void ServerSession::answer_values(std::string_view content, std::string& replies) const {
  Variables asked;
  std::string pairs;
  if (read_pairs(content, kMostValues, asked)) {
    for (const Variable& variable : asked) {
      std::string value;
      if (variable.name == "FCGI_MAX_CONNS") base::append_decimal(value, limits_.connections);
      if (variable.name == "FCGI_MAX_REQS") base::append_decimal(value, limits_.requests);
      if (variable.name == "FCGI_MPXS_CONNS") value = limits_.requests > 1 ? "1" : "0";
      if (!value.empty()) append_pair(pairs, variable.name, value);
    }
  }
  append_record(replies, RecordType::kGetValuesResult, kManagementId, pairs);
}

std::vector<uint16_t> ServerSession::unfinished_heads() const {
  std::vector<uint16_t> ids;
  for (const auto& [id, request] : requests_) {
    if (!request.has_head()) ids.push_back(id);
  }
  return ids;
}

ServerSession::Request* ServerSession::find() {
  auto found = requests_.find(record_->request_id);
  return found == requests_.end() ? nullptr : &found->second;
}

ServerSession::Event ServerSession::event(Event::Kind kind, std::string_view piece) const {
  Event result;
  result.kind = kind;
  result.request_id = record_ ? record_->request_id : kManagementId;
  result.piece = piece;
  return result;
}

ServerSession::Event ServerSession::malformed(const char* reason) {
  failure_ = reason;
  Event result = event(Event::kMalformed);
  result.reason = reason;
  return result;
}

}  // namespace cutwater::codec::fastcgi

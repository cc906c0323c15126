// ServerSession: the application's end of a FastCGI connection (specification sections 3 to 6): bytes of a web server
// in
// -> events, and the records that the protocol itself answers with. Several requests may run on the connection at
// once. No I/O.
//
//   BEGIN_REQUEST, PARAMS* and an empty one, STDIN* and an empty one, with FILTER also DATA* and an empty one;
//   ABORT_REQUEST at any time. Record id 0: GET_VALUES.
//
// A record out of that order, or variables over a limit, are the end of one request: where the next record begins is
// known all the same. Only what is no record, or says lengths that cannot be, ends the connection (faults.md 95 to 99).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/cgi_variables/variables.h"
#include "codec/fastcgi/record.h"

namespace cutwater::codec::fastcgi {

struct SessionLimits {
  VariableLimits variables;
  unsigned requests = 64;       // at once on this connection, as GET_VALUES is told; more are answered OVERLOADED
  unsigned connections = 1000;  // what GET_VALUES is told
};

class ServerSession {
 public:
  explicit ServerSession(const SessionLimits& limits) : limits_(limits) {}

  struct Event {
    enum Kind {
      kNeedMore,  // all is consumed that can be
      kRequest,   // a request's variables are complete: variables(id), role(id), keeps_connection(id)
      kStdin,     // a piece of its body
      kStdinEnd,  // follows for responders and filters alone
      kData,      // a piece of a filter's second stream
      kDataEnd,
      kTurnedAway,  // `reason`: `replies` end a request at its beginning, and nothing more comes of it
      kAbort,       // the web server wants no answer any more; end_request() is due all the same
      kRefused,     // `reason`: no request comes of it, and nothing more; variables(id) is empty, end_request() is due
      kMisordered,  // `reason`: the streams of a request are not what they should be, and nothing more comes of them
      kMalformed,   // `reason`: close. Every further call says the same
    } kind = kNeedMore;
    uint16_t request_id = 0;
    size_t consumed = 0;          // of `bytes`, with every kind
    std::string_view piece = {};  // a view into `bytes`, never empty
    const char* reason = "";
    bool over_limit = false;  // kRefused: more variables came than SessionLimits allow
  };
  // The next event. `bytes` is what was received and not consumed; with kNeedMore it must have grown by the next
  // call (by no more than 8 KiB). `replies` gets the records that are to be written before anything else.
  Event next(std::string_view bytes, std::string& replies);

  // Of a request whose kRequest or kRefused came and that was not ended; views are valid until it is.
  const Variables& variables(uint16_t request_id) const { return requests_.at(request_id).variables; }
  Role role(uint16_t request_id) const { return requests_.at(request_id).role; }
  bool keeps_connection(uint16_t request_id) const { return requests_.at(request_id).keep_connection; }
  // Its END_REQUEST was written: the id may be used again, and what still comes for it is ignored.
  void end_request(uint16_t request_id) { requests_.erase(request_id); }
  size_t running() const { return requests_.size(); }
  // Of these, whose variables are not complete.
  std::vector<uint16_t> unfinished_heads() const;
  // Of one of these: what still comes of it is ignored, until its end_request() and behind it. As after kRefused.
  void refuse_head(uint16_t request_id) { refuse(requests_.at(request_id)); }
  // A request was refused that came without FCGI_KEEP_CONN: close when nothing runs any more.
  bool wants_close() const { return wants_close_; }

 private:
  struct Request {
    enum class Stage : uint8_t { kParams, kStdin, kData, kOver } stage = Stage::kParams;
    Role role = Role::kResponder;
    bool keep_connection = false;
    bool aborted = false;
    std::string params;  // the stream as it comes; `variables` are views into it once it is complete
    Variables variables;

    bool has_head() const { return stage != Stage::kParams; }
  };

  Event begin_record(std::string_view bytes);
  Event take_record(std::string_view bytes, std::string& replies);
  Event take_content(std::string_view bytes, std::string& replies);
  Event take_whole(std::string_view content, std::string& replies);
  Event take_begin(std::string_view content, std::string& replies);
  Event take_abort(std::string& replies);
  Event take_piece(std::string_view piece);
  Event take_params(Request& request, std::string_view piece);
  Event end_stream();
  Event end_params(Request& request);
  static void refuse(Request& request);
  Event refused(Request& request, const char* reason, bool over_limit = false);
  Event misordered(Request& request);
  void answer_values(std::string_view content, std::string& replies) const;
  Event turn_away(const BeginRequest& begin, ProtocolStatus status, const char* reason, std::string& replies);

  RecordType type() const { return static_cast<RecordType>(record_->type); }
  Request* find();
  Event event(Event::Kind kind, std::string_view piece = {}) const;
  Event malformed(const char* reason);

  const SessionLimits limits_;
  std::map<uint16_t, Request> requests_;  // nodes stay where they are: variables are views into them
  std::optional<RecordHeader> record_;    // whose content is being read
  bool in_content_ = false;               // else in its padding
  size_t content_left_ = 0;
  size_t padding_left_ = 0;
  bool wants_close_ = false;
  const char* failure_ = nullptr;
};

}  // namespace cutwater::codec::fastcgi

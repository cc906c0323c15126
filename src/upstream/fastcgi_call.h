// FastcgiCall: a Call to a FastCGI application (specification 1.0): the request in records, the answer taken out of
// them. The request has the id 1 on the stream that it is given: a connection of its own, or its share of one
// (SharedRequest).
#pragma once

#include <memory>
#include <string_view>

#include "codec/fastcgi/request_encoder.h"
#include "codec/fastcgi/response_reader.h"
#include "upstream/cgi_call.h"

namespace cutwater::upstream {

inline constexpr uint16_t kFastcgiRequestId = 1;

// What applications write for the log: any bytes, cut anywhere.
class StderrSink {
 public:
  virtual ~StderrSink() = default;
  virtual void on_stderr(std::string_view piece) = 0;
};

// nullptr: the request is complete, and that was no failure.
const char* fault_of(const codec::fastcgi::EndRequest& end);

class StreamFraming final : public PieceFraming {
 public:
  explicit StreamFraming(codec::fastcgi::RecordType type);
  size_t most() const override { return codec::fastcgi::kLongestPiece; }
  void append_start(std::string& to, size_t size) const override;
  std::string_view last() const override { return last_; }

 private:
  codec::fastcgi::RecordType type_;
  std::string last_;
};
const StreamFraming& input_framing();  // FCGI_STDIN
const StreamFraming& data_framing();   // FCGI_DATA

// Why a call is kBroken whose application said itself, at the end, that it has failed.
inline constexpr const char* kApplicationFailed = "the application ended with a status other than 0";

class FastcgiCall final : public CgiCall {
 public:
  // All outlive the call. `data`: what a filter is to filter.
  FastcgiCall(io::Loop& loop, io::Stream& stream, std::string_view method, RequestBody& body,
              const CallOptions& options, StderrSink& errors, const UploadData* data = nullptr)
      : CgiCall(loop, stream, method, body, input_framing(), options), body_(body), options_(options), errors_(errors) {
    if (data) upload_.follow_with(*data, data_framing());
  }

  // `head`: BEGIN_REQUEST and PARAMS.
  void begin(std::string head) override;
  bool connection_reusable() const override;
  std::unique_ptr<CallRest> leave() override;

 private:
  Output take_output(std::string_view& bytes) override;
  bool ends_with_connection() const override { return false; }
  Output failed(CallStatus status, const char* reason);
  Output take_end(const codec::fastcgi::EndRequest& end, std::string_view& bytes);

  RequestBody& body_;
  const CallOptions& options_;
  StderrSink& errors_;
  codec::fastcgi::ResponseReader reader_;
  bool said_more_ = false;  // behind the end of the answer
};

}  // namespace cutwater::upstream

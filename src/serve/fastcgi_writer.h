// A response as STDOUT records between those of other requests (FastCGI specification section 5.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "message/request.h"
#include "serve/output.h"
#include "serve/response_writer.h"

namespace cutwater::serve {

// Who waits for the peer to take bytes, for all requests of a connection.
class OutputRoom {
 public:
  virtual ~OutputRoom() = default;
  // Until no more than output_buffer is unsent. False: the peer takes nothing any more.
  virtual base::Task<bool> wait_for_room() = 0;
};

class FastcgiWriter final : public ServedResponse {
 public:
  // Everything outlives the writer.
  FastcgiWriter(Output& output, OutputRoom& room, const message::Request& request, const ServeOptions& options,
                uint16_t request_id)
      : output_(output), room_(room), request_(request), options_(options), request_id_(request_id) {}

  base::Task<message::WriteStatus> informational(const message::Response&) override { return settle(); }
  base::Task<message::WriteStatus> head(const message::Response& response, std::string_view first_piece,
                                        bool complete) override;
  base::Task<message::WriteStatus> body(std::string_view piece, bool complete) override;
  base::Task<message::WriteStatus> file(int descriptor, uint64_t offset, uint64_t length) override;
  base::Task<message::WriteStatus> finish() override;
  void abort() override { aborted_ = true; }

  bool head_sent() const override { return status_ != 0; }
  uint16_t status() const override { return status_; }
  uint64_t body_bytes_sent() const override { return body_bytes_; }
  bool client_gone() const override { return hung_up_ || !reachable(); }
  size_t room() const override;

  bool complete() const override;
  bool aborted() const override { return aborted_; }
  bool broken() const override { return output_.failed(); }
  // The peer left, or wants no answer: nothing more is sent.
  void client_left() { gone_ = true; }
  // It sends nothing more: who only waits may take it for gone, an answer is written all the same.
  void peer_hung_up() { hung_up_ = true; }

 private:
  bool reachable() const { return !gone_ && !output_.failed(); }
  bool writable() const { return !aborted_ && reachable(); }
  bool takes_body() const { return head_sent() && !finished_ && writable(); }
  std::string_view admit(std::string_view piece);
  void send_body(std::string_view piece, bool last);
  base::Task<message::WriteStatus> settle();

  Output& output_;
  OutputRoom& room_;
  const message::Request& request_;
  const ServeOptions& options_;
  const uint16_t request_id_;
  uint16_t status_ = 0;
  bool has_body_ = false;
  std::optional<uint64_t> announced_left_;
  uint64_t body_bytes_ = 0;
  bool finished_ = false;
  bool aborted_ = false;
  bool gone_ = false;
  bool hung_up_ = false;
};

}  // namespace cutwater::serve

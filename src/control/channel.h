// Channel: one end of a SOCK_SEQPACKET pair between processes of Cutwater. A message is one JSON object of at most
// 64 KiB with up to 253 descriptors; whatever else arrives ends the channel. Non-blocking both ways: what the kernel
// does not take is kept and sent by flush().
#pragma once

#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace cutwater::control {

struct Message {
  nlohmann::json body;  // always an object with a string "type"
  std::vector<base::FileDescriptor> descriptors;
  std::string type() const { return body.value("type", ""); }
};

// The text of one message, checked as receive() does: nullopt when it is no JSON object with a string "type".
std::optional<nlohmann::json> parse_message(std::string_view text);

class Channel {
 public:
  static base::Result<std::pair<Channel, Channel>> make_pair();
  explicit Channel(base::FileDescriptor socket) : socket_(std::move(socket)) {}

  // Descriptors are only lent; the kernel duplicates them. False: the peer is gone; or the message is too large, and
  // error() says so.
  bool send(const nlohmann::json& body, std::vector<int> descriptors = {});
  // Whether send() would not find it too large.
  static bool fits(const nlohmann::json& body);
  bool flush();  // true when nothing waits any more
  bool wants_write() const { return !waiting_.empty(); }

  enum class Outcome { kMessage, kNothing, kClosed, kNoRoom };
  // kClosed: EOF (`error()` is empty), or a message that is none (`error()` says what); then it stays so.
  // kNoRoom: this process has too many descriptors open for those of the next message. It is not lost: it stays where
  // it is, readable, until there is room.
  Outcome receive(Message& message);
  const std::string& error() const { return error_; }

  int descriptor() const { return socket_.get(); }
  base::FileDescriptor release() { return std::move(socket_); }

 private:
  Outcome close_because(std::string why);

  struct Waiting {
    std::string text;
    std::vector<base::FileDescriptor> descriptors;
  };
  base::FileDescriptor socket_;
  std::deque<Waiting> waiting_;
  std::string error_;
  bool ended_ = false;
};

}  // namespace cutwater::control

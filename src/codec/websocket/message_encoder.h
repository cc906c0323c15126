// A server's side of a WebSocket: messages in, in pieces, bytes out. Each piece is a frame.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "codec/websocket/compression.h"
#include "codec/websocket/frame.h"

namespace cutwater::codec::websocket {

class MessageEncoder {
 public:
  // `pool`: permessage-deflate is used, with that window; nullptr: it is not. It outlives the encoder.
  explicit MessageEncoder(CompressionPool* pool, int window_bits = 15) : pool_(pool), window_bits_(window_bits) {}
  ~MessageEncoder() { pool_give_back(); }
  MessageEncoder(const MessageEncoder&) = delete;
  MessageEncoder& operator=(const MessageEncoder&) = delete;

  void append(std::string& to, std::string_view piece, bool text, bool last);
  bool in_message() const { return in_message_; }

 private:
  void pool_give_back() {
    if (deflater_) pool_->give_back(std::move(deflater_));
  }

  CompressionPool* pool_;
  int window_bits_;
  std::unique_ptr<Deflater> deflater_;  // of a compressed message
  bool in_message_ = false;             // a piece of it came
  bool frame_sent_ = false;             // a frame of it went out
};

}  // namespace cutwater::codec::websocket

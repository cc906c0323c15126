// A client's side of a WebSocket: bytes in, messages in pieces and control frames out (RFC 6455 sections 5 and 7).
// What breaks a rule is a fault with the code to close with, at the first byte that does so.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "codec/websocket/compression.h"
#include "codec/websocket/frame.h"
#include "codec/websocket/utf8_validator.h"

namespace cutwater::codec::websocket {

// Where a piece lies when it is handed out, for all decoders of a thread.
struct DecoderScratch {
  static constexpr size_t kSize = 16 * 1024;
  std::array<char, kSize> bytes;
};

class MessageDecoder {
 public:
  // `pool`: permessage-deflate is used; nullptr: it is not. All outlive the decoder. Longer messages than `limit` are
  // refused by the lengths of their frames, before anything of them is kept.
  MessageDecoder(uint64_t limit, CompressionPool* pool, DecoderScratch& scratch)
      : limit_(limit), pool_(pool), scratch_(scratch), reader_(pool != nullptr) {}
  ~MessageDecoder();
  MessageDecoder(const MessageDecoder&) = delete;
  MessageDecoder& operator=(const MessageDecoder&) = delete;

  struct Event {
    enum Kind {
      kNeedMore,  // all bytes were taken
      kData,      // a piece of a message, empty only if it is the last
      kPing,
      kPong,
      kClose,  // `code`, 1005 without one; `bytes` is the reason. Nothing else follows
      kFault,  // `code` to close with; `bytes` says why. Nothing else follows
    } kind = kNeedMore;
    std::string_view bytes;  // until the next call of any decoder with the same scratch
    bool text = false;
    bool last = false;
    uint16_t code = 0;
  };
  // The next event of what was taken before and of `bytes`, of which it takes what it needs. To be called until it says
  // kNeedMore: it may have more to say when `bytes` is empty.
  Event next(std::string_view& bytes);

 private:
  Event fault(uint16_t code, const char* why);
  const char* begin_frame();
  Event end_of_control();
  Event end_of_close();
  bool may_be_text(std::string_view piece) { return !text_ || validator_.take(piece); }
  Event data(std::string_view piece, bool last);
  Event inflated();
  void end_message();

  uint64_t limit_;
  CompressionPool* pool_;
  DecoderScratch& scratch_;
  FrameHeadReader reader_;
  FrameHead frame_;
  bool in_frame_ = false;
  uint64_t taken_ = 0;  // of the frame's payload

  bool in_message_ = false;
  bool text_ = false;
  uint64_t length_ = 0;    // of the message's frames so far
  uint64_t inflated_ = 0;  // what came out of them
  Utf8Validator validator_;

  std::unique_ptr<Inflater> inflater_;  // of a compressed message
  std::string compressed_;              // not inflated yet
  size_t compressed_taken_ = 0;
  bool more_inflated_ = false;  // there may be more without more input

  std::array<char, kLongestControl> control_;
  bool over_ = false;
};

}  // namespace cutwater::codec::websocket

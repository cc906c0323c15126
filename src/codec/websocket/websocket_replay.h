// For tests and the fuzzer: a client's frames, and what a decoder makes of bytes in whatever pieces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "codec/websocket/message_decoder.h"

namespace cutwater::codec::websocket {

// A frame as a client sends it; `first` is byte 0 of its head.
inline std::string client_frame(uint8_t first, std::string_view payload, std::string_view mask = "\x11\x22\x33\x44") {
  std::string frame(1, static_cast<char>(first));
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    const unsigned more = payload.size() <= 0xffff ? 2 : 8;
    frame += static_cast<char>(more == 2 ? 0xfe : 0xff);
    for (unsigned i = more; i-- > 0;) frame += static_cast<char>(static_cast<uint64_t>(payload.size()) >> (8 * i));
  }
  frame += mask;
  for (size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ mask[i % 4]);
  return frame;
}

// One line for each event, the pieces of a message joined: "text hello", "ping x", "close 1000 bye", "fault 1002 why".
// Of a message that does not end, "begun" and how long it is so far.
class Replay {
 public:
  Replay(uint64_t limit, bool compression) : decoder_(limit, compression ? &pool_ : nullptr, scratch_) {}

  void take(std::string_view bytes) {
    while (true) {
      const auto event = decoder_.next(bytes);
      if (event.kind == MessageDecoder::Event::kNeedMore) return;
      add(event);
    }
  }
  std::string result() const {
    return message_.empty() ? lines_ : lines_ + "begun " + std::to_string(message_.size()) + "\n";
  }

 private:
  void add(const MessageDecoder::Event& event) {
    using Event = MessageDecoder::Event;
    const std::string bytes(event.bytes);
    switch (event.kind) {
      case Event::kData:
        message_ += bytes;
        if (!event.last) return;
        lines_ += (event.text ? "text " : "binary ") + message_;
        message_.clear();
        break;
      case Event::kPing:
        lines_ += "ping " + bytes;
        break;
      case Event::kPong:
        lines_ += "pong " + bytes;
        break;
      case Event::kClose:
        lines_ += "close " + std::to_string(event.code) + " " + bytes;
        break;
      default:
        message_.clear();  // how much of it came before the fault was found depends on the pieces
        lines_ += "fault " + std::to_string(event.code) + " " + bytes;
        break;
    }
    lines_ += '\n';
  }

  CompressionPool pool_;
  DecoderScratch scratch_;
  MessageDecoder decoder_;
  std::string lines_;
  std::string message_;
};

inline std::string replay(std::string_view bytes, size_t cut = 0, uint64_t limit = 1 << 20, bool compression = false) {
  Replay replay(limit, compression);
  replay.take(bytes.substr(0, cut));
  replay.take(bytes.substr(cut));
  return replay.result();
}

inline std::string replay_bytewise(std::string_view bytes, uint64_t limit = 1 << 20, bool compression = false) {
  Replay replay(limit, compression);
  for (size_t i = 0; i < bytes.size(); ++i) replay.take(bytes.substr(i, 1));
  return replay.result();
}

}  // namespace cutwater::codec::websocket

#include "codec/websocket/message_encoder.h"

#include <utility>

namespace cutwater::codec::websocket {

namespace {

constexpr size_t kWorthwhile = 256;  // shorter messages gain nothing that is worth the time

}  // namespace

void MessageEncoder::append(std::string& to, std::string_view piece, bool text, bool last) {
  if (!std::exchange(in_message_, true)) {
    frame_sent_ = false;
    if (pool_ && (!last || piece.size() >= kWorthwhile)) deflater_ = pool_->take_deflater(window_bits_);
  }
  std::string compressed;
  if (deflater_) {
    deflater_->deflate(piece, last, compressed);
    piece = compressed;
  }
  if (!piece.empty() || last) {
    const Opcode first = text ? Opcode::kText : Opcode::kBinary;
    append_frame_head(to, frame_sent_ ? Opcode::kContinuation : first, last, deflater_ && !frame_sent_, piece.size());
    to += piece;
    frame_sent_ = true;
  }
  if (!last) return;
  in_message_ = false;
  pool_give_back();
}

}  // namespace cutwater::codec::websocket

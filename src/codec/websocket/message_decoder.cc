#include "codec/websocket/message_decoder.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace cutwater::codec::websocket {

namespace {

constexpr std::string_view kMessageEnd("\0\0\xff\xff", 4);  // what a compressed message is sent without
constexpr const char* kNoUtf8 = "a text that is no UTF-8";
constexpr size_t kInflatedAtOnce = 4096;  // of compressed bytes

}  // namespace

MessageDecoder::~MessageDecoder() {
  if (inflater_) pool_->give_back(std::move(inflater_));
}

MessageDecoder::Event MessageDecoder::fault(uint16_t code, const char* why) {
  over_ = true;
  Event event;
  event.kind = Event::kFault;
  event.code = code;
  event.bytes = why;
  return event;
}

MessageDecoder::Event MessageDecoder::next(std::string_view& bytes) {
  while (!over_) {
    if (more_inflated_) {
      const Event event = inflated();
      if (event.kind != Event::kNeedMore) return event;
      continue;
    }
    if (!in_frame_) {
      const auto outcome = reader_.take(bytes, frame_);
      if (outcome == FrameHeadReader::Outcome::kFault) return fault(kProtocolError, reader_.fault());
      if (outcome == FrameHeadReader::Outcome::kIncomplete) break;
      if (const char* why = begin_frame()) return fault(kProtocolError, why);
      if (!frame_.is_control() && (frame_.length > limit_ || length_ > limit_ - frame_.length)) {
        return fault(kMessageTooBig, "a message over the limit");
      }
      if (!frame_.is_control()) length_ += frame_.length;
    }
    const uint64_t left = frame_.length - taken_;
    if (bytes.empty() && left > 0) break;
    const size_t most = inflater_ && !frame_.is_control() ? kInflatedAtOnce : DecoderScratch::kSize;
    const size_t count = std::min<size_t>({bytes.size(), left, most});
    char* to = frame_.is_control() ? control_.data() + taken_ : scratch_.bytes.data();
    unmask(bytes.data(), count, frame_.mask, taken_, to);
    bytes.remove_prefix(count);
    taken_ += count;
    in_frame_ = taken_ < frame_.length;
    if (frame_.is_control()) {
      if (!in_frame_) return end_of_control();
      continue;
    }
    const bool last = !in_frame_ && frame_.final;
    if (inflater_) {
      compressed_.assign(to, count);
      if (last) compressed_ += kMessageEnd;
      compressed_taken_ = 0;
      more_inflated_ = !compressed_.empty();
      continue;
    }
    if (!may_be_text({to, count})) return fault(kInvalidData, kNoUtf8);
    const Event event = data({to, count}, last);
    if (event.kind != Event::kNeedMore) return event;
  }
  if (over_) bytes = {};
  return {};
}

const char* MessageDecoder::begin_frame() {
  in_frame_ = true;
  taken_ = 0;
  if (frame_.is_control()) return nullptr;
  const bool continues = frame_.opcode == Opcode::kContinuation;
  if (continues != in_message_) return continues ? "a continuation of nothing" : "a message within another one";
  if (continues) return nullptr;
  in_message_ = true;
  text_ = frame_.opcode == Opcode::kText;
  length_ = inflated_ = 0;
  validator_ = {};
  if (frame_.compressed) inflater_ = pool_->take_inflater();
  return nullptr;
}

// Of what may_be_text().
MessageDecoder::Event MessageDecoder::data(std::string_view piece, bool last) {
  if (text_ && last && !validator_.complete()) return fault(kInvalidData, kNoUtf8);
  if (last) end_message();
  Event event;
  if (piece.empty() && !last) return event;
  event.kind = Event::kData;
  event.bytes = piece;
  event.text = text_;
  event.last = last;
  return event;
}

// A few bytes may become many: no more than fit the scratch at once, and no more than the limit in all.
MessageDecoder::Event MessageDecoder::inflated() {
  std::string_view input = std::string_view(compressed_).substr(compressed_taken_);
  const size_t count = inflater_->inflate(input, scratch_.bytes);
  if (count == Inflater::npos) return fault(kInvalidData, "damaged compressed data");
  compressed_taken_ = compressed_.size() - input.size();
  more_inflated_ = !input.empty() || count == scratch_.bytes.size() || inflater_->damaged();
  // Whatever is wrong first is said, in whatever pieces it comes.
  const auto within = static_cast<size_t>(std::min<uint64_t>(count, limit_ - inflated_));
  inflated_ += within;
  if (!may_be_text({scratch_.bytes.data(), within})) return fault(kInvalidData, kNoUtf8);
  if (within < count) return fault(kMessageTooBig, "a message over the limit");
  const bool last = !more_inflated_ && !in_frame_ && frame_.final;
  if (last && !inflater_->at_boundary()) return fault(kInvalidData, "damaged compressed data");
  return data({scratch_.bytes.data(), count}, last);
}

void MessageDecoder::end_message() {
  in_message_ = false;
  if (!inflater_) return;
  pool_->give_back(std::move(inflater_));
  base::release(compressed_);
}

MessageDecoder::Event MessageDecoder::end_of_control() {
  if (frame_.opcode == Opcode::kClose) return end_of_close();
  Event event;
  event.kind = frame_.opcode == Opcode::kPing ? Event::kPing : Event::kPong;
  event.bytes = {control_.data(), static_cast<size_t>(frame_.length)};
  return event;
}

MessageDecoder::Event MessageDecoder::end_of_close() {
  over_ = true;
  Event event;
  event.kind = Event::kClose;
  event.code = kNoCodeReceived;
  if (frame_.length == 0) return event;
  if (frame_.length == 1) return fault(kProtocolError, "half a close code");
  event.code = static_cast<uint16_t>(static_cast<uint8_t>(control_[0]) << 8 | static_cast<uint8_t>(control_[1]));
  if (!may_be_sent(event.code)) return fault(kProtocolError, "a close code that may not be sent");
  event.bytes = {control_.data() + 2, static_cast<size_t>(frame_.length) - 2};
  if (!is_utf8(event.bytes)) return fault(kInvalidData, "a reason that is no UTF-8");
  return event;
}

}  // namespace cutwater::codec::websocket

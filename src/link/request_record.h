// The request as it lies in a slot: strings with relative offsets, no second parse. Written by the front from a
// message::Request, read by the worker as one again (views into the slot). Bounds-checked on both sides.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/byte_reader.h"
#include "message/request.h"

namespace cutwater::link {

enum class BodyPlace : uint8_t {
  kNone,
  kInline,      // in the slot, behind the head
  kChunks,      // in arena chunks
  kDescriptor,  // ask on the lane socket (kBodyWanted), get a read-only descriptor
  kStreamed,    // comes as kBodyPiece frames (ASGI, Tornado)
};

// What a slot says besides the request itself.
struct RequestExtras {
  std::string_view script_name;  // the app's prefix: SCRIPT_NAME; the request's path still contains it
  BodyPlace body_place = BodyPlace::kNone;
  uint64_t body_length = 0;      // of the buffered body (de-chunked); with kStreamed the announced length or 0
  uint64_t exchange_id = 0;
};

// Bytes of the record, or 0 when it does not fit `room`.
size_t encode_request(const message::Request& request, const RequestExtras& extras, base::ByteWriter& to);
// False when the record is damaged. The request's views point into `record`.
bool decode_request(std::string_view record, message::Request& request, RequestExtras& extras);

}  // namespace cutwater::link

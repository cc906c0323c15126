// The request as it lies in a slot: lengths first, then all strings in the same order, so that every offset
// is a running sum: no second parse. Written by the front from a message::Request, read by the worker as one
// again (views into the slot). Bounds-checked on both sides. Little-endian, no padding:
//
//   u32 total bytes | u8 version minor | u8 framing | u8 flags | u8 body place | u64 content length
//   u64 body length | u64 exchange id | u16 remote port | u16 server port | u16 field count | u16 variable count
//   9 x u32 length (method, raw target, path, query, scheme, authority, remote address, server name, script
//   name) (field count + variable count) x (u32 name length, u32 value length) the bytes of the 9 strings, then of
//   name, value of each field, then of each variable
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/byte_reader.h"
#include "message/request.h"

namespace cutwater::link {

enum class BodyPlace : uint8_t {
  kNone,
  kInline,      // in the slot, behind the head
  kChunks,      // in arena chunks
  kDescriptor,  // ask with kBodyWanted, get a read-only descriptor on the lane socket
  kStreamed,    // comes as kBodyPiece frames (ASGI, Tornado)
};

// What a slot says besides the request itself.
struct RequestExtras {
  std::string_view script_name{};  // the app's prefix: SCRIPT_NAME; the request's path still contains it
  BodyPlace body_place = BodyPlace::kNone;
  uint64_t body_length = 0;  // of the buffered body (de-chunked); with kStreamed the announced length or 0
  uint64_t exchange_id = 0;
  bool websocket = false;  // the handshake of a WebSocket: a head of 101 accepts, messages follow; any other denies
  bool has_data = false;   // behind the body's content_length bytes comes a FastCGI filter's second stream
};

// Bytes of the record, or 0 when it does not fit `to` (which then is untouched).
size_t encode_request(const message::Request& request, const RequestExtras& extras, std::span<char> to);
// What encode_request will write.
size_t encoded_size(const message::Request& request, const RequestExtras& extras);
// False when the record is damaged. The request's views point into `record`.
bool decode_request(std::string_view record, message::Request& request, RequestExtras& extras);

}  // namespace cutwater::link

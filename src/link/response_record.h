// The payload of UpKind::kHead: u16 status, u16 field count, u8 has length, u64 content length, reason, then fields
// (u16 name length, u32 value length, bytes). The front checks every byte of it as if a stranger had sent it:
// names are tokens, values have no CR, LF, NUL (faults.md 77-79).
#pragma once

#include <string_view>

#include "base/byte_reader.h"
#include "message/response.h"

namespace cutwater::link {

size_t encode_response(const message::Response& response, base::ByteWriter& to);
// Views point into `record`, which the caller has copied out of shared memory first.
bool decode_response(std::string_view record, message::Response& response);

}  // namespace cutwater::link

// The payloads that a front decodes: any bytes; what is accepted holds nothing that could end a line, and
// encodes to the same bytes again.
#include <cstdlib>
#include <string>

#include "link/response_record.h"

namespace {

using namespace cutwater;

void check_text(std::string_view text) {
  if (text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) abort();
}

void check_fields(const message::Headers& fields) {
  for (const message::HeaderField& field : fields) {
    if (field.name.empty() || link::is_framing_field(field.name)) abort();
    check_text(field.name);
    check_text(field.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string payload(reinterpret_cast<const char*>(data), size);
  message::Headers fields;
  if (link::decode_fields(payload, fields)) check_fields(fields);
  std::string storage;
  message::Response response;
  std::string_view body;
  if (!link::read_head_payload(payload, storage, response, body)) return 0;
  check_text(response.reason);
  check_fields(response.headers);
  std::string again(link::encoded_size(response), '\0');
  base::ByteWriter writer(again);
  if (link::encode_response(response, writer) != storage.size() || again != storage) abort();
  if (body.size() + storage.size() + sizeof(uint32_t) != payload.size()) abort();
  return 0;
}

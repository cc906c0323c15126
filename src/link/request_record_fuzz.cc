// A record that a worker decodes: any bytes; what is accepted encodes to the same bytes again.
#include <cstdlib>
#include <string>

#include "link/request_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cutwater;
  std::string record(reinterpret_cast<const char*>(data), size);
  message::Request request;
  link::RequestExtras extras;
  if (!link::decode_request(record, request, extras)) return 0;
  std::string again(link::encoded_size(request, extras), '\0');
  if (link::encode_request(request, extras, again) != record.size() || again != record) abort();
  return 0;
}

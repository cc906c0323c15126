// The path normaliser: its result stays under the root, has no control bytes, and is a fixed point once
// encoded again.
#include <cstdlib>
#include <string>

#include "message/grammar.h"
#include "message/target.h"

namespace {

using namespace cutwater::message;

std::string encode(std::string_view path) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string encoded;
  for (char c : path) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '/') {
      encoded += c;
    } else {
      encoded.append(1, '%').append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  }
  return encoded;
}

void check_clean(std::string_view path) {
  if (path.empty() || path.front() != '/') std::abort();
  if (path.find("//") != std::string_view::npos) std::abort();
  for (char c : path) {
    if (is_control_byte(c) || c == '\t') std::abort();
  }
  std::string closed = std::string(path) + "/";
  if (closed.find("/./") != std::string::npos || closed.find("/../") != std::string::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view target(reinterpret_cast<const char*>(data), size);
  for (std::string_view method : {"GET", "OPTIONS", "CONNECT"}) {
    auto split = split_target(method, target);
    if (!split || split->path.empty() || split->path.front() != '/') continue;
    std::string path;
    DecodedPath decoded = decode_path(split->path, path);
    if (split->path_is_plain && (decoded.error != nullptr || path != split->path)) std::abort();
    if (decoded.error != nullptr) continue;
    check_clean(path);
    std::string again;
    if (decode_path(encode(path), again).error != nullptr || again != path) std::abort();
    if (!path_has_prefix(path, "/") || !path_has_prefix(path, path)) std::abort();
  }
  return 0;
}

// Base64 (RFC 4648 section 4), padded.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cutwater::base {

std::string to_base64(std::string_view bytes);

// How many bytes `text` stands for; nullopt: it is no base64.
std::optional<size_t> base64_size(std::string_view text);

}  // namespace cutwater::base

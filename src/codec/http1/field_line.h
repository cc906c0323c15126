// A field as a message has it (RFC 9112 section 5): "Name: value" and the line's end.
#pragma once

#include <string>
#include <string_view>

namespace cutwater::codec::http1 {

inline constexpr size_t kFieldOverhead = 4;  // bytes beside name and value

void append_field(std::string& to, std::string_view name, std::string_view value);

}  // namespace cutwater::codec::http1

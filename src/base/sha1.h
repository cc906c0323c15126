// SHA-1 (FIPS 180-4), for protocols that ask for it: it protects nothing any more.
#pragma once

#include <string>
#include <string_view>

namespace cutwater::base {

// 20 bytes.
std::string sha1(std::string_view message);

}  // namespace cutwater::base

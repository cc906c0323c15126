// FastCGI name-value pairs (specification section 3.4): two lengths, then name and value. A length below 128 is one
// byte; a longer one is four, big-endian, with the highest bit set.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "codec/cgi_variables/variables.h"

namespace cutwater::codec::fastcgi {

// `bytes` is a whole stream of pairs, put together from its records, and outlives `variables`. False: a pair goes
// past the end, or there are more than `most` pairs.
bool read_pairs(std::string_view bytes, size_t most, Variables& variables);

// How many bytes append_pairs() adds.
size_t length_of_pairs(std::span<const Variable> variables);
// All names and values are shorter than 2^31 bytes.
void append_pairs(std::string& to, std::span<const Variable> variables);
inline void append_pair(std::string& to, std::string_view name, std::string_view value) {
  const Variable pair{name, value};
  append_pairs(to, {&pair, 1});
}

}  // namespace cutwater::codec::fastcgi

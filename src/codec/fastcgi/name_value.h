// FastCGI name-value pairs (specification section 3.4): two lengths, then name and value. A length below 128 is one
// byte; a longer one is four, big-endian, with the highest bit set.
#pragma once

#include <string>
#include <string_view>

#include "codec/cgi_variables/variables.h"

namespace cutwater::codec::fastcgi {

// `bytes` is a whole stream of pairs, put together from its records, and outlives `variables`. False: a pair goes
// past the end, or there are more than `most` pairs.
bool read_pairs(std::string_view bytes, size_t most, Variables& variables);

// How many bytes append_pair() adds.
size_t pair_length(std::string_view name, std::string_view value);
// Both shorter than 2^31 bytes.
void append_pair(std::string& to, std::string_view name, std::string_view value);

}  // namespace cutwater::codec::fastcgi

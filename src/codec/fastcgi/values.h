// What a FastCGI application says of itself when it is asked (specification section 4.1): GET_VALUES and its answer,
// both records of the connection, with names and values as in PARAMS.
//
//   FCGI_MPXS_CONNS  "1": it takes several requests at once on a connection
//   FCGI_MAX_REQS    how many it takes at once over all of its connections
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cutwater::codec::fastcgi {

// Asks for both.
void append_get_values(std::string& to);

struct ValuesAnswer {
  enum Kind {
    kNeedMore,
    kAnswered,  // with GET_VALUES_RESULT; or with UNKNOWN_TYPE, by one that does not know the question
    kMalformed
  } kind = kNeedMore;
  size_t consumed = 0;  // with kAnswered
  bool multiplexes = false;
  uint64_t most_requests = UINT64_MAX;  // not said: no limit
};
// `bytes`: all that has come since it was asked.
ValuesAnswer read_values_answer(std::string_view bytes);

}  // namespace cutwater::codec::fastcgi

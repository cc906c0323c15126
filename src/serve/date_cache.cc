#include "serve/date_cache.h"

#include <time.h>

#include "message/http_date.h"

namespace cutwater::serve {

std::string_view DateCache::now() {
  timespec moment;
  clock_gettime(CLOCK_REALTIME_COARSE, &moment);
  if (moment.tv_sec != second_) {
    second_ = moment.tv_sec;
    text_ = message::format_http_date(second_);
  }
  return text_;
}

}  // namespace cutwater::serve

#include "handler/stderr_log.h"

#include <fmt/format.h>

namespace cutwater::handler {

void StderrLog::on_stderr(std::string_view piece) {
  const std::string_view kept = piece.substr(0, kMostKept - taken_);
  taken_ += kept.size();
  dropped_ += piece.size() - kept.size();
  if (kept.empty()) return;
  line_ += kept;
  size_t begin = 0;
  for (size_t end = line_.find('\n'); end != std::string::npos; end = line_.find('\n', begin)) {
    write_line(std::string_view(line_).substr(begin, end - begin));
    begin = end + 1;
  }
  line_.erase(0, begin);
}

StderrLog::~StderrLog() {
  if (dropped_ > 0) line_ += fmt::format(" [and {} bytes more]", dropped_);
  write_line(line_);
}

void StderrLog::write_line(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return;
  log_.warning("CW0608", fmt::format("upstream {}: request {:08x}: {}", upstream_, request_id_, line));
}

}  // namespace cutwater::handler

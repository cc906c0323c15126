#include "handler/stderr_log.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace cutwater::handler {

namespace {

constexpr size_t kMostOfMethod = 32;  // bytes: both are the client's to choose
constexpr size_t kMostOfPath = 200;
// Of one line of the log: what is written into a pipe in one piece has no room for more than twice that.
constexpr size_t kMostOfLine = 2048;
// What php-fpm says for a script that it was not told of, or finds nothing at: its client sees no more than 404.
constexpr std::string_view kNoScript = "Primary script unknown";

}  // namespace

bool StderrPace::take(uint64_t& dropped) {
  const base::Instant now = loop_.now();
  if (now - second_began_ >= std::chrono::seconds(1)) {
    second_began_ = now;
    lines_ = 0;
  }
  if (lines_ == kLinesPerSecond) {
    ++dropped_;
    return false;
  }
  ++lines_;
  dropped = std::exchange(dropped_, 0);
  return true;
}

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

void StderrLog::write_rest() {
  write_line(line_);
  if (dropped_ > 0) write_line(fmt::format("[and {} more]", base::counted(dropped_, "byte")));
}

void StderrLog::write_line(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  for (; line.size() > kMostOfLine; line.remove_prefix(kMostOfLine)) write_part(line.substr(0, kMostOfLine));
  write_part(line);
}

void StderrLog::write_part(std::string_view line) {
  if (line.empty()) return;
  uint64_t dropped = 0;
  if (!pace_.take(dropped)) return;
  std::string text = fmt::format("{}: request {:08x} {} {}: {}", who_, request_id_, method_.substr(0, kMostOfMethod),
                                 path_.substr(0, kMostOfPath), line);
  if (dropped > 0) text += fmt::format(" ({} of that second left out)", base::counted(dropped, "line"));
  if (line.find(kNoScript) != std::string_view::npos) {
    text += "\nfix: `root` of the route must be the folder of the scripts, as php-fpm sees it too";
  }
  log_.warning(code_, text);
}

}  // namespace cutwater::handler

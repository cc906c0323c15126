#include "handler/access_log.h"

#include <time.h>

namespace cutwater::handler {

namespace {

constexpr size_t kHandOver = 64 * 1024;

}  // namespace

AccessLog::AccessLog(io::Loop& loop, LogFormat format, base::FileDescriptor file, LogWriter::Lost lost)
    : loop_(loop), format_(format), longest_line_(longest_line(file.get())), writer_(std::move(file), std::move(lost)) {
  loop_.add_hook(*this);
}

AccessLog::~AccessLog() {
  loop_.remove_hook(*this);
  end_of_turn();
}

void AccessLog::reopen(base::FileDescriptor file) {
  end_of_turn();
  longest_line_ = longest_line(file.get());
  writer_.reopen(std::move(file));
}

const LogTime& AccessLog::time_now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != second_) {
    second_ = now.tv_sec;
    time_ = make_log_time(second_);
  }
  return time_;
}

void AccessLog::on_exchange_end(const message::Request& request, std::string_view connection_address,
                                const Summary& summary) {
  LogRecord record{request, connection_address, summary};
  if (format_ == LogFormat::kJson) record.duration = base::monotonic_now() - summary.began;
  append_line(lines_, format_, time_now(), record, longest_line_);
  if (lines_.size() >= kHandOver) end_of_turn();
}

bool AccessLog::end_of_turn() {
  if (!lines_.empty()) {
    writer_.write(lines_);
    lines_.clear();
  }
  return false;
}

}  // namespace cutwater::handler

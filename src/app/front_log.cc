#include "app/front_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "app/console_log.h"
#include "base/clock.h"
#include "base/text.h"

namespace cutwater::app {

namespace {

constexpr base::Duration kTellEvery = std::chrono::seconds(10);

// Of a pipe that several fronts write to another one may take the room that poll() promised. So ours is opened anew
// where we may: as it never blocks, the thread that writes can always be told to end.
base::FileDescriptor duplicate(int descriptor) {
  base::FileDescriptor own;
  struct stat status;
  if (fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode)) {
    const std::string path = fmt::format("/proc/self/fd/{}", descriptor);
    own = base::FileDescriptor(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  }
  return own.valid() ? std::move(own) : base::FileDescriptor(fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
}

size_t longest_of(std::string_view lines) {
  size_t longest = 0;
  while (!lines.empty()) {
    const size_t length = std::min(lines.find('\n'), lines.size() - 1) + 1;
    longest = std::max(longest, length);
    lines.remove_prefix(length);
  }
  return longest;
}

std::string timestamp() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z ", parts, now.tv_nsec / 1'000'000);
}

bool may_use_colour() {
  const char* no_colour = getenv("NO_COLOR");
  return no_colour == nullptr || *no_colour == '\0';
}

}  // namespace

base::Result<LogFiles> open_log_files(const config::Log& settings) {
  LogFiles files;
  if (settings.access == "stdout") {
    files.access = duplicate(STDOUT_FILENO);
  } else if (settings.access != "off") {
    auto opened = open_log_file(settings.access);
    if (!opened) return opened.error();
    files.access = std::move(*opened);
    files.access_is_file = true;
  }
  if (settings.error.empty() || settings.error == "stderr") {
    files.error = duplicate(STDERR_FILENO);
  } else {
    auto opened = open_log_file(settings.error);
    if (!opened) return opened.error();
    files.error = std::move(*opened);
    files.error_is_file = true;
  }
  return files;
}

FrontLog::FrontLog(base::Severity least, base::FileDescriptor file, bool json)
    : least_(least),
      json_(json),
      terminal_(isatty(file.get()) != 0),
      colour_(terminal_ && may_use_colour()),
      longest_line_(handler::longest_line(file.get())),
      writer_(std::move(file), [this](uint64_t lines, std::string_view) { lost_ += lines; }) {}

void FrontLog::write(base::Severity severity, std::string_view code, std::string_view text) {
  if (severity < least_) return;
  std::string block;
  if (const uint64_t lost = lost_.exchange(0); lost > 0) {
    block = complete(base::Severity::kWarning, "",
                     base::counted(lost, "line") + (lost == 1 ? " was" : " were") + " lost here: the log took no more");
  }
  writer_.write(block + fitting(severity, code, text));
}

void FrontLog::reopen(base::FileDescriptor file) {
  longest_line_ = handler::longest_line(file.get());
  writer_.reopen(std::move(file));
}

// No line is longer than what a pipe takes in one piece: else the text is cut.
std::string FrontLog::fitting(base::Severity severity, std::string_view code, std::string_view text) const {
  std::string block = complete(severity, code, text);
  const size_t limit = longest_line_;
  for (size_t longest = limit; longest > 0 && longest_of(block) > limit; longest /= 2) {
    block = complete(severity, code, std::string(base::leading_text(text, longest - longest / 8)) + "...");
  }
  return block;
}

std::string FrontLog::complete(base::Severity severity, std::string_view code, std::string_view text) const {
  if (json_) return ConsoleLog::format_json(severity, code, text);
  return (terminal_ ? std::string() : timestamp()) + ConsoleLog::format(severity, code, text, colour_);
}

LostLines::LostLines(io::Loop& loop, base::LogSink& log)
    : loop_(loop), log_(log), again_(loop.timers(), [this] { tell(); }) {}

LostLines::~LostLines() {
  tell();
}

void LostLines::add(uint64_t lines, std::string_view why) {
  const std::lock_guard lock(mutex_);
  if (untold_ == 0) {
    loop_.post([this] {
      if (!again_.armed()) tell();
    });
  }
  untold_ += lines;
  why_ = why;
}

void LostLines::tell() {
  std::unique_lock lock(mutex_);
  const uint64_t lines = std::exchange(untold_, 0);
  const std::string why = std::exchange(why_, {});
  lock.unlock();
  if (lines == 0) return;
  const std::string_view more = std::exchange(told_, true) ? "more " : "";
  log_.warning("CW0402", lines == 1 ? fmt::format("1 {}line of the access log was lost: {}", more, why)
                                    : fmt::format("{} {}lines of the access log were lost: {}", lines, more, why));
  again_.set(loop_.now() + kTellEvery);
}

}  // namespace cutwater::app

#include "app/console_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "config/error_codes.h"

namespace cutwater::app {
namespace {

// PIPE_BUF: what a pipe takes whole, in one piece, once poll() calls it writable.
constexpr size_t kPipePiece = 4096;

const char* name_of(base::Severity severity) {
  switch (severity) {
    case base::Severity::kDebug:
      return "debug";
    case base::Severity::kInfo:
      return "info";
    case base::Severity::kWarning:
      return "warning";
    case base::Severity::kError:
      break;
  }
  return "error";
}

const char* colour_of(base::Severity severity) {
  if (severity == base::Severity::kError) return "\x1b[1;31m";
  return severity == base::Severity::kWarning ? "\x1b[1;33m" : "\x1b[2m";
}

// RFC 3339 in UTC, milliseconds: "2025-03-01T12:00:00.123Z ".
std::string timestamp() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts;
  gmtime_r(&now.tv_sec, &parts);
  char text[40];
  size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::string stamp(text, length);
  const std::string milliseconds = std::to_string(1000 + now.tv_nsec / 1'000'000);
  return stamp + "." + milliseconds.substr(1) + "Z ";
}

// Control characters become \xHH, so that a text from elsewhere forges no line and moves no cursor; further lines
// are indented, as only the first one is a message of its own.
void append_block(std::string& to, std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const size_t control = c == '\t' ? 0 : base::control_length(text.substr(i));
    if (c == '\n') {
      to += "\n  ";
    } else if (control == 0) {
      to += c;
    } else {
      base::append_hex_escape(to, c);
      if (control == 2) base::append_hex_escape(to, text[++i]);
    }
  }
  to += '\n';
}

}  // namespace

base::Severity to_severity(std::string_view level) {
  if (level == "debug") return base::Severity::kDebug;
  if (level == "warning") return base::Severity::kWarning;
  return level == "error" ? base::Severity::kError : base::Severity::kInfo;
}

base::Error cannot_open_log(const std::string& path) {
  base::Error error = base::system_error("cannot open the log " + path);
  const std::string folder =
      path.find('/') == std::string::npos ? "." : path.substr(0, std::max<size_t>(path.rfind('/'), 1));
  switch (error.system_errno) {
    case ENOENT:
      error.message += "\nfix: create its folder: mkdir -p " + folder;
      break;
    case EACCES:
    case EROFS:
      error.message += "\nfix: choose a folder that this user may write to, or give it " + folder;
      break;
    case EISDIR:
      error.message += "\nfix: name a file in it: " + path + (path.ends_with('/') ? "" : "/") + "cutwater.log";
      break;
    case ELOOP:
      error.message += "\nfix: name the file itself; a log is never written through a symbolic link";
      break;
    default:
      break;
  }
  return error;
}

base::Result<base::FileDescriptor> open_log_file(const std::string& path) {
  base::FileDescriptor file(
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0640));
  if (!file.valid()) return cannot_open_log(path);
  struct stat status;
  if (fstat(file.get(), &status) != 0) return cannot_open_log(path);
  if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)) {
    return base::Error{"the log " + path + " is no file"};
  }
  return file;
}

ConsoleLog::ConsoleLog(base::Severity least, bool json) : least_(least), json_(json), terminal_(isatty(2) != 0) {
  const char* no_colour = getenv("NO_COLOR");
  colour_ = terminal_ && (no_colour == nullptr || *no_colour == '\0');
}

base::Result<void> ConsoleLog::open(ConsoleLog& log, const std::string& path) {
  if (path == "stderr" || path.empty()) return {};
  log.path_ = path;
  return log.reopen();
}

base::Result<void> ConsoleLog::reopen() {
  if (path_.empty()) return {};
  auto opened = open_log_file(path_);
  if (!opened) return opened.error();
  file_ = std::move(*opened);
  descriptor_ = file_.get();
  terminal_ = colour_ = false;
  return {};
}

std::string ConsoleLog::format(base::Severity severity, std::string_view code, std::string_view text, bool colour) {
  std::string block;
  if (severity != base::Severity::kInfo || !code.empty()) {
    if (colour) block += colour_of(severity);
    block += name_of(severity);
    if (!code.empty()) block.append("[").append(code).append("]");
    if (colour) block += "\x1b[0m";
    block += ' ';
  }
  append_block(block, text);
  if (severity == base::Severity::kError && config::find_error_code(code) != nullptr) {
    if (std::string fix = config::missing_fix(code, text); !fix.empty()) block.append("  ").append(fix).append("\n");
    block.append("  more: cutwater help ").append(code).append("\n");
  }
  return block;
}

std::string ConsoleLog::format_json(base::Severity severity, std::string_view code, std::string_view text) {
  std::string time = timestamp();
  time.pop_back();
  std::string whole(text);
  if (std::string fix = config::missing_fix(code, text); severity == base::Severity::kError && !fix.empty()) {
    whole.append("\n").append(fix);
  }
  nlohmann::ordered_json object = {{"time", time}, {"severity", name_of(severity)}};
  if (!code.empty()) object["code"] = code;
  object["text"] = whole;
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string ConsoleLog::complete(base::Severity severity, std::string_view code, std::string_view text) const {
  if (json_) return format_json(severity, code, text);
  return (terminal_ ? "" : timestamp()) + format(severity, code, text, colour_);
}

void ConsoleLog::write(base::Severity severity, std::string_view code, std::string_view text) {
  if (severity < least_) return;
  if (lost_ > 0) {
    std::string told;
    base::append_decimal(told, lost_);
    if (!put(complete(base::Severity::kWarning, "", told + " messages were lost here: the log took no more"))) {
      ++lost_;
      return;
    }
    lost_ = 0;
  }
  if (!put(complete(severity, code, text))) ++lost_;
}

// A file is written at once; a terminal or pipe only while it takes something, since our end of it may be
// shared and must not be made non-blocking.
bool ConsoleLog::put(std::string_view block) {
  while (!block.empty()) {
    pollfd ready{descriptor_, POLLOUT, 0};
    if (!file_.valid() && (poll(&ready, 1, 0) <= 0 || (ready.revents & POLLOUT) == 0)) return false;
    const size_t piece = file_.valid() ? block.size() : base::leading_lines(block, kPipePiece).size();
    const ssize_t written = ::write(descriptor_, block.data(), piece);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    block.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace cutwater::app

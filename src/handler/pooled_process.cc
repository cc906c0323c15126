#include "handler/pooled_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "base/text.h"

namespace cutwater::handler {

namespace {

constexpr int kBacklog = 16;  // one request at a time: what is more has been given up
constexpr size_t kLongestErrorLine = 1024;
constexpr size_t kReadPerTurn = 16 * 1024;
// A pipe holds 64 KiB, unless the process wanted more; and what it started may go on writing meanwhile.
constexpr size_t kReadAtEnd = 256 * 1024;
// What it had answered may be read for so long after its end, before that counts as its end at work.
constexpr base::Duration kForLastAnswer = std::chrono::seconds(1);
constexpr const char* kErrorStream = "CW0717";

upstream::PeerOptions peer_options() {
  upstream::PeerOptions options;
  options.max_fails = 0;  // whether it works is known by other means
  options.keepalive = 1;
  options.longest_idle = std::chrono::hours(24 * 365);
  return options;
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  std::memcpy(raw.sun_path, path.data(), std::min(path.size(), sizeof raw.sun_path - 1));
  return raw;
}

}  // namespace

PooledProcess::PooledProcess(Place place, uint64_t id)
    : place_(std::move(place)),
      id_(id),
      clock_(place_.loop.timers(), [this] { on_clock(); }),
      wake_(place_.loop.timers(), [this] {
        if (waiter_) std::exchange(waiter_, nullptr).resume();
      }) {}

PooledProcess::~PooledProcess() {
  if (!error_line_.empty()) write_error_line(error_line_);
}

// The file is gone before anybody else could look for it; who holds it open can still connect.
base::Result<void> PooledProcess::open(const std::string& directory) {
  const std::string path = fmt::format("{}/process-{}-{}", directory, getpid(), id_);
  if (directory.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return base::Error{"there is no folder for its socket: TMPDIR, /var/tmp and /tmp cannot be used"};
  }
  listening_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un raw = address_of(path);
  unlink(path.c_str());
  if (!listening_.valid() || bind(listening_.get(), reinterpret_cast<const sockaddr*>(&raw), sizeof raw) != 0) {
    return base::system_error("its socket " + path);
  }
  path_.reset(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  const int error = errno;
  unlink(path.c_str());
  if (!path_.valid()) return base::system_error("its socket", error);
  if (listen(listening_.get(), kBacklog) != 0) return base::system_error("its socket");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::system_error("pipe");
  errors_.reset(ends[0]);
  theirs_.emplace_back(fcntl(listening_.get(), F_DUPFD_CLOEXEC, 3));
  theirs_.emplace_back(ends[1]);
  if (!theirs_.front().valid() || fcntl(errors_.get(), F_SETFL, O_NONBLOCK) != 0) return base::system_error("its pipe");
  errors_watch_.emplace(place_.loop, errors_.get(), EPOLLIN, [this](uint32_t) { read_errors(kReadPerTurn); });
  set_pid(0);
  return {};
}

std::string PooledProcess::path_in_proc() const {
  return fmt::format("/proc/self/fd/{}", path_.get());
}

// Nobody has used the peer before the pid is known.
void PooledProcess::set_pid(pid_t pid) {
  upstream::PeerAddress address;
  address.text = pid == 0 ? "a process" : fmt::format("process {}", pid);
  const sockaddr_un raw = address_of(path_in_proc());
  std::memcpy(&address.raw, &raw, sizeof raw);
  address.length = sizeof raw;
  peer_ = std::make_shared<upstream::Peer>(place_.loop, std::move(address), peer_options());
  peer_->multiplexing().turn_off();
}

void PooledProcess::begin(std::string request, PooledProcessListener& listener) {
  request_ = std::move(request);
  listener_ = &listener;
  in_use_ = true;
  is_slow_ = timed_out_ = false;
  begun_ = true;
  began_ = place_.loop.now();
  held_ = {};
  held_since_ = base::kNever;
  set_clock();
}

void PooledProcess::set_clock() {
  if (ended_) return clock_.set(ended_at_ + kForLastAnswer);
  const bool looks_for_slow = place_.slow != base::Duration::zero() && !is_slow_;
  const base::Instant slow = looks_for_slow ? began_ + place_.slow : base::kNever;
  const base::Instant end = held_since_ == base::kNever ? began_ + held_ + place_.timeout : base::kNever;
  const base::Instant next = std::min(slow, end);
  next == base::kNever ? clock_.cancel() : clock_.set(next);
}

void PooledProcess::hold_time(bool hold) {
  if (!in_use_ || hold == (held_since_ != base::kNever)) return;
  if (hold) {
    held_since_ = place_.loop.now();
  } else {
    held_ += place_.loop.now() - std::exchange(held_since_, base::kNever);
  }
  set_clock();
}

void PooledProcess::on_clock() {
  if (ended_) {
    const bool answered = held_since_ != base::kNever;  // as far as we know: its client is slow to take what came
    return end_use(ended_cleanly_ && answered ? ProcessUse::kDone : ProcessUse::kLost);
  }
  const base::Instant now = place_.loop.now();
  if (place_.slow != base::Duration::zero() && !is_slow_ && now >= began_ + place_.slow) {
    is_slow_ = true;
    const double seconds = std::chrono::duration<double>(now - began_).count();
    place_.log.warning("CW0715", fmt::format("{}: {} has been running for {:.1f} s in {}\n"
                                             "fix: see what keeps it, or raise `slow` of the pool",
                                             place_.pool, request_, seconds, name()));
  }
  if (held_since_ != base::kNever || now < began_ + held_ + place_.timeout) return set_clock();
  timed_out_ = true;
  place_.owner.on_time_over(*this);
  if (listener_) std::exchange(listener_, nullptr)->on_process_time_over();  // whose end may be this one's
}

void PooledProcess::end_use(ProcessUse how) {
  if (!std::exchange(in_use_, false)) return;
  listener_ = nullptr;
  clock_.cancel();
  place_.owner.on_use_over(*this, how);
}

// The closed connection tells a PHP script that its client left: it ends at its next output, as behind any web server,
// unless ignore_user_abort() says otherwise. But nothing can be heard on it of when the process is done with it, and
// php-cgi takes FCGI_ABORT_REQUEST no notice of while a script runs. Only its next accept() says that.
void PooledProcess::finish(bool sent) {
  if (!in_use_) return;
  hold_time(false);
  listener_ = nullptr;
  if (!begun_) return end_use(ProcessUse::kNotBegun);
  if (ended_ || timed_out_ || !sent || !send_probe()) end_use(ProcessUse::kLost);
}

// A connection on which nothing is said but that it ends. It waits behind the other one, and whoever accepts it finds
// no request and closes it, be it php-cgi, libfcgi or another: no server of FastCGI counts that as a request.
bool PooledProcess::send_probe() {
  probe_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un raw = address_of(path_in_proc());
  if (!probe_.valid() || connect(probe_.get(), reinterpret_cast<const sockaddr*>(&raw), sizeof raw) != 0) return false;
  shutdown(probe_.get(), SHUT_WR);
  constexpr uint32_t kHangupAlone = 0;  // which is told unasked, at the end of both sides
  probe_watch_.emplace(place_.loop, probe_.get(), kHangupAlone, [this](uint32_t) { end_probe(ProcessUse::kDone); });
  return probe_watch_->valid();
}

void PooledProcess::end_probe(ProcessUse how) {
  probe_watch_.reset();
  probe_.reset();
  end_use(how);
}

void PooledProcess::set_ended(bool cleanly) {
  ended_ = true;
  ended_cleanly_ = cleanly;
  ended_at_ = place_.loop.now();
  find_what_has_not_begun();
  read_errors(kReadAtEnd);
  errors_watch_.reset();
  int unread = 0;
  if (ioctl(errors_.get(), FIONREAD, &unread) == 0 && unread > 0) {
    error_line_.resize(std::min(error_line_.size(), kLongestErrorLine / 2));
    write_error_line(fmt::format("{} [and {} more, dropped]", std::exchange(error_line_, {}),
                                 base::counted(static_cast<uint64_t>(unread), "byte")));
  }
  if (waiter_) wake_.set(base::Instant{0});
  if (probe_watch_) {
    end_probe(cleanly ? ProcessUse::kDone : ProcessUse::kLost);
  } else if (in_use_) {
    set_clock();
  }
}

// Whatever else may have the socket open is being ended: it must not block us.
void PooledProcess::find_what_has_not_begun() {
  fcntl(listening_.get(), F_SETFL, fcntl(listening_.get(), F_GETFL) | O_NONBLOCK);
  while (true) {
    const base::FileDescriptor waiting(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!waiting.valid()) break;
    begun_ = false;
  }
  listening_.reset();
}

void PooledProcess::Ended::await_suspend(std::coroutine_handle<> waiter) {
  process_.waiter_ = waiter;
  process_.wake_.set(process_.place_.loop.now() + patience_);
}

void PooledProcess::read_errors(size_t most) {
  for (size_t taken = 0; taken < most && errors_watch_;) {
    char buffer[4096];
    const ssize_t size = read(errors_.get(), buffer, sizeof buffer);
    if (size == 0) errors_watch_.reset();
    if (size <= 0) return;
    taken += static_cast<size_t>(size);
    error_line_.append(buffer, static_cast<size_t>(size));
    size_t begin = 0;
    for (size_t end = error_line_.find('\n'); end != std::string::npos; end = error_line_.find('\n', begin)) {
      write_error_line(std::string_view(error_line_).substr(begin, end - begin));
      begin = end + 1;
    }
    error_line_.erase(0, begin);
    if (error_line_.size() >= kLongestErrorLine) write_error_line(std::exchange(error_line_, {}));
  }
}

void PooledProcess::write_error_line(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  uint64_t dropped = 0;
  if (line.empty() || !place_.pace.take(dropped)) return;
  std::string text = fmt::format("{}: {}: {}", place_.pool, name(), line.substr(0, kLongestErrorLine));
  if (dropped > 0) text += fmt::format(" ({} of that second left out)", base::counted(dropped, "line"));
  place_.log.warning(kErrorStream, text);
}

}  // namespace cutwater::handler

// Opening listening sockets and naming addresses: what the master does at start.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "io/listener.h"

namespace cutwater::io {

namespace {

using base::Error;
using base::FileDescriptor;
using base::Result;
using base::system_error;

Error cannot_listen(std::string_view address, std::string_view why) {
  std::string text = "cannot listen on ";
  text.append(address).append(": ").append(why);
  return Error{text, 0};
}

Error cannot_listen(std::string_view address, int error) {
  return system_error("cannot listen on " + std::string(address), error);
}

Result<FileDescriptor> adopt(std::string_view address, std::string_view number) {
  const auto descriptor = base::parse_decimal(number);
  if (!descriptor || *descriptor > INT_MAX) return cannot_listen(address, "not a descriptor number");
  const int inherited = static_cast<int>(*descriptor);
  int listening = 0;
  socklen_t length = sizeof listening;
  if (getsockopt(inherited, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0) {
    return cannot_listen(address, errno);
  }
  if (!listening) return cannot_listen(address, "the inherited socket does not listen");
  fcntl(inherited, F_SETFD, FD_CLOEXEC);
  fcntl(inherited, F_SETFL, fcntl(inherited, F_GETFL) | O_NONBLOCK);
  return FileDescriptor(inherited);
}

std::optional<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof raw.sun_path) return std::nullopt;
  std::memcpy(raw.sun_path, path.data(), path.size());
  return raw;
}

// Held from looking at what has the name until it listens: of two servers that start in the same moment the second
// would take the first's socket for a stale one, as it listens only a moment after it has the name. A folder that
// cannot be locked, because somebody holds it or we may not read it, is no reason not to start.
FileDescriptor lock_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  FileDescriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  constexpr int kTries = 1000;
  constexpr timespec kBetween{0, 1'000'000};
  for (int i = 0; i < kTries && opened.valid() && flock(opened.get(), LOCK_EX | LOCK_NB) != 0; ++i) {
    nanosleep(&kBetween, nullptr);
  }
  return opened;
}

// Removes the socket file of a server that is gone. 0, or the errno that says why the name cannot be had.
int clear_stale_socket(const std::string& path, const sockaddr_un& raw) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(status.st_mode)) return EEXIST;
  FileDescriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return errno;
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&raw), sizeof raw) == 0) return EADDRINUSE;
  if (errno != ECONNREFUSED) return EADDRINUSE;  // EAGAIN: a server whose queue is full
  return unlink(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

Result<FileDescriptor> listen_unix(std::string_view address, std::string_view path_text, const ListenOptions& options) {
  const std::string path(path_text);
  const auto raw = unix_address(path);
  if (!raw) return cannot_listen(address, path.empty() ? "the path is empty" : "the path is too long (over 107 bytes)");
  const FileDescriptor lock = lock_folder_of(path);
  if (int error = clear_stale_socket(path, *raw); error != 0) return cannot_listen(address, error);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return cannot_listen(address, errno);
  // The mode must be right from the first moment, and chmod on a path may follow somebody's link: umask does
  // both.
  const mode_t before = umask(static_cast<mode_t>(~options.unix_mode & 0777));
  const int bound = bind(socket.get(), reinterpret_cast<const sockaddr*>(&*raw), sizeof *raw);
  const int error = errno;
  umask(before);
  if (bound != 0) return cannot_listen(address, error);
  const uid_t owner = options.unix_owner.value_or(static_cast<uid_t>(-1));
  const gid_t group = options.unix_group.value_or(static_cast<gid_t>(-1));
  const bool as_it_is = !options.unix_owner && !options.unix_group;
  if (!as_it_is && lchown(path.c_str(), owner, group) != 0) {
    const int refused = errno;
    unlink(path.c_str());
    return cannot_listen(address, refused);
  }
  if (listen(socket.get(), options.backlog) != 0) return cannot_listen(address, errno);
  return socket;
}

struct HostAndPort {
  std::string host;
  std::string port;
};

std::optional<HostAndPort> split_host_and_port(std::string_view address) {
  HostAndPort parts;
  std::string_view rest;
  if (address.starts_with('[')) {
    const size_t end = address.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    parts.host = address.substr(1, end - 1);
    rest = address.substr(end + 1);
  } else {
    const size_t colon = address.rfind(':');
    if (colon == std::string_view::npos || address.find(':') != colon) return std::nullopt;
    parts.host = address.substr(0, colon);
    rest = address.substr(colon);
  }
  if (!rest.starts_with(':')) return std::nullopt;
  const auto port = base::parse_decimal(rest.substr(1));
  if (!port || *port > 65535) return std::nullopt;
  parts.port = rest.substr(1);
  return parts;
}

Result<FileDescriptor> listen_at(std::string_view address, const addrinfo& place, int backlog) {
  FileDescriptor socket(::socket(place.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return cannot_listen(address, errno);
  const int on = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (place.ai_family == AF_INET6) setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(socket.get(), place.ai_addr, place.ai_addrlen) != 0) return cannot_listen(address, errno);
  if (listen(socket.get(), backlog) != 0) return cannot_listen(address, errno);
  return socket;
}

Result<FileDescriptor> listen_tcp(std::string_view address, const ListenOptions& options) {
  const auto parts = split_host_and_port(address);
  if (!parts) return cannot_listen(address, "expected host:port, :port, [address]:port, unix:/path or fd:number");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_family = parts->host.empty() ? AF_INET : AF_UNSPEC;
  addrinfo* found = nullptr;
  const char* host = parts->host.empty() ? nullptr : parts->host.c_str();
  if (int error = getaddrinfo(host, parts->port.c_str(), &hints, &found); error != 0) {
    return cannot_listen(address, gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> places(found, freeaddrinfo);
  // "localhost" may name ::1 first: IPv4 is preferred, since that is what "localhost:8000" is tried with by
  // all.
  for (const addrinfo* place = found; place; place = place->ai_next) {
    if (place->ai_family == AF_INET) return listen_at(address, *place, options.backlog);
  }
  return listen_at(address, *found, options.backlog);
}

}  // namespace

base::Result<base::FileDescriptor> open_listening_socket(std::string_view address, const ListenOptions& options) {
  if (address.starts_with("fd:")) return adopt(address, address.substr(3));
  if (address.starts_with("unix:")) return listen_unix(address, address.substr(5), options);
  return listen_tcp(address, options);
}

namespace {

// inet_ntop goes through printf, which is felt when each request has a connection of its own.
std::string ipv4_text(const unsigned char* bytes) {
  std::string text;
  for (int index = 0; index < 4; ++index) {
    if (index > 0) text += '.';
    base::append_decimal(text, bytes[index]);
  }
  return text;
}

}  // namespace

Address to_address(const sockaddr_storage& raw, socklen_t length) {
  Address address;
  if (raw.ss_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, &raw, sizeof ipv4);
    address.host = ipv4_text(reinterpret_cast<const unsigned char*>(&ipv4.sin_addr.s_addr));
    address.port = ntohs(ipv4.sin_port);
  } else if (raw.ss_family == AF_INET6) {
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, &raw, sizeof ipv6);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr);  // ::ffff:1.2.3.4 is the IPv4 client 1.2.3.4
    char text[INET6_ADDRSTRLEN];
    address.host =
        mapped ? ipv4_text(&ipv6.sin6_addr.s6_addr[12]) : inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text);
    address.port = ntohs(ipv6.sin6_port);
  } else {
    address.is_unix = true;
    constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);
    if (length <= kPathOffset) return address;
    sockaddr_un named;
    std::memcpy(&named, &raw, sizeof named);
    address.host.assign(named.sun_path, strnlen(named.sun_path, length - kPathOffset));
  }
  return address;
}

std::string to_text(const Address& address) {
  if (address.is_unix) return "unix:" + address.host;
  const bool ipv6 = address.host.find(':') != std::string::npos;
  std::string text = ipv6 ? "[" + address.host + "]" : address.host;
  text += ':';
  base::append_decimal(text, address.port);
  return text;
}

base::Result<Address> local_address_of(int socket) {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&raw), &length) != 0) return system_error("getsockname");
  return to_address(raw, length);
}

}  // namespace cutwater::io

#include "app/master_sockets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/listen_advice.h"
#include "io/listener.h"

namespace cutwater::app {
namespace {

std::string url_of(int socket, const std::string& address) {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&raw), &length) != 0) return address;
  const io::Address local = io::to_address(raw, length);
  if (local.is_unix) return "unix:" + local.host;
  const bool is_ipv6 = local.host.find(':') != std::string::npos;
  return fmt::format("http://{}:{}", is_ipv6 ? "[" + local.host + "]" : local.host, local.port);
}

}  // namespace

bool Sockets::open_listening(const config::Listen& listen, base::LogSink& log) {
  auto socket =
      io::open_listening_socket(listen.address, {.backlog = listen.backlog, .unix_mode = listen.mode});
  if (!socket) {
    log.error("CW0801", socket.error().message + listen_advice(listen.address, socket.error()));
    return false;
  }
  urls_.push_back(url_of(socket->get(), listen.address));
  struct stat status;
  if (const std::string path = urls_.back().starts_with("unix:/") ? urls_.back().substr(5) : "";
      listen.address.starts_with("unix:") && !path.empty() && lstat(path.c_str(), &status) == 0) {
    files_.push_back({path, status.st_dev, status.st_ino});
  }
  listening_.push_back(std::move(*socket));
  return true;
}

bool Sockets::open(const config::Config& config, base::LogSink& log) {
  bool all = true;
  for (const config::Listen& listen : config.listens) all &= open_listening(listen, log);
  for (const config::StaticRoute& route : config.static_routes) {
    base::FileDescriptor folder(::open(route.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid()) {
      log.error("CW0806",
                base::system_error(fmt::format("static files at {}: {}", route.prefix, route.root)).message);
      all = false;
    }
    static_roots_.push_back(std::move(folder));
  }
  return all;
}

void Sockets::remove_files() {
  for (const File& file : files_) {
    struct stat status;
    const bool ours =
        lstat(file.path.c_str(), &status) == 0 && status.st_dev == file.device && status.st_ino == file.inode;
    if (ours) unlink(file.path.c_str());
  }
  files_.clear();
}

}  // namespace cutwater::app

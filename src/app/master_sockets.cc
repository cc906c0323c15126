#include "app/master_sockets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "app/listen_advice.h"
#include "app/listen_options.h"
#include "config/checks.h"
#include "io/beneath.h"
#include "io/listener.h"

namespace cutwater::app {
namespace {

std::string url_of(int socket, const config::Listen& listen) {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&raw), &length) != 0) return listen.address;
  const io::Address local = io::to_address(raw, length);
  const bool http = listen.protocol == "http";
  if (local.is_unix) return fmt::format("unix:{}{}", local.host, http ? "" : " (" + listen.protocol + ")");
  const bool is_ipv6 = local.host.find(':') != std::string::npos;
  return fmt::format("{}://{}:{}", listen.protocol, is_ipv6 ? "[" + local.host + "]" : local.host, local.port);
}

// The address of an inherited socket is known only now.
std::string inherited_problem(int socket, const config::Listen& listen) {
  auto local = io::local_address_of(socket);
  if (!listen.address.starts_with("fd:") || !local || local->is_unix) return "";
  return config::trust_problem(listen, io::to_text(*local));
}

}  // namespace

bool Sockets::open_listening(const config::Listen& listen, const config::Config& config, base::LogSink& log) {
  const auto options = listen_options(listen, config);
  if (!options.ok()) {
    log.error("CW0801", "listen " + listen.address + ": " + options.error().message + "\nfix: correct owner or group");
    return false;
  }
  auto socket = open_listener(listen, options.value());
  if (!socket) {
    log.error("CW0801", socket.error().message + listen_advice(listen.address, socket.error()));
    return false;
  }
  if (std::string problem = inherited_problem(socket->get(), listen); !problem.empty()) {
    log.error("CW0115", problem);
    return false;
  }
  urls_.push_back(url_of(socket->get(), listen));
  if (listen.address.starts_with("unix:")) files_.add(listen.address.substr(5));
  listening_.push_back(std::move(*socket));
  return true;
}

bool Sockets::open(const config::Config& config, base::LogSink& log) {
  bool all = true;
  for (const config::Listen& listen : config.listens) all &= open_listening(listen, config, log);
  for (const RouteFolder& folder : route_folders(config)) all &= open_root(folder, log);
  return all;
}

// Whoever may switch a link must not come by folders that only root may enter.
std::vector<size_t> Sockets::reopen_roots(const config::Config& config, const supervise::Identity& front) {
  std::vector<size_t> others;
  const std::vector<RouteFolder> folders = route_folders(config);
  for (size_t number = 0; number < folders.size() && number < static_roots_.size(); ++number) {
    base::FileDescriptor& held = static_roots_[number];
    struct stat before, now;
    if (folders[number].is_run_by_us || !held.valid() || fstat(held.get(), &before) != 0 || before.st_uid == 0)
      continue;
    if (supervise::open_folder_as(front, folders[number].path)) continue;  // fronts follow it
    const supervise::Identity owner = supervise::identity_of(before.st_uid, before.st_gid);
    auto other = supervise::open_folder_as(owner, folders[number].path);
    if (!other || fstat(other->get(), &now) != 0) continue;
    if (before.st_dev == now.st_dev && before.st_ino == now.st_ino) continue;
    held = std::move(*other);
    others.push_back(number);
  }
  return others;
}

bool Sockets::open_root(const RouteFolder& folder, base::LogSink& log) {
  io::OpenOutcome found = io::find_folder(folder.path);
  base::FileDescriptor descriptor = std::move(found.file);
  const bool opened = descriptor.valid();
  if (!opened) {
    log.error("CW0806", base::system_error(folder.what + ": " + folder.path, found.error).message +
                            "\nfix: create the folder, or " + folder.fix);
  }
  static_roots_.push_back(std::move(descriptor));
  return opened;
}

}  // namespace cutwater::app

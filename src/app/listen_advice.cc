#include "app/listen_advice.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "app/port_holder.h"

namespace cutwater::app {
namespace {

std::string unix_advice(const std::string& path, int reason) {
  const std::string folder = path.substr(0, path.rfind('/'));
  switch (reason) {
    case ENOENT:
      if (access(folder.c_str(), F_OK) == 0) return "\nfix: choose another path; no socket can be made there";
      return "\nfix: create its folder: mkdir -p " + folder;
    case EEXIST:
      return "\n" + path + " is there and is no socket\nfix: move it away, or choose another path";
    case EACCES:
    case EROFS:
      return "\nfix: choose a folder this user may write to, or give it " + folder;
    case EPERM:
      return "\nonly root may give a socket to another user, and others only to a group of their own"
             "\nfix: start as root, or leave owner and group away";
    case EADDRINUSE:
      return "\na server answers on it\nfix: stop that server, or choose another path";
    default:
      return "\nfix: choose another path";
  }
}

std::string inherited_advice(const std::string& address, int reason) {
  struct stat status;
  const bool is_open = fstat(std::atoi(address.c_str() + 3), &status) == 0;
  const char* what = "\nno such descriptor was passed";
  if (is_open) what = "\nthat descriptor is no socket";
  if (is_open && reason == 0) what = "";
  return std::string(what) +
         "\nfix: fd:N is for whoever opens the socket and passes it on, such as a systemd .socket unit, "
         "whose first one is fd:3";
}

}  // namespace

std::string listen_advice(const std::string& address, const base::Error& error) {
  const int reason = error.system_errno;
  if (reason == EMFILE || reason == ENFILE) return "\nfix: raise the limit of open files (ulimit -n)";
  if (address.starts_with("unix:")) return unix_advice(address.substr(5), reason);
  if (address.starts_with("fd:")) return inherited_advice(address, reason);
  switch (reason) {
    case EADDRINUSE: {
      const std::optional<PortHolder> holder = find_port_holder(address);
      return holder ? taken_by(*holder) : "\nfix: stop the other server, or choose another address with -b";
    }
    case EACCES:
      return "\nfix: start as root, or choose a port above 1023";
    case EADDRNOTAVAIL:
      return "\nthis machine has no such address\nfix: choose one that `ip addr` shows, or " +
             address.substr(address.rfind(':')) + " for all of them";
    default:
      return "\nfix: choose another address with -b, such as 127.0.0.1:8000";
  }
}

}  // namespace cutwater::app

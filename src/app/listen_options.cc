#include "app/listen_options.h"

#include <grp.h>

#include "base/text.h"
#include "supervise/identity.h"

namespace cutwater::app {
namespace {

// A name or a number.
base::Result<gid_t> find_group(const std::string& group) {
  if (const struct group* entry = getgrnam(group.c_str())) return entry->gr_gid;
  const auto number = base::parse_decimal(group);
  if (number && *number < UINT32_MAX) return static_cast<gid_t>(*number);
  return base::Error{"there is no group " + group};
}

}  // namespace

base::Result<io::ListenOptions> listen_options(const config::Listen& listen) {
  io::ListenOptions options{.backlog = listen.backlog, .unix_mode = listen.mode};
  if (!listen.owner.empty()) {
    auto owner = supervise::find_identity(listen.owner);
    if (!owner) return owner.error();
    options.unix_owner = owner->user;
  }
  if (!listen.group.empty()) {
    auto group = find_group(listen.group);
    if (!group) return group.error();
    options.unix_group = *group;
  }
  return options;
}

}  // namespace cutwater::app

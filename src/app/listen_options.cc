#include "app/listen_options.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "app/front_identity.h"
#include "base/text.h"

namespace cutwater::app {
namespace {

using supervise::Identity;

constexpr int kEverybody = 0666;
constexpr int kOwnerAndGroup = 0660;
constexpr gid_t kNobodys = 65534;  // "nogroup": of daemons that have nothing in common

// A name or a number.
base::Result<gid_t> find_group(const std::string& group) {
  if (const struct group* entry = getgrnam(group.c_str())) return entry->gr_gid;
  const auto number = base::parse_decimal(group);
  if (number && *number < UINT32_MAX) return static_cast<gid_t>(*number);
  return base::Error{"there is no group " + group};
}

bool has_group(const Identity& user, gid_t group) {
  return std::find(user.groups.begin(), user.groups.end(), group) != user.groups.end();
}

bool all_have(const std::vector<Identity>& users, gid_t group) {
  return std::all_of(users.begin(), users.end(), [group](const Identity& user) { return has_group(user, group); });
}

// As the kernel has it of this process, whatever /etc/group says.
bool own_process_has_group(gid_t group) {
  std::vector<gid_t> groups(static_cast<size_t>(std::max(getgroups(0, nullptr), 0)));
  const int count = getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<size_t>(std::max(count, 0)));
  return getegid() == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

// The users whose programs PeerTrust lets in. Root needs no permission.
std::vector<Identity> trusted_users(const config::Listen& listen, const config::Config& config) {
  std::vector<Identity> users;
  for (const std::string& name : listen.trusted_users) {
    if (auto user = supervise::find_identity(name)) users.push_back(std::move(*user));
  }
  if (supervise::running_as_root()) {
    if (auto front = choose_front_identity(config)) users.push_back(std::move(*front));
  }
  std::erase_if(users, [](const Identity& user) { return user.user == 0; });
  return users;
}

// Who is not trusted need not reach the socket either, where a group can tell them apart (faults.md 92).
void choose_mode(io::ListenOptions& options, const config::Listen& listen, const config::Config& config) {
  options.unix_mode = kEverybody;
  const std::vector<std::string>& names = listen.trusted_users;
  if (listen.protocol == "http" || std::find(names.begin(), names.end(), "*") != names.end()) return;
  std::vector<Identity> users = trusted_users(listen, config);
  const uid_t owner = options.unix_owner.value_or(geteuid());
  std::erase_if(users, [owner](const Identity& user) { return user.user == owner; });
  if (!options.unix_group && !users.empty()) {
    options.unix_group = common_group(users);
    if (!options.unix_group) return;
    if (!supervise::running_as_root() && !own_process_has_group(*options.unix_group)) {
      options.unix_group.reset();
      return;
    }
  }
  if (users.empty() || all_have(users, *options.unix_group)) options.unix_mode = kOwnerAndGroup;
}

}  // namespace

std::optional<gid_t> common_group(const std::vector<Identity>& users) {
  if (users.empty()) return std::nullopt;
  std::vector<gid_t> candidates = users.front().groups;
  candidates.insert(candidates.begin(), users.front().group);
  std::erase(candidates, kNobodys);
  const auto shared =
      std::find_if(candidates.begin(), candidates.end(), [&users](gid_t group) { return all_have(users, group); });
  return shared == candidates.end() ? std::nullopt : std::optional(*shared);
}

base::Result<base::FileDescriptor> open_listener(const config::Listen& listen, const io::ListenOptions& options) {
  auto socket = io::open_listening_socket(listen.address, options);
  const bool chosen_here = !listen.mode && listen.group.empty() && options.unix_group;
  if (socket || !chosen_here) return socket;
  const int refused = socket.error().system_errno;
  if (refused != EPERM && refused != EINVAL) return socket;
  io::ListenOptions open_to_all = options;
  open_to_all.unix_group.reset();
  open_to_all.unix_mode = kEverybody;
  return io::open_listening_socket(listen.address, open_to_all);
}

base::Result<io::ListenOptions> listen_options(const config::Listen& listen, const config::Config& config) {
  io::ListenOptions options{.backlog = listen.backlog};
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
  if (listen.mode) {
    options.unix_mode = *listen.mode;
  } else {
    choose_mode(options, listen, config);
  }
  return options;
}

}  // namespace cutwater::app

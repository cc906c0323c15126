#include "supervise/identity.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "base/text.h"
#include "io/beneath.h"

namespace cutwater::supervise {
namespace {

std::vector<gid_t> groups_of(const char* name, gid_t group) {
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (getgrouplist(name, group, groups.data(), &count) < 0) groups.resize(static_cast<size_t>(count));
  groups.resize(static_cast<size_t>(count));
  return groups;
}

Identity from_entry(const passwd& entry) {
  return {entry.pw_uid, entry.pw_gid, groups_of(entry.pw_name, entry.pw_gid), entry.pw_name, entry.pw_dir};
}

Identity without_entry(uid_t user, gid_t group) {
  return {user, group, {group}, std::to_string(user), "/"};
}

base::Result<void> drop_capabilities() {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (syscall(SYS_capset, &header, none.data()) != 0) return base::system_error("cannot drop capabilities");
  return {};
}

base::Result<void> verify(const Identity& identity) {
  uid_t real_user, effective_user, saved_user;
  gid_t real_group, effective_group, saved_group;
  getresuid(&real_user, &effective_user, &saved_user);
  getresgid(&real_group, &effective_group, &saved_group);
  const bool all_changed = real_user == identity.user && effective_user == identity.user &&
                           saved_user == identity.user && real_group == identity.group &&
                           effective_group == identity.group && saved_group == identity.group;
  if (!all_changed) return base::Error{"the change to user " + identity.name + " did not take"};
  if (identity.user != 0 && (setuid(0) == 0 || seteuid(0) == 0)) {
    return base::Error{"root could be regained after the change to user " + identity.name};
  }
  return {};
}

}  // namespace

bool running_as_root() {
  return geteuid() == 0;
}

Identity current_identity() {
  if (const passwd* entry = getpwuid(geteuid())) return from_entry(*entry);
  return without_entry(geteuid(), getegid());
}

base::Result<Identity> find_identity(const std::string& user) {
  errno = 0;
  if (const passwd* entry = getpwnam(user.c_str())) return from_entry(*entry);
  if (auto number = base::parse_decimal(user); number && *number < static_cast<uid_t>(-1)) {
    const auto id = static_cast<uid_t>(*number);
    if (const passwd* entry = getpwuid(id)) return from_entry(*entry);
    return without_entry(id, id);
  }
  return base::Error{"there is no user \"" + user + "\"", ENOENT};
}

base::Result<Identity> identity_of_owner(const std::string& folder) {
  struct stat status;
  if (stat(folder.c_str(), &status) != 0) return base::system_error("cannot look at " + folder);
  return identity_of(status.st_uid, status.st_gid);
}

Identity identity_of(uid_t user, gid_t group) {
  if (const passwd* entry = getpwuid(user)) return from_entry(*entry);
  return without_entry(user, group);
}

base::Result<void> become(const Identity& identity) {
  if (geteuid() != 0) {
    if (geteuid() == identity.user) return {};
    return base::Error{"only root can change to user " + identity.name, EPERM};
  }
  if (setgroups(identity.groups.size(), identity.groups.data()) != 0) return base::system_error("setgroups");
  if (setresgid(identity.group, identity.group, identity.group) != 0) return base::system_error("setgid");
  if (setresuid(identity.user, identity.user, identity.user) != 0) return base::system_error("setuid");
  if (identity.user != 0) {
    if (auto dropped = drop_capabilities(); !dropped) return dropped;
  }
  return verify(identity);
}

namespace {

// What `act` gives, called with the rights of `identity`; errno is its own. Or why they cannot be taken.
template <class Act>
base::Result<int> with_rights_of(const Identity& identity, Act act) {
  if (geteuid() != 0 || identity.user == 0) return act();
  const gid_t own_group = getegid();
  std::vector<gid_t> own_groups(static_cast<size_t>(std::max(0, getgroups(0, nullptr))));
  if (getgroups(static_cast<int>(own_groups.size()), own_groups.data()) < 0) return base::system_error("getgroups");
  if (setgroups(identity.groups.size(), identity.groups.data()) != 0) return base::system_error("setgroups");
  if (setegid(identity.group) != 0) return base::system_error("setegid");
  if (seteuid(identity.user) != 0) return base::system_error("seteuid");
  const int outcome = act();
  const int error = errno;
  // A process that cannot become itself again has no rights left to do its work.
  if (seteuid(0) != 0 || setegid(own_group) != 0 || setgroups(own_groups.size(), own_groups.data()) != 0) _exit(1);
  errno = error;
  return outcome;
}

}  // namespace

base::Result<base::FileDescriptor> open_folder_as(const Identity& identity, const std::string& folder) {
  int error = 0;
  auto outcome = with_rights_of(identity, [&] {
    io::OpenOutcome found = io::find_folder(folder);
    error = found.error;
    return found.file.release();
  });
  if (!outcome) return outcome.error();
  base::FileDescriptor opened(*outcome);
  if (!opened.valid()) return base::system_error("cannot open " + folder, error);
  return opened;
}

base::Result<void> may_connect_as(const Identity& identity, const std::string& path) {
  auto outcome = with_rights_of(identity, [&] { return faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS); });
  if (!outcome) return outcome.error();
  if (*outcome != 0) return base::system_error("cannot open " + path);
  return {};
}

}  // namespace cutwater::supervise

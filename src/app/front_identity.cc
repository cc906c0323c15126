#include "app/front_identity.h"

#include <grp.h>
#include <sys/prctl.h>

#include <algorithm>
#include <vector>

namespace cutwater::app {

namespace {

std::vector<uid_t> users_of_programs(const config::Config& config) {
  std::vector<uid_t> users;
  for (const config::App& app : config.apps) {
    auto identity = app.user.empty() ? supervise::identity_of_owner(app.root) : supervise::find_identity(app.user);
    if (identity) users.push_back(identity->user);
  }
  for (const config::Route& route : config.routes) {
    if (route.kind != config::Route::Kind::kCgi) continue;
    auto identity = route.cgi.user.empty() ? supervise::identity_of_owner(route.cgi.root)
                                           : supervise::find_identity(route.cgi.user);
    if (identity) users.push_back(identity->user);
  }
  for (const config::Pool& pool : config.pools) {
    auto identity = pool.user.empty() ? supervise::identity_of_owner(pool.root) : supervise::find_identity(pool.user);
    if (identity) users.push_back(identity->user);
  }
  return users;
}

void limit_groups(supervise::Identity& identity) {
  identity.groups = {identity.group};
  if (const group* web = getgrnam("www-data")) identity.groups.push_back(web->gr_gid);
}

}  // namespace

base::Result<supervise::Identity> choose_front_identity(const config::Config& config) {
  const std::vector<uid_t> taken = users_of_programs(config);
  const std::vector<std::string> candidates =
      config.front_user.empty() ? std::vector<std::string>{"cutwater", "nobody"} : std::vector{config.front_user};
  std::string why = "none of the users it may have exists";
  for (const std::string& name : candidates) {
    auto identity = supervise::find_identity(name);
    if (!identity) {
      if (!config.front_user.empty()) why = identity.error().message;
      continue;
    }
    if (identity->user == 0) {
      why = "it never runs as root";
    } else if (std::find(taken.begin(), taken.end(), identity->user) != taken.end()) {
      why = "user " + name + " is an app's, a script's or a pool's";
    } else {
      limit_groups(*identity);
      return std::move(*identity);
    }
  }
  return base::Error{
      "the front has no user of its own: " + why +
      "\nfix: adduser --system --group cutwater, or set front_user to a user that no app, script or pool has"};
}

base::Result<std::optional<supervise::Identity>> identity_of_fronts(const config::Config& config) {
  if (supervise::running_as_root()) {
    auto chosen = choose_front_identity(config);
    if (!chosen) return chosen.error();
    return std::optional(std::move(*chosen));
  }
  const supervise::Identity self = supervise::current_identity();
  const std::string& asked = config.front_user;
  if (asked.empty() || asked == self.name || asked == std::to_string(self.user)) {
    return std::optional<supervise::Identity>();
  }
  return base::Error{"front_user = \"" + asked + "\" needs cutwater to be started as root; it runs as " + self.name +
                     "\nfix: remove the setting, or start cutwater as root"};
}

base::Result<void> check_front_identity(const std::optional<supervise::Identity>& front, const config::Config& config) {
  if (auto chosen = identity_of_fronts(config); !chosen) return chosen.error();
  if (!front) return {};
  const std::vector<uid_t> taken = users_of_programs(config);
  if (std::find(taken.begin(), taken.end(), front->user) == taken.end()) return {};
  return base::Error{
      "the front has no user of its own: until the next restart it runs as " + front->name +
      ", and that is an app's, a script's or a pool's user now\nfix: give them another user, or restart"};
}

base::Result<void> drop_to_front_identity(const std::optional<supervise::Identity>& identity) {
  if (identity) {
    if (auto became = supervise::become(*identity); !became) {
      return base::Error{"the front cannot become user " + identity->name + ": " + became.error().message +
                         "\nfix: start as an ordinary user, or with CAP_SETUID and CAP_SETGID"};
    }
  }
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0);
  return {};
}

}  // namespace cutwater::app

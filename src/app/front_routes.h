// FrontRoutes: the configured routes of a front, made into handlers: static folders, servers behind us, CGI scripts,
// and the apps that FrontApps has.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/followed_folders.h"
#include "app/front_apps.h"
#include "app/front_pools.h"
#include "base/file_descriptor.h"
#include "config/model.h"
#include "handler/authorizer.h"
#include "handler/cgi.h"
#include "handler/gateway.h"
#include "handler/health_checks.h"
#include "handler/named_files.h"
#include "handler/router.h"
#include "handler/server_names.h"
#include "handler/static_files.h"
#include "upstream/peer_group.h"

namespace cutwater::app {

struct RouteServices {
  handler::Router& router;
  io::Loop& loop;
  io::Offload& offload;
  handler::SpoolArea& spool;
  handler::ScriptRunner& runner;
  FrontPools& pools;
  base::LogSink& log;
  const std::string& instance;  // make_instance_name() of the master
  bool tells = true;            // what all fronts notice alike: one of them does
};

// What this server calls itself in what it passes on: how a request that came back is known. No other has it, also not
// one with the same host name and process number, as containers have.
std::string make_instance_name();

class FrontRoutes {
 public:
  // The services outlive this. No exchange may be running when it ends.
  explicit FrontRoutes(const RouteServices& services) : services_(services) {}

  // Looks the servers' names up, which may block: before the loop runs. `static_roots` are as
  // Sockets::static_roots() says; a folder that is not valid has no route, or one that answers 503 where it is guarded:
  // what is not there must not be looked for behind another guard, or none. Of idle connections to servers no more than
  // `most_kept` are kept in all.
  void add(const config::Config& config, std::vector<base::FileDescriptor> static_roots, FrontApps& apps,
           size_t most_kept);

  // Of the folder with this number the master has opened another.
  void offer_root(size_t number, base::FileDescriptor folder) { followed_.offer(number, std::move(folder)); }

  // Servers behind us work on for requests that are answered.
  size_t late_ends() const;

 private:
  handler::Guard* guard_of(const config::Route& route, const config::Config& config);
  message::Handler* handler_of(const config::Route& route, const config::Config& config, FrontApps& apps);
  handler::Gateway* gateway_to(const config::ProxyRoute& route, const config::Config& config,
                               std::unique_ptr<handler::ScriptFolder> scripts, codec::fastcgi::Role role);
  handler::StaticFiles* files_beside(const std::string& strip);
  void note_scripts(const config::Config& config);
  message::Handler* cgi_of(const config::Route& route, const config::Config& config);
  std::unique_ptr<handler::ScriptFolder> scripts_of(handler::ScriptOptions options);
  std::unique_ptr<handler::NamedFiles> named_files_of(const std::string& owner, const config::FolderMap& folders);
  // nullptr: it could not be opened.
  handler::SharedFolder root(size_t number) const { return number < roots_.size() ? roots_[number] : nullptr; }
  handler::Gateway* gateway_for(handler::GatewayOptions options, upstream::PeerGroup& group,
                                std::unique_ptr<handler::ScriptFolder> scripts);
  upstream::PeerGroup& group_of(const config::ProxyRoute& route, const config::Upstream& upstream);
  void check(upstream::PeerGroup& group, const config::ProxyRoute& route, const config::Upstream::Check& check);

  RouteServices services_;
  std::vector<std::shared_ptr<handler::RootFolder>> roots_;  // by their numbers
  size_t next_script_root_ = 0;
  size_t next_named_root_ = 0;
  unsigned next_cgi_ = 0;  // what the spawner calls the next one's scripts
  handler::ScriptGuard scripts_;
  size_t most_kept_each_ = 0;  // connections to one server
  std::vector<std::unique_ptr<handler::StaticFiles>> folders_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<upstream::PeerGroup>> groups_;  // protocol, name
  std::vector<std::unique_ptr<handler::ServerNames>> names_;                                    // before the groups go
  std::vector<std::unique_ptr<handler::HealthChecks>> checks_;                                  // before the groups go
  std::vector<std::unique_ptr<handler::Guard>> guards_;
  std::vector<std::unique_ptr<message::Handler>> stand_ins_;  // for handlers that cannot be had
  std::vector<std::unique_ptr<handler::Cgi>> cgis_;
  std::vector<std::unique_ptr<handler::Gateway>> gateways_;  // before the groups go
  FollowedFolders followed_{services_.loop, services_.offload, services_.log};
};

}  // namespace cutwater::app

// FileReader: goes through the document once and writes down what it says. Private to the reading of files:
// config_file.cc has the sections, file_routes.cc the sites, file_auth.cc authorizers and filters, file_gateways.cc the
// servers behind us, file_pools.cc the processes that we run ourselves, file_cgi.cc scripts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/reporter.h"
#include "config/settings.h"

namespace cutwater::config {

class FileReader {
 public:
  FileReader(const Document& document, Config& config, Reporter& reporter)
      : document_(document), source_(document.source()), config_(config), reporter_(reporter) {}

  void read_top(const Node& table, const Listen& listen_defaults, const App& app_defaults);

 private:
  using Keys = std::vector<std::string>;

  // False: a value was refused.
  bool read_section(Section section, const Node& table, Scope scope, const std::string& later_name,
                    const std::string& title, const std::string& name, const Keys& more = {});
  void read_listens(const Entry& entry, const Listen& defaults);
  void check_listen_keys(const Node& item, const Listen& listen);
  void read_apps(const Entry& entry, const App& defaults);
  void read_sites(const Entry& entry);
  void read_route(const Node& route);
  const Entry* one_answer(const Node& route);
  bool refuse_foreign(const Entry& entry);
  bool read_match(const Node& match, Route& route);
  void warn_of_encoding(const Entry& path, const Route& route);
  bool read_answer(const Entry& answer, Route& route);
  void read_auth(const Entry& entry, Route& route);
  bool check_auth_variables(const Entry& auth, const Route& route);
  std::optional<ProxyRoute> read_role(const Entry& entry, const Route& route, const std::string& program,
                                      std::string_view more = {});
  bool read_filter(const Entry& entry, Route& route);
  bool read_static(const Entry& entry, Route& route);
  bool finish_static(RouteDraft draft, const Node& files, Route& route);
  bool read_cgi(const Entry& entry, Route& route);
  bool read_proxy(const Entry& entry, Route& route);
  bool check_scripts(const Entry& answer, const ProxyRoute& proxy);
  void look_for_fallback(const Entry& answer, const ProxyRoute& proxy);
  bool find_upstream(const Entry& answer, const std::string& to, Position position, ProxyRoute& proxy);
  void read_upstreams(const Entry& entry);
  void read_pools(const Entry& entry);
  bool use_pool(const Entry& answer, const std::string& pool, Position position, ProxyRoute& proxy);
  void check_pools();
  void check_upstreams();
  void read_check(const Entry& entry, Upstream& upstream);
  void check_app_names();
  void check_order();
  void check_protocols();
  void check_servers(const Upstream& upstream, const Node& list);
  std::string match_line(size_t route) const;
  void refuse(const Entry& entry, Section section, const std::string& later_name, const std::string& title,
              const Keys& known);
  bool expect(const Node& node, Node::Type type, const std::string& name, const std::string& fix);
  void warning(std::string_view code, Position position, const std::string& what, const std::string& fix) {
    reporter_.warning_at(code, source_, position, what, fix);
  }
  void error(std::string_view code, Position position, const std::string& what, const std::string& fix = "") {
    reporter_.error_at(code, source_, position, what, fix);
  }

  const Document& document_;
  const Source source_;
  Config& config_;
  Reporter& reporter_;
  std::vector<Position> app_positions_;    // of the routes to apps, in their order
  std::vector<Position> match_positions_;  // of all routes
  struct UpstreamUse {
    std::string upstream;
    std::string answer;  // "proxy", "fastcgi", ...
    std::string what;    // for messages
    Position position;
  };
  std::vector<UpstreamUse> upstream_uses_;
  std::vector<Position> pool_positions_;      // of Config::pools
  std::vector<Position> upstream_positions_;  // of [upstream.NAME], with which Config::upstreams begins
};

inline std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

// Whether that key of a route says who answers.
bool is_answer(std::string_view key);

// What may name an app or an upstream.
bool is_name(const std::string& name);

}  // namespace cutwater::config

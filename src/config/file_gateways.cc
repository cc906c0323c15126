// What proxy, fastcgi, scgi and uwsgi of a route say, and the upstreams they name.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "config/address.h"
#include "config/closest.h"
#include "config/file_reader.h"
#include "config/project_files.h"
#include "config/route_pattern.h"

namespace cutwater::config {
namespace {

constexpr const char* kOtherProtocol = ": is a server of another protocol";

std::string server_example(const std::string& protocol) {
  return protocol == "proxy" ? "\"http://127.0.0.1:9000\"" : "\"127.0.0.1:9000\"";
}

}  // namespace

bool FileReader::read_proxy(const Entry& entry, Route& route) {
  const std::string& word = entry.key;
  const std::string example = word + " = { to = " + server_example(word) + " }";
  const Section section = word == "proxy" ? Section::kProxy : Section::kGateway;
  route.kind = Route::Kind::kProxy;
  if (!expect(entry.node, Node::Type::kTable, word, example)) return false;
  ProxyDraft draft;
  Scope scope{.proxy = &draft};
  store_defaults(section, scope);
  if (word != "proxy") draft.protocol = word;
  read_section(section, entry.node, scope, section == Section::kProxy ? "proxy" : "gateway", word + " = {...}", word);
  const Entry* to = entry.node.find("to");
  if (to == nullptr) {
    error("CW0109", entry.position, word + " does not say where to", example);
    return false;
  }
  if (draft.to.empty()) {
    if (to->node.type == Node::Type::kText) error("CW0103", to->node.position, word + ".to: is empty", example);
    return false;
  }
  const std::string whole = route.path.substr(0, route.path.rfind('/'));
  const bool fits = draft.strip.empty() || (whole + "/").starts_with(draft.strip + "/");
  if (!route.path.empty() && !fits) {
    error("CW0103", entry.node.find("strip")->node.position,
          word + ".strip: " + quoted(draft.strip) + " is not the beginning of match.path " + quoted(pattern_of(route)) +
              ", or is all of it",
          whole.empty() ? "leave strip away" : "leave strip away, or write strip = " + quoted(whole));
    return false;
  }
  if (section == Section::kGateway && !check_scripts(entry, draft)) return false;
  if (!find_upstream(entry, draft.to, to->node.position, draft)) return false;
  if (const Entry* root = entry.node.find("root")) route.place = place_of(source_, root->node.position);
  route.proxy = static_cast<ProxyRoute&>(draft);
  return true;
}

bool FileReader::check_scripts(const Entry& answer, const ProxyRoute& proxy) {
  for (const char* key : {"root", "real_root", "index", "split", "files", "fallback"}) {
    const Entry* entry = answer.node.find(key);
    if (entry == nullptr || (answer.key == "fastcgi" && (entry->key == "root" || !proxy.root.empty()))) continue;
    const bool other = answer.key != "fastcgi";
    error("CW0103", entry->position, answer.key + "." + key + ": " + (other ? "is for fastcgi alone" : "needs root"),
          other ? "remove it; such a server knows what to run" : "name the folder of the scripts: root = \"/srv/php\"");
    return false;
  }
  for (const auto& [key, value] : {std::pair("index", proxy.index), std::pair("split", proxy.split)}) {
    const bool is_name = !value.empty() && value.find('/') == std::string::npos;
    if (is_name && proxy.index.ends_with(proxy.split)) continue;
    const Entry* entry = answer.node.find(key);
    if (is_name && entry == nullptr) continue;
    error(
        "CW0103", entry->position,
        answer.key + "." + key + ": " +
            (is_name ? quoted(proxy.index) + " does not end in " + quoted(proxy.split) : "is no part of a file's name"),
        "write for example index = \"index.php\", split = \".php\"");
    return false;
  }
  const bool is_script = proxy.fallback.starts_with('/') && proxy.fallback.ends_with(proxy.split);
  if (!proxy.fallback.empty() && !is_script) {
    error("CW0103", answer.node.find("fallback")->position,
          answer.key + ".fallback: " + quoted(proxy.fallback) + " is no path of a script below root",
          "write for example fallback = " + quoted("/index" + proxy.split));
    return false;
  }
  if (!proxy.fallback.empty()) look_for_fallback(answer, proxy);
  return true;
}

// It may come later, with a deployment. Where there is no root that is told when it is to be opened.
void FileReader::look_for_fallback(const Entry& answer, const ProxyRoute& proxy) {
  struct stat status;
  if (stat(proxy.root.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return;
  const bool is_missing = stat((proxy.root + proxy.fallback).c_str(), &status) != 0 && errno == ENOENT;
  if (!is_missing) return;
  warning("CW0123", answer.node.find("fallback")->node.position,
          answer.key + ".fallback: there is no " + proxy.root + proxy.fallback +
              "; until there is one, what is no file or script below root is 404",
          "correct fallback or root, or put the script there");
}

// An upstream of that name, or one made for the single server.
bool FileReader::find_upstream(const Entry& answer, const std::string& to, Position position, ProxyRoute& proxy) {
  const std::string setting = answer.key + ".to: ";
  std::vector<std::string> known;
  for (const Upstream& upstream : config_.upstreams) known.push_back(upstream.name);
  const auto use = [&](const std::string& upstream) {
    proxy.upstream = upstream;
    upstream_uses_.push_back({upstream, answer.key, setting + quoted(to), position});
    return true;
  };
  if (std::find(known.begin(), known.end(), to) != known.end()) return use(to);
  for (const Pool& pool : config_.pools) {
    if (pool.name == to) return use_pool(answer, to, position, proxy);
    if (answer.key == "fastcgi") known.push_back(pool.name);
  }
  if (is_name(to)) {
    const std::string near = closest(to, known);
    const std::string or_pool = answer.key == "fastcgi" && !config_.pools.empty() ? " and no [pool." + to + "]" : "";
    error("CW0103", position, setting + "there is no [upstream." + to + "]" + or_pool,
          near.empty() ? "write that section, or an address: to = " + server_example(answer.key)
                       : "did you mean " + quoted(near) + "?");
    return false;
  }
  if (answer.key != "proxy" && (to.starts_with("http://") || to.starts_with("https://"))) {
    error("CW0103", position, setting + quoted(to) + kOtherProtocol,
          "write " + server_example(answer.key) + ", or proxy = {...} for one that speaks HTTP");
    return false;
  }
  const ServerAddress server = parse_server(to);
  if (!server.problem.empty()) {
    error(server.is_later ? "CW0106" : "CW0103", position, setting + quoted(to) + ": " + server.problem,
          server_advice(to, answer.key));
    return false;
  }
  Upstream single;
  Scope scope{.upstream = &single};
  store_defaults(Section::kUpstream, scope);
  single.name = server.address;
  if (single.name.starts_with("unix:")) single.name = "unix:" + absolute_path(document_.folder, single.name.substr(5));
  if (std::find(known.begin(), known.end(), single.name) != known.end()) return use(single.name);
  single.servers.push_back({single.name, 1, server.is_url});
  config_.upstreams.push_back(std::move(single));
  return use(config_.upstreams.back().name);
}

// A server speaks one protocol: that of its "http://", else that of the route that names it first.
void FileReader::check_protocols() {
  for (auto use = upstream_uses_.begin(); use != upstream_uses_.end(); ++use) {
    const auto first = std::find_if(upstream_uses_.begin(), use,
                                    [&](const UpstreamUse& other) { return other.upstream == use->upstream; });
    const auto upstream = std::find_if(config_.upstreams.begin(), config_.upstreams.end(),
                                       [&](const Upstream& other) { return other.name == use->upstream; });
    const bool is_http = std::any_of(upstream->servers.begin(), upstream->servers.end(),
                                     [](const Server& server) { return server.is_url; });
    const bool is_section = is_name(upstream->name);
    if (is_http && is_section && use->answer != "proxy") {
      error("CW0103", use->position, use->what + kOtherProtocol,
            "write its servers without \"http://\", or proxy = {...} for those that speak HTTP");
    } else if (!(is_http && is_section) && first->answer != use->answer) {
      error("CW0103", use->position,
            use->what + kOtherProtocol + ": by line " + std::to_string(first->position.line) + " it is asked by " +
                first->answer,
            "write " + first->answer + " = {...} here too, or the address of another server");
    }
  }
}

void FileReader::read_upstreams(const Entry& entry) {
  const std::string fix = "name it: [upstream.api]";
  if (!expect(entry.node, Node::Type::kTable, "upstream", fix)) return;
  for (const Entry& named : entry.node.entries) {
    const bool is_setting = find_setting(Section::kUpstream, named.key) != nullptr;
    if (is_setting && named.node.type != Node::Type::kTable) {
      error("CW0102", named.position, "upstream." + named.key + ": an upstream needs a name",
            "write [upstream.api] instead of [upstream]");
      continue;
    }
    if (!expect(named.node, Node::Type::kTable, "upstream." + named.key, fix)) continue;
    if (!is_name(named.key)) {
      error("CW0103", named.position, quoted(named.key) + " cannot name an upstream",
            "use up to 64 letters, digits, \"-\" and \"_\"");
      continue;
    }
    Upstream& upstream = config_.upstreams.emplace_back();
    upstream.name = named.key;
    upstream_positions_.push_back(named.position);
    Scope scope{.upstream = &upstream};
    store_defaults(Section::kUpstream, scope);
    read_section(Section::kUpstream, named.node, scope, "upstream", section_title(Section::kUpstream, named.key),
                 "upstream." + named.key, {"check"});
    if (const Entry* check = named.node.find("check")) read_check(*check, upstream);
    upstream.keepalive_written = named.node.find("keepalive") != nullptr;
    const Entry* servers = named.node.find("servers");
    if (servers != nullptr) check_servers(upstream, servers->node);
    const bool is_misspelt = std::any_of(named.node.entries.begin(), named.node.entries.end(), [](const Entry& other) {
      return closest(other.key, {"servers"}) == "servers";
    });
    if (servers == nullptr && !is_misspelt) {
      error("CW0109", named.position, "[upstream." + named.key + "] has no servers",
            "servers = [\"http://10.0.0.5:8000\"]");
    }
  }
}

void FileReader::check_upstreams() {
  if (reporter_.failed()) return;  // a route that could not be read may name it
  for (size_t number = 0; number < upstream_positions_.size(); ++number) {
    const std::string& name = config_.upstreams[number].name;
    const auto uses = [&name](const UpstreamUse& use) { return use.upstream == name; };
    if (std::any_of(upstream_uses_.begin(), upstream_uses_.end(), uses)) continue;
    warning("CW0119", upstream_positions_[number], "[upstream." + name + "] is used by no route",
            "write proxy = { to = " + quoted(name) + " }, or fastcgi, scgi or uwsgi, in a route, or remove it");
  }
}

// `list` is where they are written; when something there is wrong there are none.
void FileReader::check_servers(const Upstream& upstream, const Node& list) {
  for (size_t i = 0; i < upstream.servers.size(); ++i) {
    const std::string& address = upstream.servers[i].address;
    const auto same = [&](const Server& server) { return server.address == address; };
    if (std::none_of(upstream.servers.begin(), upstream.servers.begin() + static_cast<ptrdiff_t>(i), same)) continue;
    warning("CW0118", list.items[i].position,
            "upstream." + upstream.name + ".servers: " + quoted(address) + " is there twice",
            "remove one; { url = " + quoted(address) + ", weight = 2 } gets twice as many requests");
  }
}

void FileReader::read_check(const Entry& entry, Upstream& upstream) {
  const std::string name = "upstream." + upstream.name + ".check";
  const std::string example = "check = { path = \"/readyz\" }";
  if (!expect(entry.node, Node::Type::kTable, name, example)) return;
  Scope scope{.upstream = &upstream};
  store_defaults(Section::kCheck, scope);
  read_section(Section::kCheck, entry.node, scope, "check", section_title(Section::kCheck), name);
  const Entry* path = entry.node.find("path");
  if (path == nullptr) {
    error("CW0109", entry.position, name + " has no path", example);
    return;
  }
  const std::string& text = upstream.check.path;
  const bool is_target = text.starts_with('/') && std::all_of(text.begin(), text.end(),
                                                              [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
  if (!is_target && path->node.type == Node::Type::kText) {
    error("CW0103", path->node.position, name + ".path: " + quoted(text) + " is no URL path", example);
  }
}

}  // namespace cutwater::config

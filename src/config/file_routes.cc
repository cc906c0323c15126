// The sites of a configuration file: routes, and the upstreams they name.
#include <algorithm>
#include <array>

#include "config/closest.h"
#include "config/file_reader.h"
#include "config/later.h"
#include "config/project_files.h"

namespace cutwater::config {
namespace {

constexpr std::array<std::string_view, 7> kAnswers = {"app", "static", "proxy", "cgi", "fastcgi", "scgi", "uwsgi"};
constexpr const char* kRouteTitle = "[[site.route]]";
constexpr const char* kAnswerExample = "app = \"web\", static = { root = \"...\" } or proxy = { to = \"...\" }";

std::string server_example(const std::string& protocol) {
  return protocol == "proxy" ? "\"http://127.0.0.1:9000\"" : "\"127.0.0.1:9000\"";
}

bool is_answer(std::string_view key) {
  return std::find(kAnswers.begin(), kAnswers.end(), key) != kAnswers.end();
}

// "/static/*", "/*", or a whole path. False: neither.
bool parse_pattern(const std::string& pattern, Route& route) {
  const bool is_prefix = pattern.ends_with("/*");
  route.exact = !is_prefix;
  route.path = is_prefix ? pattern.substr(0, pattern.size() - 1) : pattern;
  const std::string with_end = route.path + "/";
  return pattern.starts_with('/') && route.path.find_first_of("*?#") == std::string::npos &&
         route.path.find("//") == std::string::npos && with_end.find("/./") == std::string::npos &&
         with_end.find("/../") == std::string::npos;
}

}  // namespace

void FileReader::read_sites(const Entry& entry) {
  if (!expect(entry.node, Node::Type::kList, "site", "write [[site]] with two brackets")) return;
  if (entry.node.items.size() > 1) {
    error("CW0106", entry.node.items[1].position, "several [[site]] are known, not in this version",
          "put all routes into one");
  }
  for (const Node& site : entry.node.items) {
    if (!expect(site, Node::Type::kTable, "site", "write [[site]] with two brackets")) continue;
    for (const Entry& key : site.entries) {
      if (key.key != "route") {
        refuse(key, Section::kTop, "site", "[[site]]", {"route"});
      } else if (expect(key.node, Node::Type::kList, "site.route", "write [[site.route]] with two brackets")) {
        for (const Node& route : key.node.items) read_route(route);
      }
    }
  }
}

void FileReader::read_route(const Node& node) {
  if (!expect(node, Node::Type::kTable, "site.route", "write [[site.route]] with two brackets")) return;
  const Entry* match = node.find("match");
  const Entry* answer = one_answer(node);
  if (match == nullptr && answer != nullptr) {
    error("CW0109", node.position, "[[site.route]] has no match", "match = { path = \"/static/*\" }");
  }
  Route route;
  const bool matched = match != nullptr && read_match(match->node, route);
  const Entry* auth = node.find("auth");
  if (auth != nullptr) route.auth = read_role(*auth, route, "an authorizer");
  const bool guarded = auth == nullptr || route.auth;
  if (answer == nullptr || !read_answer(*answer, route) || !matched || !guarded) return;
  const Entry* filter = node.find("filter");
  if (filter != nullptr && !read_filter(*filter, route)) return;
  for (const Route& other : config_.routes) {
    if (other.path != route.path || other.exact != route.exact) continue;
    error("CW0108", answer->node.position, "two routes match " + quoted(pattern_of(route)), "remove one");
    return;
  }
  if (route.kind == Route::Kind::kApp) app_positions_.push_back(answer->node.position);
  config_.routes.push_back(std::move(route));
}

// The key that says who answers, when there is one and no other.
const Entry* FileReader::one_answer(const Node& route) {
  const Entry* answer = nullptr;
  bool other_kind = false;
  for (const Entry& entry : route.entries) {
    if (entry.key == "match" || entry.key == "auth" || entry.key == "filter") continue;
    if (!is_answer(entry.key)) {
      other_kind = other_kind || is_later_key("route", entry.key);
      refuse(entry, Section::kStatic, "route", kRouteTitle,
             {"match", "auth", "filter", "app", "static", "proxy", "cgi", "fastcgi", "scgi", "uwsgi"});
    } else if (answer != nullptr) {
      error("CW0108", entry.position, "this route has both " + answer->key + " and " + entry.key,
            "say who answers once, in a route each");
      return nullptr;
    } else {
      answer = &entry;
    }
  }
  if (answer == nullptr && !other_kind) {
    error("CW0109", route.position, "[[site.route]] does not say what answers", kAnswerExample);
  }
  return answer;
}

bool FileReader::read_match(const Node& match, Route& route) {
  const std::string example = "match = { path = \"/static/*\" }";
  if (!expect(match, Node::Type::kTable, "match", example)) return false;
  for (const Entry& entry : match.entries) {
    if (entry.key != "path") refuse(entry, Section::kStatic, "match", "match = {...}", {"path"});
  }
  const Entry* path = match.find("path");
  if (path == nullptr) {
    if (match.entries.empty()) error("CW0109", match.position, "match is empty", example);
    return false;
  }
  if (!expect(path->node, Node::Type::kText, "match.path", example)) return false;
  if (parse_pattern(path->node.text, route)) return true;
  error("CW0103", path->node.position,
        "match.path: " + quoted(path->node.text) + " is neither a path nor one that ends in \"/*\"", example);
  return false;
}

bool FileReader::read_answer(const Entry& answer, Route& route) {
  if (answer.key == "static") return read_static(answer, route);
  if (answer.key == "cgi") return read_cgi(answer, route);
  if (answer.key != "app") return read_proxy(answer, route);
  route.kind = Route::Kind::kApp;
  if (!expect(answer.node, Node::Type::kText, "app", "app = \"web\"")) return false;
  route.app = answer.node.text;
  return true;
}

// Once all is read. Without any [app.NAME] there is one app, "web".
void FileReader::check_app_names() {
  std::vector<std::string> known;
  for (const App& app : config_.apps) known.push_back(app.name);
  if (known.empty()) known.emplace_back("web");
  auto position = app_positions_.begin();
  for (const Route& route : config_.routes) {
    if (route.kind != Route::Kind::kApp) continue;
    const Position at = *position++;
    if (std::find(known.begin(), known.end(), route.app) != known.end()) continue;
    const std::string near = closest(route.app, known);
    error(
        "CW0103", at, "app: there is no [app." + route.app + "]",
        near.empty() ? "write that section, or app = " + quoted(known.front()) : "did you mean " + quoted(near) + "?");
  }
}

// auth = { fastcgi = {...} }, filter likewise. `program` is what FastCGI calls it.
std::optional<ProxyRoute> FileReader::read_role(const Entry& entry, const Route& route, const std::string& program) {
  const std::string& word = entry.key;
  const std::string example = word + " = { fastcgi = { to = \"127.0.0.1:9000\" } }";
  if (!expect(entry.node, Node::Type::kTable, word, example)) return std::nullopt;
  for (const Entry& key : entry.node.entries) {
    if (key.key != "fastcgi") refuse(key, Section::kStatic, word, word + " = {...}", {"fastcgi"});
  }
  const Entry* fastcgi = entry.node.find("fastcgi");
  if (fastcgi == nullptr) {
    if (entry.node.entries.empty()) error("CW0109", entry.position, word + " is empty", example);
    return std::nullopt;
  }
  Route asked;
  asked.path = route.path;
  if (!read_proxy(*fastcgi, asked)) return std::nullopt;
  for (const auto& [key, why] : {std::pair("root", " knows what to run"), std::pair("sendfile", " names no files")}) {
    const Entry* found = fastcgi->node.find(key);
    if (found == nullptr) continue;
    error("CW0103", found->position, word + ".fastcgi." + key + ": " + program + why, std::string("remove ") + key);
    return std::nullopt;
  }
  return asked.proxy;
}

bool FileReader::read_filter(const Entry& entry, Route& route) {
  if (route.kind != Route::Kind::kStatic) {
    error("CW0108", entry.position, "filter: is for the files of static alone",
          "remove it, or say static = { root = \"...\" }");
    return false;
  }
  route.filter = read_role(entry, route, "a filter");
  return route.filter.has_value();
}

bool FileReader::read_static(const Entry& entry, Route& route) {
  route.kind = Route::Kind::kStatic;
  RouteDraft draft;
  Scope scope{.route = &draft};
  store_defaults(Section::kStatic, scope);
  if (!expect(entry.node, Node::Type::kTable, "static", "static = { root = \"...\" }")) return false;
  read_section(Section::kStatic, entry.node, scope, "static", "static = {...}", "static");
  if (entry.node.find("root") == nullptr) {
    error("CW0109", entry.position, "static has no root", "static = { root = \"...\" }");
    return false;
  }
  if (route.path.empty()) return false;  // the match was refused
  return finish_static(std::move(draft), entry.node, route);
}

// The model looks for what follows `prefix` in `root`. What `strip` leaves of the prefix is therefore part of the root.
bool FileReader::finish_static(RouteDraft draft, const Node& files, Route& route) {
  draft.prefix = route.path.substr(0, route.path.rfind('/') + 1);
  std::string whole = draft.prefix.substr(0, draft.prefix.size() - 1);
  std::string strip = draft.strip.value_or(whole);
  bool fits = whole.starts_with(strip) && (whole.size() == strip.size() || whole[strip.size()] == '/');
  if (!fits) {
    error("CW0103", files.find("strip")->node.position,
          "static.strip: " + quoted(strip) + " is not the beginning of match.path " + quoted(pattern_of(route)),
          "leave strip away, or write strip = " + quoted(whole));
    return false;
  }
  draft.root += whole.substr(strip.size());
  if (draft.index.find('/') != std::string::npos) {
    error("CW0103", files.find("index")->node.position, "static.index: takes a file name, not a path");
    return false;
  }
  route.static_route = config_.static_routes.size();
  config_.static_routes.push_back(static_cast<StaticRoute&>(draft));
  return true;
}

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
          word + ".strip: " + quoted(draft.strip) + " is not the beginning of match.path " + quoted(pattern_of(route)),
          whole.empty() ? "leave strip away" : "leave strip away, or write strip = " + quoted(whole));
    return false;
  }
  if (section == Section::kGateway && !check_scripts(entry, draft)) return false;
  if (!find_upstream(entry, draft.to, to->node.position, draft)) return false;
  route.proxy = static_cast<ProxyRoute&>(draft);
  return true;
}

bool FileReader::check_scripts(const Entry& answer, const ProxyRoute& proxy) {
  for (const char* key : {"root", "index", "split", "files", "fallback"}) {
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
  return true;
}

// An upstream of that name, or one made for the single server.
bool FileReader::find_upstream(const Entry& answer, const std::string& to, Position position, ProxyRoute& proxy) {
  const std::string setting = answer.key + ".to: ";
  std::vector<std::string> known;
  for (const Upstream& upstream : config_.upstreams) known.push_back(upstream.name);
  proxy.upstream = to;
  if (std::find(known.begin(), known.end(), to) != known.end()) return true;
  if (is_name(to)) {
    const std::string near = closest(to, known);
    error("CW0103", position, setting + "there is no [upstream." + to + "]",
          near.empty() ? "write that section, or an address: to = " + server_example(answer.key)
                       : "did you mean " + quoted(near) + "?");
    return false;
  }
  if (answer.key != "proxy" && (to.starts_with("http://") || to.starts_with("https://"))) {
    error("CW0103", position, setting + quoted(to) + ": is a server of another protocol",
          "write " + server_example(answer.key) + ", or proxy = {...} for one that speaks HTTP");
    return false;
  }
  const ServerAddress server = parse_server(to);
  if (!server.problem.empty()) {
    error(server.is_later ? "CW0106" : "CW0103", position, setting + quoted(to) + ": " + server.problem,
          "write " + server_example(answer.key) + ", \"unix:/run/api.sock\" or the name of an [upstream.NAME]");
    return false;
  }
  Upstream single;
  Scope scope{.upstream = &single};
  store_defaults(Section::kUpstream, scope);
  single.name = server.address;
  if (single.name.starts_with("unix:")) single.name = "unix:" + absolute_path(document_.folder, single.name.substr(5));
  proxy.upstream = single.name;
  if (std::find(known.begin(), known.end(), single.name) != known.end()) return true;
  single.servers.push_back({single.name});
  config_.upstreams.push_back(std::move(single));
  return true;
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
    Scope scope{.upstream = &upstream};
    store_defaults(Section::kUpstream, scope);
    read_section(Section::kUpstream, named.node, scope, "upstream", section_title(Section::kUpstream, named.key),
                 "upstream." + named.key, {"check"});
    if (const Entry* check = named.node.find("check")) read_check(*check, upstream);
    upstream.keepalive_written = named.node.find("keepalive") != nullptr;
    if (named.node.find("servers") == nullptr) {
      error("CW0109", named.position, "[upstream." + named.key + "] has no servers",
            "servers = [\"http://10.0.0.5:8000\"]");
    }
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

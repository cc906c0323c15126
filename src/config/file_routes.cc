// The sites of a configuration file and their routes; file_gateways.cc has what asks other servers, file_auth.cc what
// stands beside an answer.
#include <algorithm>
#include <array>

#include "config/address.h"
#include "config/closest.h"
#include "config/file_reader.h"
#include "config/later.h"
#include "config/project_files.h"
#include "config/route_pattern.h"
#include "message/target.h"

namespace cutwater::config {
namespace {

constexpr std::array<std::string_view, 7> kAnswers = {"app", "static", "proxy", "cgi", "fastcgi", "scgi", "uwsgi"};
constexpr const char* kRouteTitle = "[[site.route]]";
constexpr const char* kAnswerExample =
    "app = \"web\", static = { root = \"...\" }, proxy = { to = \"...\" }, cgi = { dir = \"...\" }, or fastcgi, scgi "
    "or uwsgi = { to = \"...\" "
    "}";

}  // namespace

bool is_answer(std::string_view key) {
  return std::find(kAnswers.begin(), kAnswers.end(), key) != kAnswers.end();
}

void FileReader::read_sites(const Entry& entry) {
  if (!expect(entry.node, Node::Type::kList, "site",
              "write [[site]] with two brackets, and each [[site.route]] below it"))
    return;
  if (entry.node.items.size() > 1) {
    error("CW0106", entry.node.items[1].position, "several [[site]] are known, not in this version",
          "put all routes into one");
  }
  for (const Node& site : entry.node.items) {
    if (!expect(site, Node::Type::kTable, "site", "write [[site]] with two brackets, and each [[site.route]] below it"))
      continue;
    for (const Entry& key : site.entries) {
      if (key.key != "route") {
        refuse(key, Section::kTop, "site", "[[site]]", {"route"});
      } else if (expect(key.node, Node::Type::kList, "site.route", "write [[site.route]] with two brackets")) {
        for (const Node& route : key.node.items) read_route(route);
      }
    }
  }
  check_order();
  check_protocols();
}

void FileReader::read_route(const Node& node) {
  if (!expect(node, Node::Type::kTable, "site.route", "write [[site.route]] with two brackets")) return;
  const Entry* match = node.find("match");
  const Entry* answer = one_answer(node);
  if (match == nullptr && answer != nullptr && node.find("path") == nullptr) {
    error("CW0109", node.position, "[[site.route]] has no match", "match = { path = \"/static/*\" }");
  }
  Route route;
  const bool matched = match != nullptr && read_match(match->node, route);
  const Entry* auth = node.find("auth");
  if (auth != nullptr) read_auth(*auth, route);
  const bool guarded = auth == nullptr || route.auth;
  if (answer == nullptr || !read_answer(*answer, route) || !matched || !guarded) return;
  if (auth != nullptr && !check_auth_variables(*auth, route)) return;
  const Entry* filter = node.find("filter");
  if (filter != nullptr && !read_filter(*filter, route)) return;
  for (size_t i = 0; i < config_.routes.size(); ++i) {
    const Route& other = config_.routes[i];
    if (other.path != route.path || other.exact != route.exact) continue;
    error("CW0108", match->position,
          "two routes match " + quoted(pattern_of(route)) + ", this one and that of line " + match_line(i),
          "remove one");
    return;
  }
  if (route.kind == Route::Kind::kApp) app_positions_.push_back(answer->node.position);
  match_positions_.push_back(match->position);
  config_.routes.push_back(std::move(route));
}

std::string FileReader::match_line(size_t route) const {
  return std::to_string(match_positions_[route].line);
}

// The first route that takes a path answers it: one that an earlier, wider one leaves nothing does not do what somebody
// wrote it for. Where it has an authorizer, that guards nothing.
void FileReader::check_order() {
  for (size_t later = 1; later < config_.routes.size(); ++later) {
    const Route& route = config_.routes[later];
    for (size_t earlier = 0; earlier < later; ++earlier) {
      if (!takes_all_of(config_.routes[earlier], route)) continue;
      const std::string line = match_line(earlier);
      const std::string what = "the route " + quoted(pattern_of(route)) + " is never reached" +
                               (route.auth ? ", nor is its auth asked" : "") + ": " +
                               quoted(pattern_of(config_.routes[earlier])) + " of line " + line +
                               " takes all that it could, and the first route that takes a path answers it";
      const std::string fix = "move it above the one of line " + line + ", or remove it";
      if (route.auth) {
        error("CW0116", match_positions_[later], what, fix);
      } else {
        warning("CW0116", match_positions_[later], what, fix);
      }
      break;
    }
  }
}

// The key that says who answers, when there is one and no other.
const Entry* FileReader::one_answer(const Node& route) {
  const Entry* answer = nullptr;
  bool other_kind = false;
  for (const Entry& entry : route.entries) {
    if (entry.key == "match" || entry.key == "auth" || entry.key == "filter") continue;
    if (!is_answer(entry.key)) {
      other_kind = other_kind || is_later_key("route", entry.key);
      if (refuse_foreign(entry)) {
        other_kind = other_kind || entry.key != "path";
        continue;
      }
      const Keys known = {"match", "auth", "filter", "app", "static", "proxy", "cgi", "fastcgi", "scgi", "uwsgi"};
      other_kind = other_kind || is_answer(closest(entry.key, known));
      refuse(entry, Section::kStatic, "route", kRouteTitle, known);
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

// What another program would call it here: nginx's fastcgi_pass, or the path without match.
bool FileReader::refuse_foreign(const Entry& entry) {
  const std::string written = entry.node.type == Node::Type::kText ? entry.node.text : "";
  const std::string unknown = "unknown key " + quoted(entry.key) + " in " + kRouteTitle;
  if (entry.key == "path") {
    Route ignored;
    const bool is_pattern = parse_pattern(written, ignored);
    error("CW0101", entry.position, unknown,
          "write match = { path = " + quoted(is_pattern ? written : meant_pattern(written)) + " }");
    return true;
  }
  for (const std::string answer : {"proxy", "fastcgi", "scgi", "uwsgi"}) {
    if (entry.key != answer + "_pass") continue;
    const std::string server = is_name(written) ? written : meant_server(written, answer);
    error("CW0101", entry.position, unknown,
          "write " + answer + " = { to = " + quoted(server.empty() ? "..." : server) + " }");
    return true;
  }
  return false;
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
  const std::string& written = path->node.text;
  const std::string meant = "match = { path = " + quoted(meant_pattern(written)) + " }";
  if (!parse_pattern(written, route)) {
    const bool is_script = written.find(".php") != std::string::npos;
    error("CW0103", path->node.position,
          "match.path: " + quoted(written) + " is neither a path nor one that ends in \"/*\"",
          meant + (is_script ? "; fastcgi = { root = \"...\" } asks for scripts alone" : ""));
    return false;
  }
  if (route.exact && route.path.size() > 1 && route.path.ends_with('/')) {
    warning("CW0117", path->node.position,
            "match.path: " + quoted(written) + " takes that path alone, nothing below it", meant);
  }
  warn_of_encoding(*path, route);
  return true;
}

void FileReader::warn_of_encoding(const Entry& path, const Route& route) {
  std::string decoded;
  if (message::decode_path(route.path, decoded).error != nullptr || decoded == route.path) return;
  warning("CW0122", path.node.position,
          "match.path: " + quoted(path.node.text) + " is compared with paths that are decoded: it does not take " +
              quoted(decoded) + ", but a client would have to send \"%25\" for each \"%\"",
          "match = { path = " + quoted(decoded + (route.exact ? "" : "*")) + " }");
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
          "static.strip: " + quoted(strip) + " is not the beginning of match.path " + quoted(pattern_of(route)) +
              ", or is all of it",
          "leave strip away, or write strip = " + quoted(whole));
    return false;
  }
  draft.root += whole.substr(strip.size());
  if (draft.index.find('/') != std::string::npos) {
    error("CW0103", files.find("index")->node.position, "static.index: takes a file name, not a path");
    return false;
  }
  draft.place = place_of(source_, files.find("root")->node.position);
  route.static_route = config_.static_routes.size();
  config_.static_routes.push_back(static_cast<StaticRoute&>(draft));
  return true;
}

}  // namespace cutwater::config

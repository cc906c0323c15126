#include "config/config_file.h"

#include <algorithm>

#include "config/closest.h"
#include "config/later.h"
#include "config/settings.h"

namespace cutwater::config {
namespace {

constexpr const char* kTopLevel = "the top level";

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

// " in [limits]"
std::string at(const std::string& title) {
  return (title == kTopLevel ? " at " : " in ") + title;
}

bool is_app_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
             std::string::npos;
}

// match.path of a static route: "/static/*" or "/*". Gives "/static/", or "" when it is something else.
std::string prefix_of_pattern(const std::string& pattern) {
  if (!pattern.starts_with('/') || !pattern.ends_with("/*")) return "";
  std::string prefix = pattern.substr(0, pattern.size() - 1);
  bool plain = prefix.find_first_of("*?#") == std::string::npos && prefix.find("//") == std::string::npos &&
               prefix.find("/./") == std::string::npos && prefix.find("/../") == std::string::npos;
  return plain ? prefix : "";
}

class FileReader {
 public:
  FileReader(const Document& document, Config& config, Reporter& reporter)
      : document_(document), source_(document.source()), config_(config), reporter_(reporter) {}

  void read_top(const Node& table, const Listen& listen_defaults, const App& app_defaults);

 private:
  using Keys = std::vector<std::string>;

  void read_section(Section section, const Node& table, Scope scope, const std::string& later_name,
                    const std::string& title, const std::string& name, const Keys& more = {});
  void read_listens(const Entry& entry, const Listen& defaults);
  void read_apps(const Entry& entry, const App& defaults);
  void read_sites(const Entry& entry);
  void read_route(const Node& route);
  bool read_match(const Node& match, RouteDraft& draft);
  void finish_route(RouteDraft draft, const Node& route);
  void refuse(const Entry& entry, Section section, const std::string& later_name, const std::string& title,
              const Keys& known);
  bool expect(const Node& node, Node::Type type, const std::string& name, const std::string& fix);
  void error(std::string_view code, Position position, const std::string& what, const std::string& fix = "") {
    reporter_.error_at(code, source_, position, what, fix);
  }

  const Document& document_;
  const Source source_;
  Config& config_;
  Reporter& reporter_;
};

bool FileReader::expect(const Node& node, Node::Type type, const std::string& name, const std::string& fix) {
  if (node.type == type) return true;
  error("CW0102", node.position,
        name + ": takes " + std::string(type_name(type)) + ", not " + std::string(type_name(node.type)), fix);
  return false;
}

// A key nobody reads: not in this version, or meant for another section, or mistyped.
void FileReader::refuse(const Entry& entry, Section section, const std::string& later_name, const std::string& title,
                        const Keys& known) {
  if (is_later_key(later_name, entry.key)) {
    error("CW0106", entry.position, quoted(entry.key) + at(title) + " is known, not in this version",
          later_fix(later_name, entry.key));
    return;
  }
  std::string message = "unknown key " + quoted(entry.key) + at(title);
  std::string near = closest(entry.key, known);
  if (!near.empty()) message += "; did you mean " + quoted(near) + "?";
  std::string fix = near.empty() ? "remove it; cutwater help settings lists what there is" : "write " + quoted(near);
  for (const Setting& setting : settings()) {
    if (near.empty() && setting.section != section && setting.key == entry.key) {
      fix = "it belongs in " + section_title(setting.section);
    }
  }
  error("CW0101", entry.position, message, fix);
}

void FileReader::read_section(Section section, const Node& table, Scope scope, const std::string& later_name,
                              const std::string& title, const std::string& name, const Keys& more) {
  Keys known = more;
  for (const Setting& setting : settings()) {
    if (setting.section == section) known.emplace_back(setting.key);
  }
  for (const Entry& entry : table.entries) {
    if (const Setting* setting = find_setting(section, entry.key)) {
      std::string full = name.empty() ? entry.key : name + "." + entry.key;
      store_value(*setting, entry.node, scope, source_, document_.folder, full, reporter_);
    } else if (std::find(more.begin(), more.end(), entry.key) == more.end()) {
      refuse(entry, section, later_name, title, known);
    }
  }
}

void FileReader::read_top(const Node& table, const Listen& listen_defaults, const App& app_defaults) {
  Scope scope{.config = &config_};
  read_section(Section::kTop, table, scope, "", kTopLevel, "", {"listen", "app", "limits", "log", "shutdown", "site"});
  for (const Entry& entry : table.entries) {
    const auto table_section = [&](Section section) {
      if (!expect(entry.node, Node::Type::kTable, entry.key, "write [" + entry.key + "] and its keys below it")) return;
      read_section(section, entry.node, scope, entry.key, section_title(section), entry.key);
    };
    if (entry.key == "limits") table_section(Section::kLimits);
    if (entry.key == "log") table_section(Section::kLog);
    if (entry.key == "shutdown") table_section(Section::kShutdown);
    if (entry.key == "listen") read_listens(entry, listen_defaults);
    if (entry.key == "app") read_apps(entry, app_defaults);
    if (entry.key == "site") read_sites(entry);
  }
}

void FileReader::read_listens(const Entry& entry, const Listen& defaults) {
  if (!expect(entry.node, Node::Type::kList, "listen", "write [[listen]] with two brackets")) return;
  for (const Node& item : entry.node.items) {
    if (!expect(item, Node::Type::kTable, "listen", "write [[listen]] with two brackets")) continue;
    Listen& listen = config_.listens.emplace_back(defaults);
    read_section(Section::kListen, item, Scope{.listen = &listen}, "listen", "[[listen]]", "listen");
  }
}

void FileReader::read_apps(const Entry& entry, const App& defaults) {
  if (!expect(entry.node, Node::Type::kTable, "app", "name the app: [app.web]")) return;
  for (const Entry& named : entry.node.entries) {
    const Setting* setting = find_setting(Section::kApp, named.key);
    if (setting != nullptr && named.node.type != Node::Type::kTable) {
      error("CW0102", named.position, "app." + named.key + ": an app needs a name", "write [app.web] instead of [app]");
      continue;
    }
    if (!expect(named.node, Node::Type::kTable, "app." + named.key,
                "write [app." + named.key + "] and its keys below")) {
      continue;
    }
    if (!is_app_name(named.key)) {
      error("CW0103", named.position, quoted(named.key) + " cannot name an app",
            "use up to 64 letters, digits, \"-\" and \"_\"");
      continue;
    }
    App& app = config_.apps.emplace_back(defaults);
    app.name = named.key;
    app.root = document_.folder;
    read_section(Section::kApp, named.node, Scope{.app = &app}, "app", section_title(Section::kApp, named.key),
                 "app." + named.key);
  }
}

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

void FileReader::read_route(const Node& route) {
  if (!expect(route, Node::Type::kTable, "site.route", "write [[site.route]] with two brackets")) return;
  bool other_kind = false;
  for (const Entry& entry : route.entries) {
    if (entry.key == "match" || entry.key == "static") continue;
    other_kind = other_kind || is_later_key("route", entry.key);
    refuse(entry, Section::kStatic, "route", "[[site.route]]", {"match", "static"});
  }
  const Entry* match = route.find("match");
  const Entry* files = route.find("static");
  if (match == nullptr && !other_kind) {
    error("CW0109", route.position, "[[site.route]] has no match", "match = { path = \"/static/*\" }");
  }
  if (files == nullptr && !other_kind) {
    error("CW0109", route.position, "[[site.route]] does not say what answers", "static = { root = \"...\" }");
  }
  if (match == nullptr || files == nullptr) return;
  RouteDraft draft;
  Scope scope{.route = &draft};
  store_defaults(Section::kStatic, scope);
  bool matched = read_match(match->node, draft);
  if (!expect(files->node, Node::Type::kTable, "static", "static = { root = \"...\" }")) return;
  read_section(Section::kStatic, files->node, scope, "static", "static = {...}", "static");
  if (files->node.find("root") == nullptr) {
    error("CW0109", files->position, "static has no root", "static = { root = \"...\" }");
  } else if (matched) {
    finish_route(std::move(draft), files->node);
  }
}

bool FileReader::read_match(const Node& match, RouteDraft& draft) {
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
  draft.prefix = prefix_of_pattern(path->node.text);
  if (draft.prefix.empty()) {
    error("CW0103", path->node.position,
          "match.path: " + quoted(path->node.text) + " is not a path that ends in \"/*\"", example);
    return false;
  }
  return true;
}

// The model looks for what follows `prefix` in `root`. What `strip` leaves of the prefix is therefore part of the root.
void FileReader::finish_route(RouteDraft draft, const Node& files) {
  std::string whole = draft.prefix.substr(0, draft.prefix.size() - 1);
  std::string strip = draft.strip.value_or(whole);
  bool fits = whole.starts_with(strip) && (whole.size() == strip.size() || whole[strip.size()] == '/');
  if (!fits) {
    error("CW0103", files.find("strip")->node.position,
          "static.strip: " + quoted(strip) + " is not the beginning of match.path " + quoted(draft.prefix + "*"),
          "leave strip away, or write strip = " + quoted(whole));
    return;
  }
  draft.root += whole.substr(strip.size());
  if (draft.index.find('/') != std::string::npos) {
    error("CW0103", files.find("index")->node.position, "static.index: takes a file name, not a path");
    return;
  }
  for (const StaticRoute& other : config_.static_routes) {
    if (other.prefix == draft.prefix) {
      error("CW0108", files.position, "two routes match " + quoted(draft.prefix + "*"), "remove one");
      return;
    }
  }
  config_.static_routes.push_back(static_cast<StaticRoute&>(draft));
}

}  // namespace

void apply_file(const Document& document, const Node& table, const Listen& listen_defaults, const App& app_defaults,
                Config& config, Reporter& reporter) {
  FileReader(document, config, reporter).read_top(table, listen_defaults, app_defaults);
}

}  // namespace cutwater::config

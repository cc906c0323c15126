#include "config/config_file.h"

#include <algorithm>

#include "config/closest.h"
#include "config/file_reader.h"
#include "config/later.h"
#include "config/settings.h"

namespace cutwater::config {
namespace {

constexpr const char* kTopLevel = "the top level";

// " in [limits]"
std::string at(const std::string& title) {
  return (title == kTopLevel ? " at " : " in ") + title;
}

// [web] for [app.web].
bool is_app_section(const Entry& entry) {
  const auto& inner = entry.node.entries;
  return is_name(entry.key) && entry.node.type == Node::Type::kTable &&
         std::any_of(inner.begin(), inner.end(),
                     [](const Entry& each) { return find_setting(Section::kApp, each.key) != nullptr; });
}

std::vector<std::string> keys_of(Section section) {
  std::vector<std::string> keys;
  for (const Setting& setting : settings()) {
    if (setting.section == section) keys.emplace_back(setting.key);
  }
  return keys;
}

}  // namespace

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
             std::string::npos;
}

bool FileReader::expect(const Node& node, Node::Type type, const std::string& name, const std::string& fix) {
  if (node.type == type) return true;
  error("CW0102", node.position,
        name + ": takes " + std::string(type_name(type)) + ", not " + std::string(type_name(node.type)), fix);
  return false;
}

// A key nobody reads: not in this version, or meant for another section, or mistyped.
void FileReader::refuse(const Entry& entry, Section section, const std::string& later_name, const std::string& title,
                        const Keys& known) {
  std::string near = closest(entry.key, known);
  if (is_later_key(later_name, entry.key)) {
    const std::string other = near.empty() ? "" : "; or did you mean " + quoted(near) + "?";
    error("CW0106", entry.position, quoted(entry.key) + at(title) + " is known, not in this version",
          later_fix(later_name, entry.key) + other);
    return;
  }
  std::string message = "unknown key " + quoted(entry.key) + at(title);
  if (!near.empty()) message += "; did you mean " + quoted(near) + "?";
  std::string fix = near.empty() ? "remove it; cutwater help settings lists what there is" : "write " + quoted(near);
  std::string places;
  for (const Setting& setting : settings()) {
    if (setting.section == section || setting.key != entry.key) continue;
    places += (places.empty() ? "" : " or in ") + section_title(setting.section);
  }
  if (near.empty() && !places.empty()) fix = "it belongs in " + places;
  if (near.empty() && places.empty() && section == Section::kTop && entry.node.type != Node::Type::kTable) {
    const std::string of_app = closest(entry.key, keys_of(Section::kApp));
    if (!of_app.empty()) fix = "if it is meant to be " + quoted(of_app) + ", that belongs in [app.NAME]";
  }
  if (section == Section::kTop && entry.key == "route") {
    fix = "write [[site]] once, and [[site.route]] below it for each route";
  }
  if (near.empty() && section == Section::kTop && is_app_section(entry)) {
    fix = "write [app." + entry.key + "], if it is meant to be an app";
  }
  error("CW0101", entry.position, message, fix);
}

bool FileReader::read_section(Section section, const Node& table, Scope scope, const std::string& later_name,
                              const std::string& title, const std::string& name, const Keys& more) {
  Keys known = keys_of(section);
  known.insert(known.begin(), more.begin(), more.end());
  bool all_stored = true;
  for (const Entry& entry : table.entries) {
    if (const Setting* setting = find_setting(section, entry.key)) {
      std::string full = name.empty() ? entry.key : name + "." + entry.key;
      all_stored &= store_value(*setting, entry.node, scope, source_, document_.folder, full, reporter_);
    } else if (std::find(more.begin(), more.end(), entry.key) == more.end()) {
      refuse(entry, section, later_name, title, known);
    }
  }
  return all_stored;
}

void FileReader::read_top(const Node& table, const Listen& listen_defaults, const App& app_defaults) {
  Scope scope{.config = &config_};
  read_section(Section::kTop, table, scope, "", kTopLevel, "",
               {"listen", "app", "limits", "log", "shutdown", "site", "upstream", "pool"});
  if (const Entry* upstreams = table.find("upstream")) read_upstreams(*upstreams);  // routes name them
  if (const Entry* pools = table.find("pool")) read_pools(*pools);
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
  check_app_names();
  check_pools();
  check_upstreams();
}

void FileReader::read_listens(const Entry& entry, const Listen& defaults) {
  if (!expect(entry.node, Node::Type::kList, "listen", "write [[listen]] with two brackets")) return;
  for (const Node& item : entry.node.items) {
    if (!expect(item, Node::Type::kTable, "listen", "write [[listen]] with two brackets")) continue;
    Listen& listen = config_.listens.emplace_back(defaults);
    const Entry* address = item.find("addr");
    listen.place = place_of(source_, address == nullptr ? item.position : address->node.position);
    if (read_section(Section::kListen, item, Scope{.listen = &listen}, "listen", "[[listen]]", "listen")) {
      check_listen_keys(item, listen);
    }
  }
}

// What protects one kind of listener and means nothing for this one must not look as if it did.
void FileReader::check_listen_keys(const Node& item, const Listen& listen) {
  const bool is_unix = listen.address.starts_with("unix:");
  const bool is_passed = listen.address.starts_with("fd:");
  for (const Entry& entry : item.entries) {
    const std::string name = "listen." + entry.key + ": ";
    if ((entry.key == "mode" || entry.key == "owner" || entry.key == "group") && !is_unix) {
      error(
          "CW0108", entry.position, name + "is for a unix socket, and " + quoted(listen.address) + " is none of ours",
          is_passed ? "remove it, and set it where the socket is made" : "remove it, or listen on addr = \"unix:...\"");
    } else if (entry.key == "trusted_users" && listen.protocol == "http") {
      error("CW0108", entry.position, name + "by \"http\" whoever may open the socket may ask",
            "remove it" + std::string(is_unix ? "; mode and group say who may open the socket" : ""));
    } else if (entry.key == "trusted_users" && !is_unix && !is_passed) {
      error("CW0108", entry.position,
            name + "users are known on unix sockets alone, and " + quoted(listen.address) + " is reached by TCP",
            "remove it, and list the web server's address in trusted_proxies");
    }
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
    if (!is_name(named.key)) {
      error("CW0103", named.position, quoted(named.key) + " cannot name an app",
            "use up to 64 letters, digits, \"-\" and \"_\"");
      continue;
    }
    App& app = config_.apps.emplace_back(defaults);
    app.name = named.key;
    app.root = document_.folder;
    app.places[""] = place_of(source_, named.position);
    for (const Entry& each : named.node.entries) app.places[each.key] = place_of(source_, each.node.position);
    read_section(Section::kApp, named.node, Scope{.app = &app}, "app", section_title(Section::kApp, named.key),
                 "app." + named.key);
  }
}

void apply_file(const Document& document, const Node& table, const Listen& listen_defaults, const App& app_defaults,
                Config& config, Reporter& reporter) {
  FileReader(document, config, reporter).read_top(table, listen_defaults, app_defaults);
}

}  // namespace cutwater::config

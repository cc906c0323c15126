#include "config/environment.h"

#include <stdlib.h>
#include <unistd.h>

#include "config/address.h"
#include "config/closest.h"
#include "config/later.h"
#include "config/project_files.h"
#include "config/settings.h"

namespace cutwater::config {
namespace {

// One value from outside the file.
struct Word {
  const Setting* setting;
  std::string source;  // "CUTWATER_TIMEOUT" or "--timeout"
  std::string text;
};

void store_word(const Word& word, Scope scope, Reporter& reporter) {
  Node node;
  node.type = Node::Type::kWord;
  node.text = word.text;
  store_value(*word.setting, node, scope, Source{word.source}, current_folder(), full_name(*word.setting), reporter);
}

void store_convention(Section section, const char* key, const char* variable, const std::string& text, Scope scope,
                      Reporter& reporter) {
  store_word({find_setting(section, key), variable, text}, scope, reporter);
}

void store_everywhere(const Word& word, Config& config, Reporter& reporter) {
  switch (word.setting->section) {
    case Section::kListen:
      for (Listen& listen : config.listens) store_word(word, Scope{.config = &config, .listen = &listen}, reporter);
      break;
    case Section::kApp:
      for (App& app : config.apps) {
        store_word(word, Scope{.config = &config, .app = &app}, reporter);
        app.places[std::string(word.setting->key)] = Place{word.source};
      }
      break;
    default:
      store_word(word, Scope{.config = &config}, reporter);
  }
}

// Settings that load() itself looks at, because they decide what there is to configure.
bool is_special(const Setting& setting) {
  return setting.flag == "bind" || setting.flag == "app";
}

// What of a [[listen]] is not as it would be without one, but its address.
std::string other_settings(const Listen& listen, const Listen& defaults) {
  const std::pair<std::string_view, bool> kinds[] = {
      {"protocol", listen.protocol != defaults.protocol},
      {"trusted_proxies", listen.trusted_proxies != defaults.trusted_proxies},
      {"trusted_users", listen.trusted_users != defaults.trusted_users},
      {"mode", listen.mode != defaults.mode},
      {"owner", listen.owner != defaults.owner},
      {"group", listen.group != defaults.group},
      {"backlog", listen.backlog != defaults.backlog},
  };
  std::string others;
  for (const auto& [key, differs] : kinds) {
    if (!differs) continue;
    others.append(others.empty() ? "" : ", ").append(key);
    if (key == "protocol") others += " = \"" + listen.protocol + "\"";
  }
  return others;
}

void warn_of_dropped(const std::string& source, const Listen& defaults, const Config& config, Reporter& reporter) {
  for (const Listen& listen : config.listens) {
    const std::string others = other_settings(listen, defaults);
    if (others.empty()) continue;
    reporter.warning_at(
        "CW0121", listen.place,
        source + " stands for all [[listen]] of the file: " + others +
            " of this one is dropped, and what listens instead speaks http",
        "change addr in the file instead, or keep " + source + " where http to clients is what you want");
  }
}

void replace_listens(const std::vector<Word>& words, const Listen& defaults, Config& config, Reporter& reporter) {
  if (words.empty()) return;
  warn_of_dropped(words.front().source, defaults, config, reporter);
  config.listens.clear();
  for (const Word& word : words) {
    Listen& listen = config.listens.emplace_back(defaults);
    store_word(word, Scope{.config = &config, .listen = &listen}, reporter);
    listen.place = Place{word.source};
  }
}

std::vector<Word> bind_words(const Overrides& overrides) {
  const Setting* address = find_setting(Section::kListen, "addr");
  std::vector<Word> words;
  for (const std::string& text : overrides.bind) words.push_back({address, "--bind", text});
  if (!words.empty()) return words;
  for (const std::string& text : split_list(environment_value("CUTWATER_BIND"), ',')) {
    words.push_back({address, "CUTWATER_BIND", text});
  }
  return words;
}

// Who starts FastCGI applications names the web servers so (FastCGI specification section 3.2). Where trusted_proxies
// is written too, both must name one: app/peer_trust.
void apply_web_servers(Config& config, Reporter& reporter) {
  const std::string named = environment_value("FCGI_WEB_SERVER_ADDRS");
  if (named.empty()) return;
  for (const std::string& entry : split_list(named, ',')) {
    if (entry != "*" && entry != "unix" && entry.find('/') == std::string::npos && is_network(entry)) continue;
    reporter.error("CW0103", "FCGI_WEB_SERVER_ADDRS: \"" + entry +
                                 "\" is no address\n  fix: list addresses, and networks in trusted_proxies");
    return;
  }
  for (Listen& listen : config.listens) {
    if (listen.protocol != "fastcgi" || listen.address.starts_with("unix:")) continue;
    Listen told = listen;
    store_convention(Section::kListen, "trusted_proxies", "FCGI_WEB_SERVER_ADDRS", named, Scope{.listen = &told},
                     reporter);
    if (listen.trusted_proxies == Listen().trusted_proxies) listen.trusted_proxies = told.trusted_proxies;
  }
}

// The flag that a variable stands for: CUTWATER_MAX_REQUESTS -> "max-requests".
std::string flag_of(const std::string& variable) {
  std::string flag = variable.substr(9);
  for (char& c : flag) c = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return flag;
}

// A mistyped CUTWATER_* would do nothing and say nothing; one of a later version would do nothing.
void look_at_variables(Reporter& reporter) {
  std::vector<std::string> known = {"CUTWATER_CONFIG"};
  for (const Setting& setting : settings()) {
    if (!setting.flag.empty()) known.push_back(environment_name(setting));
  }
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string text = *entry;
    std::string name = text.substr(0, text.find('='));
    if (!name.starts_with("CUTWATER_")) continue;
    std::vector<std::string> endings;
    bool is_known = false;
    for (const std::string& word : known) {
      is_known = is_known || word == name;
      endings.push_back(word.substr(9));
    }
    if (!is_known && is_later_flag(flag_of(name))) {
      reporter.error("CW0106", "the variable " + name +
                                   " is known, not in this version\n  fix: " + later_fix("variable", flag_of(name)));
      continue;
    }
    std::string near = is_known ? "" : closest(name.substr(9), endings);
    if (!near.empty()) {
      reporter.warning("CW0113", "the variable " + name + " means nothing; did you mean CUTWATER_" + near + "?" +
                                     "\n  fix: correct its name, or unset it");
    }
  }
}

}  // namespace

std::string environment_value(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? "" : value;
}

Listen default_listen(Reporter& reporter) {
  Listen listen;
  listen.trusted_proxies.clear();
  Scope scope{.listen = &listen};
  store_defaults(Section::kListen, scope);
  if (std::string port = environment_value("PORT"); !port.empty()) {
    store_convention(Section::kListen, "addr", "PORT", "0.0.0.0:" + port, scope, reporter);
  }
  if (std::string allowed = environment_value("FORWARDED_ALLOW_IPS"); !allowed.empty()) {
    store_convention(Section::kListen, "trusted_proxies", "FORWARDED_ALLOW_IPS", allowed, scope, reporter);
  }
  return listen;
}

App default_app(Reporter& reporter) {
  App app;
  Scope scope{.app = &app};
  store_defaults(Section::kApp, scope);
  if (std::string workers = environment_value("WEB_CONCURRENCY"); !workers.empty()) {
    store_convention(Section::kApp, "workers", "WEB_CONCURRENCY", workers, scope, reporter);
  }
  if (std::string prefix = environment_value("SCRIPT_NAME"); !prefix.empty()) {
    store_convention(Section::kApp, "prefix", "SCRIPT_NAME", prefix, scope, reporter);
  }
  return app;
}

void apply_environment(const Overrides& overrides, const Listen& listen_defaults, Config& config, Reporter& reporter) {
  replace_listens(bind_words(overrides), listen_defaults, config, reporter);
  if (config.listens.empty()) config.listens.push_back(listen_defaults);
  apply_web_servers(config, reporter);
  look_at_variables(reporter);
  std::map<std::string, std::string> flags = overrides.settings;
  if (overrides.workers) flags["app.workers"] = *overrides.workers;
  for (const Setting& setting : settings()) {
    if (setting.flag.empty() || is_special(setting)) continue;
    auto flag = flags.find(full_name(setting));
    if (flag != flags.end()) {
      store_everywhere({&setting, "--" + std::string(setting.flag), flag->second}, config, reporter);
    } else if (std::string text = environment_value(environment_name(setting).c_str()); !text.empty()) {
      store_everywhere({&setting, environment_name(setting), text}, config, reporter);
    }
  }
}

}  // namespace cutwater::config

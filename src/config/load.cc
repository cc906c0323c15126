#include "config/load.h"

#include <algorithm>
#include <filesystem>

#include "config/checks.h"
#include "config/config_file.h"
#include "config/detect.h"
#include "config/detect_scripts.h"
#include "config/document.h"
#include "config/environment.h"
#include "config/exit_codes.h"
#include "config/interpreter.h"
#include "config/project_files.h"
#include "config/settings.h"
#include "config/target.h"

namespace cutwater::config {
namespace {

constexpr int kNoApp = 4;

// A pyproject.toml that cannot be read as TOML, but has a table of ours.
bool mentions_us(const Document& document) {
  return std::any_of(document.lines.begin(), document.lines.end(),
                     [](const std::string& line) { return line.find("[tool.cutwater") != std::string::npos; });
}

class Loader {
 public:
  Loader(const Overrides& overrides, const std::string& file_in_force)
      : overrides_(overrides), file_in_force_(file_in_force) {}

  Loaded run(const std::string& words) {
    bool complete = read_everything(words);
    Loaded loaded;
    if (!complete || reporter_.failed()) {
      loaded.exit_code = kUsage;
    } else if (!find_apps()) {
      loaded.exit_code = kNoApp;
    } else {
      find_interpreters();
      check_config(config_, reporter_);
      loaded.exit_code = reporter_.failed() ? kUsage : 0;
    }
    loaded.config = std::move(config_);
    loaded.diagnostics = reporter_.take();
    loaded.choices = std::move(choices_);
    return loaded;
  }

 private:
  bool read_everything(const std::string& words) {
    std::error_code gone;
    const std::filesystem::path here = std::filesystem::current_path(gone);
    if (gone && !words.starts_with('/')) {
      reporter_.error("CW0112", "the current folder no longer exists\n  fix: cd to where the app is");
      return false;
    }
    const std::string variable = environment_value("CUTWATER_APP");
    auto target = read_target(words.empty() ? variable : words, reporter_);
    if (!target) return false;
    if (!words.empty() && !target->app && !variable.empty()) {
      // TARGET says where, the variable says what.
      auto named = read_target(variable, reporter_);
      if (!named) return false;
      target->app = named->app;
    }
    Scope scope{.config = &config_};
    for (Section section : {Section::kTop, Section::kLimits, Section::kLog, Section::kShutdown}) {
      store_defaults(section, scope);
    }
    const Listen listen_defaults = default_listen(reporter_);
    const App app_defaults = default_app(reporter_);
    base_folder_ = target->folder;
    read_file(*target, listen_defaults, app_defaults);
    if (config_.apps.empty()) {
      App& app = config_.apps.emplace_back(app_defaults);
      app.name = "web";
      // Where nobody says where the app is, it is beside the file.
      app.root = words.empty() && variable.empty() ? base_folder_ : target->folder;
      implicit_app_ = true;
    }
    place_target(*target);
    apply_environment(overrides_, listen_defaults, config_, reporter_);
    config_.log.json = overrides_.json;
    return true;
  }

  void read_file(const Target& target, const Listen& listen_defaults, const App& app_defaults) {
    std::string file = overrides_.config_file.empty() ? target.config_file : overrides_.config_file;
    if (file.empty()) file = environment_value("CUTWATER_CONFIG");
    bool named = !file.empty();
    // A folder or a broken link of that name is meant as the configuration too, and read_document says what is wrong.
    if (!named && exists(target.folder + "/cutwater.toml")) file = shown_path(target.folder + "/cutwater.toml");
    if (!file.empty() && !file.ends_with("pyproject.toml")) {
      apply_document(read_document(file, reporter_), nullptr, listen_defaults, app_defaults);
      return;
    }
    if (file.empty() && is_gone(target.folder)) return;
    named = named || !file_in_force_.empty();
    if (file.empty()) file = shown_path(target.folder + "/pyproject.toml");
    if (!named && !is_file(file)) return;
    // A pyproject.toml that other tools have trouble with is none of our business until it speaks of us.
    Reporter own;
    const Document looked_at = read_document(file, own);
    const bool meant = named || (own.failed() && mentions_us(looked_at));
    if (find_ours(looked_at) == nullptr && !meant) return;
    const Document document = read_document(file, reporter_);
    const Entry* ours = find_ours(document);
    if (ours == nullptr) {
      if (!own.failed())
        reporter_.error("CW0109", file + " has no [tool.cutwater]\n  fix: write one, or leave it away");
      return;
    }
    if (ours->node.type != Node::Type::kTable) {
      reporter_.error_at("CW0102", document.source(), ours->position, "tool.cutwater: takes a table",
                         "write [tool.cutwater] and its keys below it");
      return;
    }
    apply_document(document, "cutwater", listen_defaults, app_defaults);
  }

  // Without it the defaults would count: another user for the app, other limits.
  bool is_gone(const std::string& folder) {
    const bool is_pyproject = file_in_force_.ends_with("pyproject.toml");
    const std::string file = folder + (is_pyproject ? "/pyproject.toml" : "/cutwater.toml");
    if (file_in_force_.empty() || exists(file)) return false;
    reporter_.error("CW0105", shown_path(file) +
                                  " is gone, which has the settings in force\n  fix: put it back, or restart to go "
                                  "on without it");
    return true;
  }

  static const Entry* find_ours(const Document& document) {
    const Entry* tool = document.root.find("tool");
    return tool == nullptr ? nullptr : tool->node.find("cutwater");
  }

  void apply_document(const Document& document, const char* tool, const Listen& listen_defaults,
                      const App& app_defaults) {
    config_.file = absolute_path(current_folder(), document.file);
    if (!document.folder.empty()) base_folder_ = document.folder;
    const Node* table = &document.root;
    if (tool != nullptr) table = &table->find("tool")->node.find(tool)->node;
    config_.file_is_empty = table->entries.empty();
    apply_file(document, *table, listen_defaults, app_defaults, config_, reporter_);
    check_file_permissions(config_.file, reporter_);
  }

  void place_target(const Target& target) {
    if (!target.app) return;
    if (config_.apps.size() > 1) {
      reporter_.error("CW0111", shown_path(config_.file) + " has " + std::to_string(config_.apps.size()) +
                                    " apps; which of them should be " + target.app->target +
                                    "?\n  fix: set target in the file and leave TARGET away");
      return;
    }
    App& app = config_.apps.front();
    app.target = target.app->target;
    if (!target.app->root.empty()) app.root = target.app->root;
    named_why_ = target.app->why;
  }

  bool find_apps() {
    for (App& app : config_.apps) {
      app.target = with_attribute(app.target);
      if (implicit_app_ && app.target == "auto" && routes_leave_nothing()) {
        choices_.push_back("no app is looked for: the routes answer every path");
        config_.apps.clear();
        return true;
      }
      if (app.target != "auto") {
        choices_.push_back(app.name + ": " + app.target + " in " + shown_path(app.root) + ", " +
                           (named_why_.empty() ? "as configured" : named_why_));
        continue;
      }
      if (!is_folder(app.root)) continue;  // check_config says so
      Reporter found_nothing;
      auto found = detect_app(app.root, found_nothing);
      if (!found && implicit_app_ && !config_.routes.empty() && !is_routed(config_, app)) {
        choices_.push_back("no app in " + shown_path(app.root) + "; only the configured routes are served");
        config_.apps.clear();
        return true;
      }
      if (!found && implicit_app_ && config_.routes.empty() && serve_scripts(app.root)) return true;
      for (Diagnostic& diagnostic : found_nothing.take()) reporter_.add(std::move(diagnostic));
      if (!found) return false;
      take(app, *found);
    }
    return true;
  }

  // Nobody wrote what to serve, and there is no app: scripts of the folder make it a site.
  bool serve_scripts(const std::string& folder) {
    auto site = detect_scripts(folder, environment_value("PATH"));
    if (!site) return false;
    if (site->routes.empty()) {
      for (const std::string& choice : site->choices) reporter_.error("CW0301", choice);
      return false;
    }
    choices_.push_back("no app in " + shown_path(folder) + ", but scripts:");
    choices_.insert(choices_.end(), site->choices.begin(), site->choices.end());
    for (Route& route : site->routes) {
      if (route.kind == Route::Kind::kStatic) route.static_route += config_.static_routes.size();
      config_.routes.push_back(std::move(route));
    }
    for (StaticRoute& files : site->static_routes) config_.static_routes.push_back(std::move(files));
    config_.pools = std::move(site->pools);
    config_.never_sent = std::move(site->never_sent);
    config_.apps.clear();
    return true;
  }

  // A route takes every path, and none leads to an app.
  bool routes_leave_nothing() const {
    const bool all = std::any_of(config_.routes.begin(), config_.routes.end(),
                                 [](const Route& route) { return route.path == "/" && !route.exact; });
    return all && std::none_of(config_.routes.begin(), config_.routes.end(),
                               [](const Route& route) { return route.kind == Route::Kind::kApp; });
  }

  void take(App& app, const Detected& found) {
    app.target = found.target;
    app.root = found.root;
    // insert keeps what the file says about a variable.
    app.environment.insert(found.environment.begin(), found.environment.end());
    choices_.push_back(app.name + ": " + found.target + " in " + shown_path(found.root) + ", because " + found.why);
    for (const std::string& note : found.notes) choices_.push_back(app.name + ": " + note);
  }

  void find_interpreters() {
    for (App& app : config_.apps) {
      if (!is_folder(app.root)) continue;
      auto found = find_interpreter(app, base_folder_, reporter_);
      if (!found) continue;
      app.python = found->path;
      choices_.push_back(app.name + ": " + shown_path(found->path) + " (" + found->why + ")");
    }
  }

  const Overrides& overrides_;
  const std::string& file_in_force_;
  Reporter reporter_;
  Config config_;
  std::string base_folder_;
  std::string named_why_;
  std::vector<std::string> choices_;
  bool implicit_app_ = false;
};

}  // namespace

Loaded load(const std::string& target, const Overrides& overrides, const std::string& file) {
  return Loader(overrides, file).run(target);
}

}  // namespace cutwater::config

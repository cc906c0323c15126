#include <algorithm>
#include <array>

#include "config/detect_steps.h"
#include "config/module_place.h"
#include "config/project_files.h"

namespace cutwater::config {
namespace {

// In this order; __init__ is the package itself.
constexpr std::array kFiles = std::to_array<std::string_view>(
    {"wsgi", "asgi", "main", "app", "application", "api", "server", "webapp", "run", "manage", "__init__"});
constexpr std::array kFolders = std::to_array<std::string_view>({"app", "src", "backend", "api", "server", "web"});

// A score from which on something is surely an app, and from which on it may be one.
constexpr int kSure = 90;
constexpr int kMaybe = 55;

// Somebody's home folder is no project: looking for an app ends some time.
constexpr size_t kMostFolders = 500;

// Of apps that could be meant.
constexpr size_t kMostShown = 12;

struct Candidate {
  std::string path;
  ModulePlace place;
  PythonName name;
  bool dedicated = false;  // wsgi.py: made for servers
  std::vector<std::string> imports;
  std::string target() const { return place.module + ":" + name.name; }
};

// 2 sure, 1 maybe, 0 only a factory.
int certainty(const Candidate& candidate) {
  if (candidate.dedicated && candidate.name.score >= kMaybe) return 3;
  return candidate.name.score >= kSure ? 2 : candidate.name.score >= kMaybe ? 1 : 0;
}

bool is_better(const Candidate& left, const Candidate& right) {
  auto rank = [](const Candidate& candidate) {
    return std::tuple(candidate.name.is_asgi ? 0 : 1, certainty(candidate), candidate.name.score);
  };
  return rank(left) > rank(right);
}

// One of them stands on the other: not two apps.
bool are_related(const Candidate& left, const Candidate& right) {
  auto imports = [](const Candidate& from, const Candidate& of) {
    return from.name.module == of.place.module ||
           std::find(from.imports.begin(), from.imports.end(), of.place.module) != from.imports.end();
  };
  bool same_factory = left.name.what == right.name.what && left.name.score == kSure;
  return imports(left, right) || imports(right, left) || same_factory;
}

class Search {
 public:
  Search(const std::string& project, Reporter& reporter) : project_(project), reporter_(reporter) {}

  std::optional<Detected> run() {
    if (auto found = choose(candidates_in(project_), kMaybe)) return found;
    if (reporter_.failed()) return std::nullopt;
    for (const std::vector<std::string>& level : levels()) {
      if (auto found = choose_among(level)) return found;
      if (reporter_.failed()) return std::nullopt;
    }
    // Nobody calls a factory for us: the weakest evidence, looked at last.
    for (const std::string& folder : all_folders()) {
      if (auto found = choose(candidates_in(folder), kFactoryScore)) return found;
      if (reporter_.failed()) return std::nullopt;
    }
    if (!only_under_main_.empty()) reporter_.error("CW0303", only_under_main_);
    return std::nullopt;
  }

 private:
  // First the folders with telling names, each other package to depth 2 afterwards.
  std::vector<std::vector<std::string>> levels() const {
    std::vector<std::vector<std::string>> result(2);
    std::string own_name = project_.substr(project_.rfind('/') + 1);
    auto is_telling = [&](const std::string& name) {
      return name == own_name || std::find(kFolders.begin(), kFolders.end(), name) != kFolders.end();
    };
    for (const std::string& name : subfolders(project_)) {
      if (result[0].size() + result[1].size() > kMostFolders) break;
      std::string folder = project_ + "/" + name;
      result[is_telling(name) ? 0 : 1].push_back(folder);
      for (const std::string& inner : subfolders(folder)) result[1].push_back(folder + "/" + inner);
    }
    return result;
  }

  std::vector<std::string> all_folders() const {
    std::vector<std::string> folders = {project_};
    for (const auto& level : levels()) folders.insert(folders.end(), level.begin(), level.end());
    return folders;
  }

  std::vector<Candidate> candidates_in(const std::string& folder) {
    std::vector<Candidate> found;
    for (std::string_view file : kFiles) {
      std::string path = folder + "/" + std::string(file) + ".py";
      if (!is_file(path) || (file == "__init__" && folder == project_)) continue;
      PythonModule content = read_module_file(path);
      Candidate candidate{
          path, place_module(path, project_, content), {}, file == "wsgi" || file == "asgi", content.imports};
      note_under_main(path, content);
      for (PythonName& name : content.names) {
        candidate.name = std::move(name);
        if (!follow_import(candidate)) continue;
        if (file == "asgi") candidate.name.is_asgi = true;
        found.push_back(candidate);
      }
    }
    return found;
  }

  // An imported app is what it is where it comes from. False when it is none there.
  bool follow_import(Candidate& candidate) {
    if (candidate.name.module.empty() || candidate.place.module.empty()) return !candidate.place.module.empty();
    std::string module = absolute_module(candidate);
    std::string path = module_file(candidate.place.root, module);
    if (path.empty()) return true;
    candidate.name.module = module;
    PythonModule origin = read_module_file(path);
    for (const PythonName& name : origin.names) {
      if (name.name != candidate.name.original) continue;
      candidate.name.score = std::max(candidate.name.score, name.score);
      candidate.name.is_asgi = name.is_asgi;
      return true;
    }
    return !origin.star_imports.empty() || is_folder(candidate.place.root + "/" + module);
  }

  static std::string absolute_module(const Candidate& candidate) {
    const std::string& from = candidate.name.module;
    size_t dots = std::min(from.find_first_not_of('.'), from.size());
    if (dots == 0) return from;
    std::string package = candidate.place.module;
    size_t up = candidate.path.ends_with("/__init__.py") ? dots - 1 : dots;
    for (; up > 0; --up) package = package.substr(0, package.rfind('.') == std::string::npos ? 0 : package.rfind('.'));
    return package + (package.empty() || dots == from.size() ? "" : ".") + from.substr(dots);
  }

  void note_under_main(const std::string& path, const PythonModule& content) {
    if (content.under_main.empty() || !only_under_main_.empty()) return;
    const PythonName& name = content.under_main.front();
    only_under_main_ = shown_path(path) + ":" + std::to_string(name.line) + ": " + name.name + " (" + name.what +
                       ") is made under if __name__ == \"__main__\", where no server finds it" +
                       "\n  fix: move it out of that block";
  }

  std::optional<Detected> choose(std::vector<Candidate> candidates, int least) {
    std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.name.score < least; });
    if (candidates.empty()) return std::nullopt;
    std::stable_sort(candidates.begin(), candidates.end(), is_better);
    const Candidate& best = candidates.front();
    std::vector<Candidate> equals;
    for (const Candidate& other : candidates) {
      bool rival = !is_better(best, other) && !(other.path == best.path && is_usual(best) && !is_usual(other));
      bool itself = other.target() == best.target();
      bool same_object = other.path == best.path && is_usual(best) && is_usual(other);
      if (itself || (rival && !same_object && !are_related(best, other))) equals.push_back(other);
    }
    if (equals.size() > 1) return report_equals(equals);
    return describe(best, candidates);
  }

  static bool is_usual(const Candidate& candidate) {
    return candidate.name.name == "app" || candidate.name.name == "application";
  }

  Detected describe(const Candidate& best, const std::vector<Candidate>& candidates) {
    Detected found;
    found.root = best.place.root;
    found.target = best.target();
    found.why =
        shown_path(best.path) + ":" + std::to_string(best.name.line) + " has " + best.name.name + ", " + best.name.what;
    std::string others;
    for (const Candidate& other : candidates) {
      if (other.target() != best.target()) others += (others.empty() ? "" : ", ") + other.target();
    }
    if (!others.empty()) found.notes.push_back("also found, less likely: " + others);
    return found;
  }

  // Several folders with an app each are several apps.
  std::optional<Detected> choose_among(const std::vector<std::string>& folders) {
    std::vector<Detected> found;
    for (const std::string& folder : folders) {
      auto one = detect_django(folder);
      if (!one) one = choose(candidates_in(folder), kMaybe);
      if (reporter_.failed()) return std::nullopt;
      auto same = [&](const Detected& other) { return other.target == one->target && other.root == one->root; };
      if (one && std::none_of(found.begin(), found.end(), same)) found.push_back(*one);
    }
    if (found.empty()) return std::nullopt;
    if (found.size() == 1) return found.front();
    std::string text = "several apps in the subfolders of " + shown_path(project_) + "; Cutwater does not choose";
    for (size_t i = 0; i < std::min(found.size(), kMostShown); ++i) {
      text += "\n  cutwater serve " + command_of(found[i]);
    }
    if (found.size() > kMostShown) text += "\n  and " + std::to_string(found.size() - kMostShown) + " more";
    reporter_.error("CW0302", text);
    return std::nullopt;
  }

  std::optional<Detected> report_equals(const std::vector<Candidate>& equals) {
    std::string text = "several apps are equally likely; Cutwater does not choose";
    for (const Candidate& candidate : equals) {
      Detected one;
      one.root = candidate.place.root;
      one.target = candidate.target();
      text += "\n  cutwater serve " + command_of(one) + "   (" + candidate.name.what + ")";
    }
    reporter_.error("CW0302", text);
    return std::nullopt;
  }

  static std::string command_of(const Detected& one) {
    return one.root == current_folder() ? one.target : one.target + " --root " + shown_path(one.root);
  }

  const std::string project_;
  Reporter& reporter_;
  std::string only_under_main_;
};

}  // namespace

std::optional<Detected> detect_by_names(const std::string& folder, Reporter& reporter) {
  return Search(folder, reporter).run();
}

}  // namespace cutwater::config

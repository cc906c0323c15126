#include "config/python_names.h"

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "config/python_source.h"
#include "config/target.h"

namespace cutwater::config {
namespace {

using Tokens = std::span<const PythonToken>;

bool is_app_name(std::string_view name) {
  return name == "app" || name == "application";
}
bool is_factory_name(std::string_view name) {
  return name == "create_app" || name == "make_app";
}

bool is_name(const Tokens& tokens, size_t at, std::string_view text) {
  return at < tokens.size() && tokens[at].type == PythonToken::Type::kName && tokens[at].text == text;
}
bool is_any_name(const Tokens& tokens, size_t at) {
  return at < tokens.size() && tokens[at].type == PythonToken::Type::kName;
}
bool is_operator(const Tokens& tokens, size_t at, std::string_view text) {
  return at < tokens.size() && tokens[at].type == PythonToken::Type::kOperator && tokens[at].text == text;
}
bool is_text(const Tokens& tokens, size_t at) {
  return at < tokens.size() && tokens[at].type == PythonToken::Type::kText;
}

// +1, -1 or 0: how a token changes the bracket depth.
int bracket(const PythonToken& token) {
  if (token.type != PythonToken::Type::kOperator) return 0;
  if (token.text == "(" || token.text == "[" || token.text == "{") return 1;
  return token.text == ")" || token.text == "]" || token.text == "}" ? -1 : 0;
}

// The parts of `tokens` between `separator` outside brackets.
std::vector<Tokens> split_outside(Tokens tokens, std::string_view separator) {
  std::vector<Tokens> parts;
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    depth += bracket(tokens[i]);
    if (depth != 0 || !is_operator(tokens, i, separator)) continue;
    parts.push_back(tokens.subspan(begin, i - begin));
    begin = i + 1;
  }
  parts.push_back(tokens.subspan(begin));
  return parts;
}

struct Parameters {
  std::vector<std::string> names;
  size_t required = 0;
  bool needs_keywords = false;  // some of the required ones are behind a "*"

  // As a server would call it: the same rule as python/cutwater/classify.py's.
  bool take(size_t count) const { return required == count && !needs_keywords; }
};

// `tokens` begins behind the "(" of a def.
Parameters read_parameters(Tokens tokens) {
  size_t end = 0;
  for (int depth = 1; end < tokens.size(); ++end) {
    depth += bracket(tokens[end]);
    if (depth == 0) break;
  }
  Parameters parameters;
  bool behind_star = false;
  for (Tokens part : split_outside(tokens.first(end), ",")) {
    behind_star = behind_star || is_operator(part, 0, "*");
    if (!is_any_name(part, 0)) continue;
    parameters.names.push_back(part[0].text);
    if (split_outside(part, "=").size() > 1) continue;  // it has a default
    ++parameters.required;
    parameters.needs_keywords = parameters.needs_keywords || behind_star;
  }
  return parameters;
}

class ModuleReader {
 public:
  PythonModule read(std::string_view source) {
    for (const PythonLine& line : read_python(source)) read_line(line);
    std::stable_sort(module_.names.begin(), module_.names.end(), [](const PythonName& left, const PythonName& right) {
      return std::pair(-left.score, !is_app_name(left.name)) < std::pair(-right.score, !is_app_name(right.name));
    });
    return std::move(module_);
  }

 private:
  enum class Visibility { kModule, kMain, kHidden };
  struct Block {
    size_t indent;
    Visibility visibility;
  };

  void read_line(const PythonLine& line) {
    while (!blocks_.empty() && line.indent <= blocks_.back().indent) blocks_.pop_back();
    find_django_settings(line.tokens);
    Visibility outer = blocks_.empty() ? Visibility::kModule : blocks_.back().visibility;
    read_statement(line.tokens, line, outer);
  }

  void read_statement(Tokens tokens, const PythonLine& line, Visibility outer) {
    collect_imports(tokens);
    if (outer == Visibility::kHidden) return;
    line_ = line.number;
    names_ = outer == Visibility::kMain ? &module_.under_main : &module_.names;
    static constexpr std::array kBlocks = std::to_array<std::string_view>(
        {"if", "elif", "else", "try", "except", "finally", "with", "for", "while", "def", "class", "async"});
    bool opens = !tokens.empty() && tokens[0].type == PythonToken::Type::kName &&
                 std::find(kBlocks.begin(), kBlocks.end(), tokens[0].text) != kBlocks.end();
    if (is_operator(tokens, 0, "@")) {
      decorated_ = true;
      return;
    }
    if (opens) {
      read_block(tokens, line, outer);
    } else if (is_name(tokens, 0, "from")) {
      read_import(tokens);
    } else {
      read_assignment(tokens);
    }
    decorated_ = false;
  }

  void read_block(Tokens tokens, const PythonLine& line, Visibility outer) {
    Visibility inner = outer;
    size_t keyword = is_name(tokens, 0, "async") ? 1 : 0;
    if (is_name(tokens, keyword, "def")) read_function(tokens.subspan(keyword), keyword == 1);
    if (is_name(tokens, keyword, "def") || is_name(tokens, 0, "class")) inner = Visibility::kHidden;
    if (is_name(tokens, 0, "if") && is_main_test(tokens)) inner = Visibility::kMain;
    std::vector<Tokens> parts = split_outside(tokens, ":");
    if (parts.size() > 1 && !parts.back().empty() && inner != Visibility::kHidden) {
      read_statement(parts.back(), line, inner);
    } else {
      blocks_.push_back({line.indent, inner});
    }
  }

  static bool is_main_test(Tokens tokens) {
    bool name = false;
    bool main = false;
    for (size_t i = 1; i < tokens.size(); ++i) {
      name = name || is_name(tokens, i, "__name__");
      main = main || (is_text(tokens, i) && tokens[i].text == "__main__");
    }
    return name && main;
  }

  void read_function(Tokens tokens, bool is_async) {
    if (!is_any_name(tokens, 1) || !is_operator(tokens, 2, "(")) return;
    const std::string& name = tokens[1].text;
    Parameters parameters = read_parameters(tokens.subspan(3));
    using Names = std::vector<std::string>;
    bool wsgi =
        parameters.names == Names{"environ", "start_response"} || parameters.names == Names{"env", "start_response"};
    if (wsgi && !is_async) {
      add(name, 95, "a WSGI function");
    } else if (is_async && parameters.names == Names{"scope", "receive", "send"}) {
      add(name, 95, "an ASGI function", true);
    } else if (is_app_name(name) && !decorated_ && parameters.take(is_async ? 3 : 2)) {
      add(name, 58, is_async ? "a function of three arguments" : "a function of two arguments", is_async);
    } else if (!is_async && is_factory_name(name) && parameters.required == 0) {
      add(name + "()", kFactoryScore, "a factory");
    } else if (!is_async && is_factory_name(name) && names_ == &module_.names) {
      std::string arguments;
      for (const std::string& each : parameters.names) arguments += (arguments.empty() ? "" : ", ") + each;
      module_.demanding.push_back(
          {name + "(" + arguments + ")", kFactoryScore, "a factory that needs arguments", line_});
    }
  }

  // from MODULE import a, b as c
  void read_import(Tokens tokens) {
    size_t at = 1;
    std::string from = dotted(tokens, at);
    if (!is_name(tokens, at, "import")) return;
    Tokens rest = tokens.subspan(at + 1);
    if (is_operator(rest, 0, "*")) {
      module_.star_imports.push_back(from);
      return;
    }
    if (is_operator(rest, 0, "(") && is_operator(rest, rest.size() - 1, ")")) rest = rest.subspan(1, rest.size() - 2);
    for (Tokens part : split_outside(rest, ",")) {
      if (!is_any_name(part, 0)) continue;
      const std::string& original = part[0].text;
      const std::string& local = is_name(part, 1, "as") && is_any_name(part, 2) ? part[2].text : original;
      aliases_[local] = from + "." + original;
      std::string what = "imported from " + from;
      if (is_app_name(local)) add({local, 55, what, line_, false, from, original});
      if (is_factory_name(local)) {
        add({local + "()", kFactoryScore, "a factory " + what, line_, false, from, original + "()"});
      }
    }
  }

  // Reads "..a.b" from `at` on and moves it behind.
  static std::string dotted(Tokens tokens, size_t& at) {
    std::string text;
    while (at < tokens.size() &&
           (is_operator(tokens, at, ".") || (is_any_name(tokens, at) && !is_name(tokens, at, "import")))) {
      text += tokens[at++].text;
    }
    return text;
  }

  void collect_imports(Tokens tokens) {
    size_t at = 1;
    if (is_name(tokens, 0, "from")) {
      std::string from = dotted(tokens, at);
      if (from.starts_with('.')) {
        module_.has_relative_imports = true;
      } else if (!from.empty()) {
        module_.imports.push_back(from);
      }
    } else if (is_name(tokens, 0, "import")) {
      for (Tokens part : split_outside(tokens.subspan(1), ",")) {
        at = 0;
        while (is_any_name(part, at) && is_operator(part, at + 1, ".")) at += 2;
        std::string name;
        for (size_t i = 0; i <= at && i < part.size(); ++i) name += part[i].text;
        if (!name.empty()) module_.imports.push_back(name);
        if (is_name(part, at + 1, "as") && is_any_name(part, at + 2)) aliases_[part[at + 2].text] = name;
      }
    }
  }

  // a = b = value; a: Type = value; a, b = value
  void read_assignment(Tokens tokens) {
    std::vector<Tokens> parts = split_outside(tokens, "=");
    if (parts.size() < 2) return;
    Tokens value = parts.back();
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      std::vector<Tokens> targets = split_outside(split_outside(parts[i], ":").front(), ",");
      for (Tokens target : targets) {
        if (target.size() != 1 || !is_any_name(target, 0)) continue;
        if (targets.size() > 1) {
          if (is_app_name(target[0].text)) add(target[0].text, 60, "assigned");
        } else {
          assign(target[0].text, value);
        }
      }
    }
  }

  void assign(const std::string& name, Tokens value) {
    if (value.size() == 1) {
      if (is_text(value, 0)) module_.texts[name] = value[0].text;
      if (is_any_name(value, 0)) assign_alias(name, value[0].text);
      return;
    }
    std::string callee;
    size_t at = 0;
    callee = dotted(value, at);
    if (is_operator(value, at, "(") && !callee.empty()) {
      assign_call(name, callee);
    } else if (callee.ends_with(".server") && at == value.size() &&
               dash_.contains(callee.substr(0, callee.size() - 7))) {
      add(name, 100, "Dash's Flask server");
    } else if (is_app_name(name)) {
      add(name, 60, "assigned");
    }
  }

  void assign_alias(const std::string& name, const std::string& original) {
    if (original == "None" || original == "True" || original == "False") return;
    for (size_t i = 0; i < names_->size(); ++i) {
      PythonName known = (*names_)[i];
      if (known.name == original && is_app_name(name)) {
        known.name = name;
        known.what += " as " + original;
        known.line = line_;
        add(known);
        return;
      }
    }
    if (is_app_name(name)) add(name, 60, "assigned");
  }

  void assign_call(const std::string& name, const std::string& callee) {
    std::string full = resolved(callee);
    std::string last = full.substr(full.rfind('.') + 1);
    switch (classify_constructor(full)) {
      case Constructor::kWsgi:
        add(name, 100, last + "(...)");
        break;
      case Constructor::kAsgi:
        add(name, 100, last + "(...)", true);
        break;
      case Constructor::kFactory:
        add(name, 90, last + "(...)");
        break;
      case Constructor::kNoWebApp:
        if (last == "Dash") dash_.insert(name);
        break;
      case Constructor::kUnknown:
        if (is_app_name(name)) add(name, 60, callee + "(...)");
    }
  }

  // "F" after "from flask import Flask as F" is "flask.Flask".
  std::string resolved(const std::string& callee) const {
    size_t dot = std::min(callee.find('.'), callee.size());
    auto alias = aliases_.find(callee.substr(0, dot));
    return alias == aliases_.end() ? callee : alias->second + callee.substr(dot);
  }

  void add(const std::string& name, int score, const std::string& what, bool is_asgi = false) {
    add({name, score, what, line_, is_asgi});
  }

  void add(PythonName name) {
    for (PythonName& known : *names_) {
      if (known.name != name.name) continue;
      if (name.score > known.score) known = std::move(name);
      return;
    }
    names_->push_back(std::move(name));
  }

  // os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings"), anywhere and in any spelling on one line.
  void find_django_settings(Tokens tokens) {
    bool named = false;
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (!is_text(tokens, i)) continue;
      if (tokens[i].text == "DJANGO_SETTINGS_MODULE") {
        named = true;
      } else if (named && is_module_name(tokens[i].text) && module_.django_settings.empty()) {
        module_.django_settings = tokens[i].text;
      }
    }
  }

  PythonModule module_;
  std::vector<Block> blocks_;
  bool decorated_ = false;  // the next function is a fixture, a command, whatever its decorator makes of it
  std::map<std::string, std::string> aliases_;
  std::set<std::string> dash_;
  std::vector<PythonName>* names_ = nullptr;
  unsigned line_ = 0;
};

}  // namespace

PythonModule read_python_module(std::string_view source) {
  return ModuleReader().read(source);
}

}  // namespace cutwater::config

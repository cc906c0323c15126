// One written value on its way into the model.
#include "config/parse_value.h"
#include "config/settings.h"

namespace cutwater::config {
namespace {

// What to do about a value when nothing better is known: one that would do, where this one was written.
std::string example_of(const Setting& setting, const Node& node, const Source& source) {
  if (node.type != Node::Type::kWord) {
    return "for example " + std::string(setting.key) + " = " + example_value(setting, true);
  }
  std::string value = source.name == "PORT" ? "8000" : example_value(setting, false);
  return "for example " + source.name + (source.name.starts_with("--") ? " " : "=") + value;
}

}  // namespace

void store_defaults(Section section, Scope& scope) {
  for (const Setting& setting : settings()) {
    if (setting.section != section || setting.default_text.empty()) continue;
    Node node;
    node.type = Node::Type::kWord;
    node.text = setting.default_text;
    Parsed parsed = parse_value(setting, node, "/");
    setting.store(scope, std::get<Value>(parsed));
  }
}

bool store_value(const Setting& setting, const Node& node, Scope& scope, const Source& source,
                 const std::string& folder, const std::string& name, Reporter& reporter) {
  Parsed parsed = parse_value(setting, node, folder);
  if (const auto* problem = std::get_if<Problem>(&parsed)) {
    Position position = problem->position.line == 0 ? node.position : problem->position;
    const std::string fix = problem->fix.empty() ? example_of(setting, node, source) : problem->fix;
    reporter.error_at(problem->code, source, position, name + ": " + problem->what, fix);
    return false;
  }
  setting.store(scope, std::get<Value>(parsed));
  return true;
}

}  // namespace cutwater::config

#include "config/document.h"

#include <stdlib.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

// Version 3.3 takes some broken table headers ("[[#") for impossible and asserts, or promises the optimiser, that they
// are not there. Here they are errors like the others, in every kind of build.
#undef NDEBUG
namespace {
struct TomlAssertionFailed {};
[[noreturn]] void fail_toml_assertion() { throw TomlAssertionFailed(); }
}  // namespace
#define TOML_ASSERT(expression) ((expression) ? static_cast<void>(0) : fail_toml_assertion())
#define TOML_EXCEPTIONS 1
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "config/project_files.h"

namespace cutwater::config {
namespace {

constexpr size_t kLongestFile = 1 << 20;

Position to_position(const toml::source_position& position) {
  return {static_cast<uint32_t>(position.line), static_cast<uint32_t>(position.column)};
}

class Converter {
 public:
  Converter(const Source& source, Reporter& reporter) : source_(source), reporter_(reporter) {}

  Node convert(const toml::node& from) {
    Node node;
    node.position = to_position(from.source().begin);
    if (const auto* text = from.as_string()) {
      node.type = Node::Type::kText;
      node.text = expand_variables(text->get(), source_, node.position, reporter_);
    } else if (const auto* integer = from.as_integer()) {
      node.type = Node::Type::kInteger;
      node.text = std::to_string(integer->get());
    } else if (const auto* boolean = from.as_boolean()) {
      node.type = Node::Type::kBoolean;
      node.text = boolean->get() ? "true" : "false";
    } else if (const auto* list = from.as_array()) {
      node.type = Node::Type::kList;
      for (const toml::node& item : *list) node.items.push_back(convert(item));
    } else if (const auto* table = from.as_table()) {
      convert_table(*table, node);
    }
    return node;
  }

 private:
  void convert_table(const toml::table& table, Node& node) {
    node.type = Node::Type::kTable;
    for (auto&& [key, value] : table) {
      node.entries.push_back(
          {std::string(key.str()), to_position(key.source().begin), convert(value)});
    }
    // The library sorts by name; people read their file from the top.
    std::stable_sort(node.entries.begin(), node.entries.end(), [](const Entry& left, const Entry& right) {
      return std::pair(left.position.line, left.position.column) <
             std::pair(right.position.line, right.position.column);
    });
  }

  const Source& source_;
  Reporter& reporter_;
};

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin <= text.size()) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

// The first "[" of a line that no key follows.
Position broken_header(const std::vector<std::string>& lines) {
  for (size_t i = 0; i < lines.size(); ++i) {
    size_t begin = lines[i].find_first_not_of(" \t");
    if (begin == std::string::npos || lines[i][begin] != '[') continue;
    size_t key = lines[i].find_first_not_of(" \t[", begin);
    bool good = key != std::string::npos && (std::isalnum(static_cast<unsigned char>(lines[i][key])) != 0 ||
                                             std::string_view("_-\"'").find(lines[i][key]) != std::string_view::npos);
    if (!good) return {static_cast<uint32_t>(i + 1), static_cast<uint32_t>(begin + 1)};
  }
  return {};
}

}  // namespace

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string_view type_name(Node::Type type) {
  switch (type) {
    case Node::Type::kText:
    case Node::Type::kWord: return "a text";
    case Node::Type::kInteger: return "a number";
    case Node::Type::kBoolean: return "true or false";
    case Node::Type::kList: return "a list";
    case Node::Type::kTable: return "a table";
    case Node::Type::kOther: break;
  }
  return "a number with a fraction or a date";
}

Document parse_document(std::string file, std::string folder, const std::string& text, Reporter& reporter) {
  Document document;
  document.file = std::move(file);
  document.folder = std::move(folder);
  document.root.type = Node::Type::kTable;
  document.lines = split_lines(text);
  const Source source = document.source();
  try {
    const toml::table table = toml::parse(std::string_view(text), document.file);
    document.root = Converter(source, reporter).convert(table);
  } catch (const toml::parse_error& error) {
    reporter.error_at("CW0104", source, to_position(error.source().begin),
                      "not valid TOML: " + std::string(error.description()));
  } catch (const TomlAssertionFailed&) {
    reporter.error_at("CW0104", source, broken_header(document.lines), "not valid TOML: a [table] needs a name");
  }
  return document;
}

Document read_document(const std::string& path, Reporter& reporter) {
  auto text = read_text_file(path, kLongestFile);
  if (!text) {
    reporter.error("CW0105", "cannot read the configuration: " + text.error().message);
    Document document;
    document.file = path;
    document.root.type = Node::Type::kTable;
    return document;
  }
  return parse_document(path, std::filesystem::absolute(path).lexically_normal().parent_path(), *text, reporter);
}

std::string expand_variables(const std::string& text, const Source& source, Position position, Reporter& reporter) {
  std::string expanded;
  size_t begin = 0;
  for (size_t mark = text.find("${"); mark != std::string::npos; mark = text.find("${", begin)) {
    if (mark > begin && text[mark - 1] == '$') {
      expanded.append(text, begin, mark - 1 - begin).append("${");
      begin = mark + 2;
      continue;
    }
    size_t end = text.find('}', mark);
    if (end == std::string::npos) {
      reporter.error_at("CW0107", source, position, "\"${\" without \"}\"", "write $${ for the two characters");
      return text;
    }
    expanded.append(text, begin, mark - begin);
    std::string name = text.substr(mark + 2, end - mark - 2);
    size_t separator = name.find(":-");
    std::string fallback = separator == std::string::npos ? "" : name.substr(separator + 2);
    const char* value = ::getenv(name.substr(0, separator).c_str());
    bool usable = value != nullptr && (*value != '\0' || separator == std::string::npos);
    if (!usable && separator == std::string::npos) {
      reporter.error_at("CW0107", source, position, "the variable " + name + " is not set",
                        "set it, or give a default: ${" + name + ":-...}");
    }
    expanded += usable ? value : fallback.c_str();
    begin = end + 1;
  }
  return expanded.append(text, begin, std::string::npos);
}

}  // namespace cutwater::config

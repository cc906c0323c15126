// Document: a TOML file as a plain tree that remembers where everything was written. `${VAR}` and `${VAR:-x}` inside
// texts are already replaced. The rest of Cutwater never sees the TOML library.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/reporter.h"

namespace cutwater::config {

struct Entry;

struct Node {
  // kWord comes from a flag or variable: a text that may stand for a number or a list as well.
  enum class Type { kText, kInteger, kBoolean, kList, kTable, kWord, kOther };
  Type type = Type::kOther;
  std::string text;            // of kText, kWord, kInteger (decimal), kBoolean ("true" "false")
  std::vector<Node> items;     // of kList
  std::vector<Entry> entries;  // of kTable, in the order of the file
  Position position;

  const Entry* find(std::string_view key) const;
};

struct Entry {
  std::string key;
  Position position;
  Node node;
};

// "a text", "a number", ...: for "takes a duration, not a number".
std::string_view type_name(Node::Type type);

struct Document {
  std::string file;    // as the user named it
  std::string folder;  // absolute; relative paths count from here
  std::vector<std::string> lines;
  Node root;
  Source source() const { return {file, &lines}; }
};

// Parses `text`; problems go to `reporter` and leave an empty root. In a pyproject.toml variables are replaced in
// [tool.cutwater] only.
Document parse_document(std::string file, std::string folder, const std::string& text, Reporter& reporter);

// As parse_document, for the file at `path`.
Document read_document(const std::string& path, Reporter& reporter);

// Replaces "${VAR}", "${VAR:-x}" and "$${" (a literal "${"); an unset variable without default is an error.
std::string expand_variables(const std::string& text, const Source& source, Position position, Reporter& reporter);

}  // namespace cutwater::config

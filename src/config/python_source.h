// A Python file as its logical lines, without running it: strings, comments, brackets, continuation lines and
// indentation are understood, nothing more. Broken code gives fewer lines, never an error.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cutwater::config {

struct PythonToken {
  enum class Type { kName, kText, kNumber, kOperator };
  Type type;
  std::string text;  // of kText: the content, escapes of the simple kind undone; "" for f-strings
};

struct PythonLine {
  size_t indent = 0;    // columns, tabs to the next multiple of 8
  unsigned number = 0;  // of its first physical line, from 1
  std::vector<PythonToken> tokens;
};

std::vector<PythonLine> read_python(std::string_view source);

}  // namespace cutwater::config

// Reporter: collects what is wrong with a configuration, so that all of it is shown at once, each problem once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.h"

namespace cutwater::config {

struct Position {
  uint32_t line = 0;    // from 1; 0 = unknown
  uint32_t column = 0;  // from 1, in characters
};

// Where a value was written: a file with its lines, or a variable or flag (`lines` is null, `name` says which).
struct Source {
  std::string name;  // "cutwater.toml", "CUTWATER_TIMEOUT", "--timeout"
  const std::vector<std::string>* lines = nullptr;
};

// "cutwater.toml:12:3", with the line as an excerpt.
Place place_of(const Source& source, Position position);

class Reporter {
 public:
  void error(std::string_view code, std::string text) { add(code, std::move(text), true); }
  void warning(std::string_view code, std::string text) { add(code, std::move(text), false); }

  // "cutwater.toml:12:3: <what>", the line with a caret below it, "fix: <fix>" unless that is empty.
  void error_at(std::string_view code, const Source& source, Position position, const std::string& what,
                const std::string& fix = "") {
    add_at(code, place_of(source, position), what, fix, true);
  }
  void warning_at(std::string_view code, const Source& source, Position position, const std::string& what,
                  const std::string& fix) {
    add_at(code, place_of(source, position), what, fix, false);
  }
  void error_at(std::string_view code, const Place& place, const std::string& what, const std::string& fix) {
    add_at(code, place, what, fix, true);
  }
  void warning_at(std::string_view code, const Place& place, const std::string& what, const std::string& fix) {
    add_at(code, place, what, fix, false);
  }

  // What another Reporter collected.
  void add(Diagnostic diagnostic) { add(diagnostic.code, std::move(diagnostic.text), diagnostic.is_error); }

  bool failed() const { return failed_; }
  // In the order of the file's lines, what has no line last.
  std::vector<Diagnostic> take();

 private:
  struct Reported {
    Diagnostic diagnostic;
    uint32_t line;
  };
  void add(std::string_view code, std::string text, bool is_error, uint32_t line = 0);
  void add_at(std::string_view code, const Place& place, const std::string& what, const std::string& fix,
              bool is_error);

  std::vector<Reported> reported_;
  bool failed_ = false;
};

}  // namespace cutwater::config

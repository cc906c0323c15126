// From the command line's words to a Config, or the errors to print. Every error is a whole message in the form of
// interface.md section 9 ("error[CW0101] cutwater.toml:12:3: unknown key ... did you mean ...").
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/model.h"

namespace cutwater::config {

struct Overrides {                // flags; each beats CUTWATER_* which beats the file
  std::string config_file;        // -c
  std::vector<std::string> bind;  // -b
  std::optional<std::string> workers;
  std::map<std::string, std::string> settings;  // "app.timeout" -> "5s": every other flag, by setting name
  bool json = false;                            // --json: messages as JSON
};

struct Diagnostic {
  std::string code;  // "CW0101"
  std::string text;  // without "error[...]", may have several lines
  bool is_error = true;
};

// "error[CW0101] <text>" and where to read more; "warning[...]" for a warning. Without a line end.
std::string to_text(const Diagnostic& diagnostic);

struct Loaded {
  Config config;
  std::vector<Diagnostic> diagnostics;  // warnings too
  std::vector<std::string> choices;     // what was detected and why, one line each
  int exit_code = 0;                    // 0, 2 (usage or configuration), 4 (no app found)
};

// `target`: a folder, "module:attr", file.py, cutwater.toml or "" (current folder). Called again at each HUP, with the
// `file` that the settings in force come from: where one was found it must not be gone.
Loaded load(const std::string& target, const Overrides& overrides, const std::string& file = "");

}  // namespace cutwater::config

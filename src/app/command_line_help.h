// The texts of `help`, --help and the generated documents.
#pragma once

#include <string>

namespace cutwater::app {

// `bold`: headings in bold, for a terminal.
std::string short_help(bool bold);
std::string command_help(const std::string& command, bool bold);  // "" for a command without help

// What `cutwater help WORD` prints; "" when there is no such topic. WORD: a code ("CW0101" or "0101"), a command,
// "settings", "errors", or a section or setting, also as a file or message names it: "app.shop.timeout".
std::string help_topic(const std::string& word, bool bold);
// Of the topics and settings the one that may be meant by `word`, which is none; or "".
std::string nearest_topic(const std::string& word);

}  // namespace cutwater::app

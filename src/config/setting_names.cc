// What settings and sections are called: in messages, in the environment, in the file.
#include <array>

#include "config/settings.h"

namespace cutwater::config {

std::string full_name(const Setting& setting) {
  static constexpr std::array<std::string_view, 14> kPrefixes = {
      "",       "listen.",   "app.",     "limits.", "log.",  "shutdown.", "static.",
      "proxy.", "upstream.", "fastcgi.", "check.",  "auth.", "cgi.",      "pool."};
  return std::string(kPrefixes[static_cast<size_t>(setting.section)]) + std::string(setting.key);
}

std::string environment_name(const Setting& setting) {
  if (setting.flag.empty()) return "";
  std::string name = "CUTWATER_" + std::string(setting.flag);
  for (char& c : name) c = c == '-' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c);
  return name;
}

std::string section_title(Section section, std::string_view name) {
  switch (section) {
    case Section::kTop:
      return "the top level";
    case Section::kListen:
      return "[[listen]]";
    case Section::kApp:
      return "[app." + std::string(name) + "]";
    case Section::kLimits:
      return "[limits]";
    case Section::kLog:
      return "[log]";
    case Section::kShutdown:
      return "[shutdown]";
    case Section::kProxy:
      return "proxy = {...}";
    case Section::kUpstream:
      return "[upstream." + std::string(name) + "]";
    case Section::kGateway:
      return "fastcgi, scgi or uwsgi = {...}";
    case Section::kCheck:
      return "check = {...}";
    case Section::kAuth:
      return "auth = {...}";
    case Section::kCgi:
      return "cgi = {...}";
    case Section::kPool:
      return "[pool." + std::string(name) + "]";
    case Section::kStatic:
      break;
  }
  return "static = {...}";
}

}  // namespace cutwater::config

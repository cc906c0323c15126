// What a kind of value is called, and one that would do.
#include "config/parse_value.h"

namespace cutwater::config {

std::string example_value(const Setting& setting, bool in_file) {
  const auto text = [&](std::string_view plain) { return in_file ? quoted(plain) : std::string(plain); };
  switch (setting.kind) {
    case Kind::kText:
    case Kind::kPath:
      return text("...");
    case Kind::kUrlPrefix:
      return text("/shop");
    case Kind::kOctalMode:
      return text("660");
    case Kind::kInteger:
      return std::string(setting.default_text);
    case Kind::kAutoInteger:
      return setting.default_text == "auto" ? text("auto") : std::string(setting.default_text);
    case Kind::kNetworkList:
      return in_file ? "[\"10.0.0.0/8\"]" : "10.0.0.0/8";
    case Kind::kUserList:
      return "[\"www-data\"]";
    case Kind::kVariableNames:
      return "[\"REMOTE_USER\"]";
    case Kind::kEndings:
      return "[\".cgi\"]";
    case Kind::kOrigins:
      return "[\"https://example.com\"]";
    case Kind::kPrograms:
      return "{ \".py\" = \"python3\" }";
    case Kind::kVariables:
      return "{ NAME = \"value\" }";
    case Kind::kFolders:
      return "{ \"/protected/\" = \"/srv/media\" }";
    case Kind::kServers:
      return "[\"http://10.0.0.5:8000\"]";
    case Kind::kCommand:
      return "[\"php-cgi\"]";
    case Kind::kProcesses:
      return "{ min = 0, max = 8 }";
    case Kind::kDuration:
      return text(setting.default_text.empty() ? "1h" : setting.default_text);
    default:
      return text(setting.default_text);
  }
}

std::string kind_text(const Setting& setting) {
  std::string choices;
  for (const std::string& choice : split_list(setting.choices, '|')) {
    choices += (choices.empty() ? "" : ", ") + quoted(choice);
  }
  switch (setting.kind) {
    case Kind::kText:
      return "a text";
    case Kind::kPath:
      return "a path";
    case Kind::kPathOrWord:
      return (choices.find(',') == std::string::npos ? "" : "one of ") + choices + " or a path";
    case Kind::kUrlPrefix:
      return "a URL path such as \"/shop\"";
    case Kind::kAddress:
      return "an address such as \"127.0.0.1:8000\"";
    case Kind::kChoice:
      return "one of " + choices;
    case Kind::kInteger:
      return "a number";
    case Kind::kAutoInteger:
      return "a number or \"auto\"";
    case Kind::kSize:
      return "a size such as \"10MB\"";
    case Kind::kRate:
      return "a rate such as \"500B/s\"";
    case Kind::kDuration:
      return "a duration such as \"30s\"";
    case Kind::kOctalMode:
      return "an octal mode such as \"660\"";
    case Kind::kNetworkList:
      return "a list of addresses and networks";
    case Kind::kServers:
      return "a list of servers such as \"http://10.0.0.5:8000\"";
    case Kind::kUserList:
      return "a list of users";
    case Kind::kVariableNames:
      return "a list of names such as \"REMOTE_USER\"";
    case Kind::kEndings:
      return "a list of endings such as \".cgi\"";
    case Kind::kOrigins:
      return "a list of origins such as \"https://example.com\"";
    case Kind::kPrograms:
      return "a table such as { \".py\" = \"python3\" }";
    case Kind::kFolders:
      return "a table such as { \"/protected/\" = \"/srv/media\" }";
    case Kind::kCommand:
      return "a list such as [\"php-cgi\"]";
    case Kind::kProcesses:
      return "a number, or a table such as { min = 1, max = 8 }";
    case Kind::kVariables:
      break;
  }
  return "a table such as { NAME = \"value\" }";
}

}  // namespace cutwater::config

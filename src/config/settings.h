// Every setting, once: where it is written, what it may hold, its default, one sentence of help, its flag and its
// environment variable, and where it goes in the model. The file's parser, --help and docs/settings.md come from here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/document.h"
#include "config/model.h"
#include "config/value.h"

namespace cutwater::config {

enum class Section {
  kTop,
  kListen,
  kApp,
  kLimits,
  kLog,
  kShutdown,
  kStatic,
  kProxy,
  kUpstream,
  kGateway,
  kCheck,
  kAuth,
  kCgi,
  kPool
};

enum class Kind {
  kText,
  kPath,        // relative to the file; flags and variables: to the current folder
  kPathOrWord,  // one of `choices`, else a path
  kUrlPrefix,   // "/shop" or ""
  kAddress,     // what to listen on
  kChoice,
  kInteger,
  kAutoInteger,  // "auto" = 0
  kSize,         // bytes
  kRate,         // bytes per second
  kDuration,
  kOctalMode,
  kNetworkList,
  kUserList,
  kEndings,  // of file names: ".py"
  kOrigins,  // of pages: "https://example.com", "https://*.example.com", "same"
  kVariableNames,
  kVariables,  // table of environment variables
  kPrograms,   // table: ending of file names -> program
  kFolders,    // table: URL path -> folder
  kServers,    // "http://10.0.0.5:8000", or { url, weight }
  kCommand,    // a program and its arguments: a list, or a text that is split
  kProcesses,  // a number, or { min, max, spare, idle }
};

// A static route while it is read: `strip` decides how its prefix and root fit together.
struct RouteDraft : StaticRoute {
  std::optional<std::string> strip;
};

// `to` names an upstream or a server, which is looked up when all is read.
struct ProxyDraft : ProxyRoute {
  std::string to;
};

// The objects a value may be stored in; only the one of the setting's section is used.
struct Scope {
  Config* config = nullptr;
  Listen* listen = nullptr;
  App* app = nullptr;
  RouteDraft* route = nullptr;
  ProxyDraft* proxy = nullptr;
  Upstream* upstream = nullptr;
  CgiRoute* cgi = nullptr;
  Pool* pool = nullptr;
};

struct Setting {
  Section section;
  std::string_view key;
  Kind kind;
  std::string_view default_text;  // "" = none
  std::string_view help;
  std::string_view flag;  // "timeout" for --timeout and CUTWATER_TIMEOUT; "" = the file only
  void (*store)(Scope& scope, const Value& value);
  uint64_t minimum = 0;  // integers; bytes; nanoseconds
  uint64_t maximum = UINT64_MAX;
  std::string_view choices = {};        // "auto|true|false"
  std::string_view later_choices = {};  // known, not in this version
};

std::span<const Setting> settings();
const Setting* find_setting(Section section, std::string_view key);
const Setting* find_flag(std::string_view flag);  // "timeout"

// "app.timeout": how messages and Overrides name a setting.
std::string full_name(const Setting& setting);
// "CUTWATER_TIMEOUT"; "" when there is none.
std::string environment_name(const Setting& setting);
// "[app.NAME]" for people; `name` fills in the app's.
std::string section_title(Section section, std::string_view name = "NAME");
// "a duration such as \"30s\"".
std::string kind_text(const Setting& setting);
// A value that would do, as a file has it when `in_file`.
std::string example_value(const Setting& setting, bool in_file);

// Stores the default of every setting of `section`.
void store_defaults(Section section, Scope& scope);

// Checks `node` and stores it; a problem goes to `reporter` and nothing is stored. `folder` is what relative paths
// count from, `name` how the section is called ("app.web").
bool store_value(const Setting& setting, const Node& node, Scope& scope, const Source& source,
                 const std::string& folder, const std::string& name, Reporter& reporter);

}  // namespace cutwater::config

#include "control/script_variables.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"

namespace cutwater::control {

namespace {

constexpr std::array<std::string_view, 14> kRequestPrefixes = {
    "HTTP_",   "SSL_",     "AUTH_",     "CONTENT_", "CONTEXT_", "DOCUMENT_", "GEOIP_",
    "REMOTE_", "REQUEST_", "REDIRECT_", "SCRIPT_",  "SERVER_",  "TLS_",      "GATEWAY_"};
constexpr std::array<std::string_view, 5> kRequestNames = {"HTTPS", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING",
                                                           "UNIQUE_ID"};

// Of those prefixes, but obeyed by HTTP clients and by OpenSSL.
constexpr std::array<std::string_view, 3> kNeverOfRequests = {"HTTP_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"};

// Loaders and the C library, shells, interpreters and virtual machines, and what runs programs that variables name.
constexpr auto kObeyedPrefixes = std::to_array<std::string_view>(
    {"LD_",  "DYLD_",   "_RLD",  "GLIBC_", "MALLOC_", "BASH",  "PYTHON",  "PERL",  "RUBY",
     "GEM_", "BUNDLE_", "NODE_", "NPM_",   "PHP",     "LUA_",  "JAVA_",   "_JAVA", "JDK_",
     "TCL_", "GIT_",    "XDG_",  "LC_",    "DOTNET_", "CURL_", "OPENSSL_"});
constexpr auto kObeyedNames = std::to_array<std::string_view>({
    // where programs and files are found, and whose they are
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "PWD",
    "OLDPWD",
    "TMP",
    "TEMP",
    "TMPDIR",
    "TMPPREFIX",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "TERM",
    "TERMCAP",
    "TERMINFO",
    "TERMINFO_DIRS",
    "TERMPATH",
    // shells
    "SHELL",
    "SHELLOPTS",
    "IFS",
    "ENV",
    "CDPATH",
    "FPATH",
    "ZDOTDIR",
    "PS4",
    "GLOBIGNORE",
    "NULLCMD",
    "READNULLCMD",
    // the C library
    "GCONV_PATH",
    "GETCONF_DIR",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "RESOLV_HOST_CONF",
    "LANG",
    "LANGUAGE",
    "LOCPATH",
    "NLSPATH",
    "NIS_PATH",
    "TZ",
    "TZDIR",
    // HTTP clients, TLS, and interpreters that have no prefix of their own
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "NETRC",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
    "REQUESTS_CA_BUNDLE",
    "TCLLIBPATH",
    "CLASSPATH",
});

template <size_t kCount>
bool holds(const std::array<std::string_view, kCount>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <size_t kCount>
bool begins_with_one_of(const std::array<std::string_view, kCount>& prefixes, std::string_view name) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [name](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

bool is_request_variable(std::string_view name) {
  const bool is_name = std::all_of(name.begin(), name.end(),
                                   [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
  if (!is_name || holds(kNeverOfRequests, name)) return false;
  return holds(kRequestNames, name) || begins_with_one_of(kRequestPrefixes, name);
}

bool is_obeyed_variable(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) c = base::ascii_upper(c);
  return holds(kObeyedNames, upper) || begins_with_one_of(kObeyedPrefixes, upper);
}

}  // namespace cutwater::control

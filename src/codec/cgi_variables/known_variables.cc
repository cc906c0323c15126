#include "codec/cgi_variables/known_variables.h"

#include <algorithm>
#include <iterator>

namespace cutwater::codec {

namespace {

struct Name {
  std::string_view text;
  KnownVariable which = KnownVariable::kOther;
};

constexpr Name kNames[] = {
    {"DOCUMENT_URI", KnownVariable::kDocumentUri},
    {"UWSGI_SCHEME", KnownVariable::kUwsgiScheme},
    {"REQUEST_METHOD", KnownVariable::kRequestMethod},
    {"REQUEST_URI", KnownVariable::kRequestUri},
    {"REQUEST_SCHEME", KnownVariable::kRequestScheme},
    {"SCRIPT_NAME", KnownVariable::kScriptName},
    {"PATH_INFO", KnownVariable::kPathInfo},
    {"QUERY_STRING", KnownVariable::kQueryString},
    {"CONTENT_TYPE", KnownVariable::kContentType},
    {"CONTENT_LENGTH", KnownVariable::kContentLength},
    {"SERVER_NAME", KnownVariable::kServerName},
    {"SERVER_PORT", KnownVariable::kServerPort},
    {"SERVER_PROTOCOL", KnownVariable::kServerProtocol},
    {"SERVER_SOFTWARE", KnownVariable::kServerSoftware},
    {"REMOTE_ADDR", KnownVariable::kRemoteAddr},
    {"REMOTE_PORT", KnownVariable::kRemotePort},
    {"HTTPS", KnownVariable::kHttps},
    {"SCGI", KnownVariable::kScgi},
    {"HTTP_HOST", KnownVariable::kHost},
    {"HTTP_AUTHORIZATION", KnownVariable::kAuthorization},
    {"HTTP_SEC_WEBSOCKET_KEY", KnownVariable::kWebSocketKey},
    {"HTTP_TRANSFER_ENCODING", KnownVariable::kTransferEncoding},
    {"HTTP_CONTENT_LENGTH", KnownVariable::kHttpContentLength},
    {"HTTP_CONTENT_TYPE", KnownVariable::kOtherLeftOut},
    {"HTTP_CONNECTION", KnownVariable::kOtherLeftOut},
    {"HTTP_PROXY_CONNECTION", KnownVariable::kOtherLeftOut},
    {"HTTP_KEEP_ALIVE", KnownVariable::kOtherLeftOut},
    {"HTTP_TE", KnownVariable::kOtherLeftOut},
    {"HTTP_TRAILER", KnownVariable::kOtherLeftOut},
    {"HTTP_UPGRADE", KnownVariable::kOtherLeftOut},
    {"HTTP_PROXY", KnownVariable::kOtherLeftOut},
    {"HTTP_EXPECT", KnownVariable::kOtherLeftOut},
};

constexpr size_t kPlaces = 128;
constexpr size_t kShortest = std::string_view("SCGI").size();

// Chosen so that no two of the names have the same place: one comparison tells.
constexpr size_t place_of(std::string_view name) {
  const auto middle = static_cast<unsigned char>(name[name.size() / 2]);
  const auto last_but_one = static_cast<unsigned char>(name[name.size() - 2]);
  return (name.size() + 2 * size_t{middle} + 28 * size_t{last_but_one}) % kPlaces;
}

constexpr auto kTable = [] {
  std::array<Name, kPlaces> table{};
  for (const Name& name : kNames) table.at(place_of(name.text)) = name;
  return table;
}();
static_assert(std::count_if(kTable.begin(), kTable.end(), [](const Name& name) { return !name.text.empty(); }) ==
                  std::ssize(kNames),
              "two names have one place");

}  // namespace

KnownVariable known_variable(std::string_view name) {
  if (name.size() < kShortest) return KnownVariable::kOther;
  const Name& known = kTable.at(place_of(name));
  return known.text == name ? known.which : KnownVariable::kOther;
}

}  // namespace cutwater::codec

#include "handler/gateway_request.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/text.h"
#include "codec/http1/request_encoder.h"
#include "handler/forwarded.h"
#include "handler/forwarded_chain.h"
#include "handler/trusted_networks.h"
#include "message/grammar.h"
#include "message/target.h"
#include "upstream/upgrade.h"

namespace cutwater::handler {

namespace {

using base::equals_ignoring_case;

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size()) {
      const int high = message::hex_value(text[at + 1]);
      const int low = message::hex_value(text[at + 2]);
      if (high >= 0 && low >= 0) {
        decoded += static_cast<char>(high * 16 + low);
        at += 2;
        continue;
      }
    }
    decoded += text[at];
  }
  return decoded;
}

bool decodes_to(std::string_view text, std::string_view plain) {
  return text.find('%') == std::string_view::npos ? text == plain : percent_decoded(text) == plain;
}

// pchar of RFC 3986 and '/'.
bool stands_for_itself(char c) {
  const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return is_letter || (c != '\0' && std::string_view("/-._~!$&'()*+,;=:@").find(c) != std::string_view::npos);
}

// What the target has before its query, without scheme and authority.
std::string_view raw_path_of(const message::Request& request) {
  const auto target = message::split_target(request.method, request.raw_target);
  return target ? target->path : std::string_view();
}

// All values of that field as one list.
void append_received(std::string& to, const message::Headers& headers, std::string_view name) {
  const size_t begin = to.size();
  for (const message::HeaderField& field : headers) {
    if (!equals_ignoring_case(field.name, name) || field.value.empty()) continue;
    if (to.size() > begin) to += ", ";
    to += field.value;
  }
}
// The element that `pieces` make, where there is one. `begins`: the list with it.
void append_element(std::string& to, bool begins, std::initializer_list<std::string_view> pieces) {
  for (std::string_view piece : pieces) {
    if (!begins && !piece.empty()) to += ", ";
    begins = begins || !piece.empty();
    to += piece;
  }
}

// Lists that this server adds an element to, all in one piece of memory.
class GrownLists {
 public:
  explicit GrownLists(const message::Headers& received) : received_(received) { text_.reserve(kUsualLength); }

  // At most kMost times. `instead` of what was received of that list.
  void grow(std::string_view name, std::initializer_list<std::string_view> pieces,
            const std::optional<std::string>& instead = std::nullopt) {
    const size_t begin = text_.size();
    if (instead) {
      text_ += *instead;
    } else {
      append_received(text_, received_, name);
    }
    append_element(text_, text_.size() == begin, pieces);
    lists_.at(count_++) = {name, begin, text_.size() - begin};
  }
  // Those that are not empty. Until the next grow().
  void add_to(message::Headers& headers) const {
    for (const List& list : std::span(lists_).first(count_)) {
      if (list.length > 0) headers.add(list.name, std::string_view(text_).substr(list.begin, list.length));
    }
  }

  static constexpr size_t kMost = 4;

 private:
  static constexpr size_t kUsualLength = 200;

  struct List {
    std::string_view name;
    size_t begin;
    size_t length;
  };

  const message::Headers& received_;
  std::string text_;
  std::array<List, kMost> lists_;
  size_t count_ = 0;
};

constexpr std::string_view kForwardedFor = "X-Forwarded-For";
constexpr std::string_view kForwarded = "Forwarded";

// What is set here, and Proxy, of which a gateway behind us would make HTTP_PROXY (faults.md 38).
constexpr std::array<std::string_view, 8> kNotCopied = {
    kForwardedFor, "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", kForwarded, "Via", "CDN-Loop", "Proxy"};
constexpr std::array<std::string_view, 4> kFileSending = {"X-Sendfile-Type", "X-Accel-Mapping", "X-Accel-Redirect",
                                                          "X-Sendfile"};

template <size_t kCount>
bool is_one_of(const std::array<std::string_view, kCount>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [name](std::string_view own) { return equals_ignoring_case(name, own); });
}

bool is_copied(std::string_view name) {
  return !is_one_of(kNotCopied, name) && !says_how_files_are_sent(name);
}

std::string_view address_or_nothing(std::string_view text) {
  return parse_ip_address(text) ? text : std::string_view();
}

// Of the hops before this one the two fields say the same: where only one names the nearest, as the other is not there
// or hides it, that other is made of it. A server behind us that believes both would find two clients else.
struct EarlierHops {
  explicit EarlierHops(const message::Headers& headers) {
    any = headers.get(kForwardedFor) || headers.get(kForwarded);
    if (!any) return;
    const auto of_usual = read_x_forwarded_for(headers);
    const auto of_standard = read_forwarded(headers);
    if (!of_usual || !of_standard) return;
    const auto names_nearest = [](const auto& hops) { return !hops.empty() && hops.back().parsed; };
    if (names_nearest(*of_usual) == names_nearest(*of_standard)) return;
    if (names_nearest(*of_usual)) {
      standard = as_forwarded(*of_usual);
    } else {
      usual = as_x_forwarded_for(*of_standard);
    }
  }
  bool any = false;
  std::optional<std::string> usual, standard;  // instead of what came of X-Forwarded-For and of Forwarded
};

// Without what must not pass for this server's word.
message::Headers believed_fields(const message::Headers& headers) {
  message::Headers believed;
  for (const message::HeaderField& field : headers) {
    if (!is_forwarding_field(field.name)) believed.add(field.name, field.value);
  }
  return believed;
}

}  // namespace

bool says_how_files_are_sent(std::string_view name) {
  return std::any_of(kFileSending.begin(), kFileSending.end(),
                     [name](std::string_view own) { return same_as_variables(own, name); });
}

std::string field_of_variable(std::string_view variable) {
  // What the encoder of heads leaves out, and what it says itself.
  constexpr std::array<std::string_view, 10> kOfTheConnection = {
      "Host", "Content-Length", "Transfer-Encoding", "Connection", "Expect",
      "TE",   "Keep-Alive",     "Proxy-Connection",  "Trailer",    "Upgrade"};
  std::string field;
  for (char c : variable) {
    const bool begins_word = field.empty() || field.back() == '-';
    field += c == '_' ? '-' : begins_word ? base::ascii_upper(c) : base::ascii_lower(c);
  }
  return is_copied(field) && !is_one_of(kOfTheConnection, field) ? field : std::string();
}

bool same_as_variables(std::string_view field, std::string_view other) {
  const auto plain = [](char c) { return c == '-' ? '_' : base::ascii_lower(c); };
  return std::equal(field.begin(), field.end(), other.begin(), other.end(),
                    [&](char left, char right) { return plain(left) == plain(right); });
}

std::string percent_encoded(std::string_view path) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (char c : path) {
    if (stands_for_itself(c)) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

std::string forwarded_target(const message::Request& request, std::string_view strip) {
  const std::string_view raw = raw_path_of(request);
  const bool strips = !strip.empty() && message::path_has_prefix(request.path, strip);
  const std::string_view rest = strips && raw.starts_with(strip) ? raw.substr(strip.size()) : raw;
  // An encoded slash behind what is taken off would make "//x" of "/x".
  const bool ends_whole = !strips || (raw.starts_with(strip) && (rest.empty() || rest.starts_with('/')));
  std::string target;
  if (ends_whole && decodes_to(raw, request.path)) {
    target = rest;
  } else {
    target = percent_encoded(strips ? request.path.substr(strip.size()) : request.path);
  }
  if (!target.starts_with('/')) target.insert(0, "/");
  if (request.raw_target.find('?') != std::string_view::npos) target.append("?").append(request.query);
  return target;
}

bool came_back(const message::Headers& headers, std::string_view instance) {
  for (const message::HeaderField& field : headers) {
    if (!equals_ignoring_case(field.name, "CDN-Loop")) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::string_view element = message::next_list_element(rest);
      if (base::trim_whitespace(element.substr(0, element.find(';'))) == instance) return true;
    }
  }
  return false;
}

std::string grown_list(const message::Headers& headers, std::string_view name, std::string_view element) {
  std::string list;
  append_received(list, headers, name);
  append_element(list, list.empty(), {element});
  return list;
}

std::string forwarded_head(const message::Exchange& exchange, const upstream::RequestBody& body,
                           const ForwardedRequest& options) {
  const message::Request& request = exchange.request;
  const std::string_view asker = address_or_nothing(exchange.connection_address);
  const bool is_client = request.remote_address == exchange.connection_address;
  const std::string_view client = is_client ? asker : address_or_nothing(request.remote_address);
  // RFC 7239: an IPv6 address stands in brackets and quotes.
  const bool is_ipv6 = asker.find(':') != std::string_view::npos;
  message::Headers believed;
  if (request.has_unbelieved_forwarding) believed = believed_fields(request.headers);
  const message::Headers& received = request.has_unbelieved_forwarding ? believed : request.headers;
  const EarlierHops earlier(received);
  GrownLists grown(received);
  grown.grow(kForwardedFor, {asker}, earlier.usual);
  if (asker.empty() && earlier.any) {  // neither list grows: they must not have different lengths
    grown.grow(kForwarded, {}, earlier.standard);
  } else {
    grown.grow(kForwarded,
               {"for=", is_ipv6 ? "\"[" : "", asker.empty() ? "unknown" : asker, is_ipv6 ? "]\"" : "",
                ";proto=", request.scheme, ";host=\"", request.authority, "\""},
               earlier.standard);
  }
  grown.grow("Via", {request.version_minor == 0 ? "1.0 " : "1.1 ", options.instance});
  grown.grow("CDN-Loop", {options.instance});

  message::Headers headers;
  headers.reserve(request.headers.size() + request.granted.size() + kNotCopied.size());
  for (const message::HeaderField& field : received) {
    if (is_copied(field.name)) headers.add(field.name, field.value);
  }
  std::vector<std::string> granted;
  granted.reserve(request.granted.size());
  for (const message::HeaderField& variable : request.granted) {
    granted.push_back(field_of_variable(variable.name));
    if (!granted.back().empty()) headers.add(granted.back(), variable.value);
  }
  if (!client.empty()) headers.add("X-Real-IP", client);
  headers.add("X-Forwarded-Proto", request.scheme);
  headers.add("X-Forwarded-Host", received.get("X-Forwarded-Host").value_or(request.authority));
  grown.add_to(headers);

  std::string bytes;
  const std::string target = forwarded_target(request, options.strip);
  codec::http1::append_request_head(bytes, {request.method, target, request.authority, headers, body.framing(),
                                            body.length(), options.close, upstream::upgrade_offer(request).protocols});
  return bytes;
}

}  // namespace cutwater::handler

#include "message/authority.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "message/grammar.h"

namespace cutwater::message {
namespace {

constexpr size_t kLongestName = 255;
constexpr size_t kLongestLabel = 63;

constexpr std::array<bool, 256> make_label_table() {
  std::array<bool, 256> table{};
  for (char c : std::string_view("0123456789-_~ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr std::array<bool, 256> kLabelTable = make_label_table();

bool is_name(std::string_view name) {
  if (name.size() > kLongestName) return false;
  if (name.size() > 1 && name.back() == '.') name.remove_suffix(1);
  size_t label_length = 0;
  for (char c : name) {
    if (c == '.') {
      if (label_length == 0) return false;
      label_length = 0;
    } else if (!kLabelTable[static_cast<unsigned char>(c)] || ++label_length > kLongestLabel) {
      return false;
    }
  }
  return label_length > 0;
}

bool is_ipv6(std::string_view address) {
  char text[INET6_ADDRSTRLEN];
  if (address.empty() || address.size() >= sizeof text) return false;
  if (address.find('\0') != std::string_view::npos) return false;
  std::memcpy(text, address.data(), address.size());
  text[address.size()] = '\0';
  in6_addr parsed;
  return inet_pton(AF_INET6, text, &parsed) == 1;
}

// The length of the host part, or 0 when it is malformed.
size_t host_length(std::string_view text) {
  if (text.empty()) return 0;
  if (text.front() == '[') {
    size_t close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return 0;
    return close + 1;
  }
  size_t colon = std::min(text.find(':'), text.size());
  return is_name(text.substr(0, colon)) ? colon : 0;
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  size_t length = host_length(text);
  if (length == 0) return std::nullopt;
  Authority authority{text.substr(0, length), std::nullopt, text};
  std::string_view rest = text.substr(length);
  if (rest.empty()) return authority;
  if (rest.front() != ':') return std::nullopt;
  rest.remove_prefix(1);
  if (rest.empty()) {
    authority.text.remove_suffix(1);
    return authority;
  }
  std::optional<uint64_t> port = base::parse_decimal(rest);
  if (!port || *port > UINT16_MAX || rest.size() > 5) return std::nullopt;
  authority.port = static_cast<uint16_t>(*port);
  return authority;
}

}  // namespace cutwater::message

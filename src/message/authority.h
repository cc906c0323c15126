// Host and port as they stand in Host fields, absolute-form targets and forwarding fields (RFC 9110
// section 7.2, RFC 3986 section 3.2.2), strictly: faults.md 23.
//
//   authority = host [ ":" *DIGIT ]
//   host      = "[" IPv6 "]" / label *( "." label ) [ "." ]
//   label     = 1*63( ALPHA / DIGIT / "-" / "_" / "~" )
//
// Narrower than RFC 3986 on purpose: its reg-name also allows percent-encoding and sub-delimiters, which no
// DNS name has and which become injections where applications build links from the name they were asked by.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cutwater::message {

struct Authority {
  std::string_view host;         // as received, an IPv6 address with its brackets
  std::optional<uint16_t> port;  // nullopt for "host" and "host:"
  std::string_view text;         // the whole, without the colon of an empty port
};

// Views into `text`. nullopt: not a valid authority (user information included).
std::optional<Authority> parse_authority(std::string_view text);

}  // namespace cutwater::message

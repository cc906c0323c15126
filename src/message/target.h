// Request targets (RFC 9112 section 3.2, HTTP/2's :path) and the one place where a path is decoded (faults.md
// 47-53): split -> decode ONCE -> refuse control bytes -> merge slashes, remove dot segments -> the path that
// routes, access rules and handlers all use. The raw form survives only as REQUEST_URI.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cutwater::message {

enum class TargetForm : uint8_t { kOrigin, kAbsolute, kAuthority, kAsterisk };

// Views into the target that was split, or literals.
struct Target {
  TargetForm form = TargetForm::kOrigin;
  std::string_view authority;  // with kAbsolute and kAuthority; not validated
  std::string_view path;       // undecoded; "/" where it is empty, "*" with kAsterisk, empty with kAuthority
  std::string_view query;      // after the first '?', undecoded
  bool path_is_plain = true;   // decode_path would give `path` back unchanged
};

// nullopt: malformed, or a form that `method` cannot have ("*" is for OPTIONS, host:port for CONNECT alone).
// Visible ASCII but '#' is taken; bytes that RFC 3986 wants encoded and browsers send raw ('|', '^', '{',
// ...) are, too.
std::optional<Target> split_target(std::string_view method, std::string_view target);

struct DecodedPath {
  const char* error = nullptr;     // why the path must be refused with 400
  bool had_encoded_slash = false;  // %2F stood in it
};
// Appends the decoded path of `raw`, which starts with '/'. The result starts with '/', has no "//", no "."
// or ".." segments and no control bytes. Decoding it a second time would be a mistake: "%252e" gives "%2e", a
// literal name.
DecodedPath decode_path(std::string_view raw, std::string& to);

// True when `path` is `prefix` itself or lies below it, by whole segments: "/files" holds "/files/a", not
// "/filesystem" (faults.md 53). A trailing '/' of the prefix counts for nothing; "" and "/" hold every path.
bool path_has_prefix(std::string_view path, std::string_view prefix);

}  // namespace cutwater::message

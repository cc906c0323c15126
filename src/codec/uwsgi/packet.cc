#include "codec/uwsgi/packet.h"

#include <algorithm>

#include "base/byte_reader.h"

namespace cutwater::codec::uwsgi {
namespace {

uint16_t read_u16(base::ByteReader& reader) {
  const auto low = reader.integer<uint8_t>();
  const auto high = reader.integer<uint8_t>();
  return static_cast<uint16_t>(high << 8 | low);
}

void append_u16(std::string& to, size_t value) {
  to += static_cast<char>(value & 0xff);
  to += static_cast<char>(value >> 8 & 0xff);
}

PacketResult refuse(PacketResult::Kind kind, const char* reason, uint8_t modifier1 = 0) {
  PacketResult result;
  result.kind = kind;
  result.modifier1 = modifier1;
  result.reason = reason;
  return result;
}

// PATH_INFO goes on behind what SCRIPT_NAME says, as uWSGI reads it with modifier1 30: nginx's $document_uri is a whole
// path.
void take_script_name_off(Variables& variables) {
  std::string_view script_name;
  for (const Variable& variable : variables) {
    if (variable.name == "SCRIPT_NAME") script_name = variable.value;
  }
  while (script_name.ends_with('/')) script_name.remove_suffix(1);
  for (Variable& variable : variables) {
    if (variable.name != "PATH_INFO" || !variable.value.starts_with(script_name)) continue;
    const std::string_view rest = variable.value.substr(script_name.size());
    if (rest.starts_with('/')) variable.value = rest;
  }
}

// Whoever counts the letters of a name, not its bytes, splits the pairs elsewhere than we do (faults.md 95): of names
// of ASCII alone there is one count.
bool is_ascii(std::string_view name) {
  unsigned char all = 0;
  for (char c : name) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

// nullptr, or what is wrong.
const char* read_pairs(std::string_view bytes, Variables& variables) {
  base::ByteReader reader(bytes);
  while (!reader.rest().empty()) {
    const std::string_view name = reader.bytes(read_u16(reader));
    const std::string_view value = reader.bytes(read_u16(reader));
    if (reader.failed()) return "a name or value that goes past the end";
    if (name.empty()) return "a name without bytes";
    if (!is_ascii(name)) return "a name with a byte above 0x7f";
    variables.push_back({name, value});
  }
  const auto is_length = [](const Variable& variable) { return variable.name == "CONTENT_LENGTH"; };
  if (std::count_if(variables.begin(), variables.end(), is_length) > 1) return "CONTENT_LENGTH twice";
  return nullptr;
}

}  // namespace

PacketResult read_packet(std::string_view bytes, const VariableLimits& limits, Variables& variables) {
  base::ByteReader reader(bytes);
  const auto modifier1 = reader.integer<uint8_t>();
  if (!bytes.empty() && modifier1 != kWsgi && modifier1 != kWsgiBelowScriptName)
    return refuse(PacketResult::kOtherModifier, "a modifier1 that is not served", modifier1);
  const size_t length = read_u16(reader);
  reader.integer<uint8_t>();  // modifier2 means nothing with these
  PacketResult result;
  if (reader.failed()) {
    result.needed = kHeaderBytes;
    return result;
  }
  if (length == 0) return refuse(PacketResult::kMalformed, "a packet without variables");
  if (length > limits.bytes) return refuse(PacketResult::kTooLarge, "variables over the limit");
  const std::string_view pairs = reader.bytes(length);
  if (reader.failed()) {
    result.needed = kHeaderBytes + length;
    return result;
  }
  if (const char* problem = read_pairs(pairs, variables)) return refuse(PacketResult::kMalformed, problem);
  if (variables.size() > limits.count) return refuse(PacketResult::kTooLarge, "too many variables");
  if (modifier1 == kWsgiBelowScriptName) take_script_name_off(variables);
  result.kind = PacketResult::kComplete;
  result.consumed = kHeaderBytes + length;
  return result;
}

bool append_packet(std::string& to, uint8_t modifier1, uint8_t modifier2, const Variables& variables) {
  std::string pairs;
  for (const Variable& variable : variables) {
    if (variable.name.size() + variable.value.size() + 4 > kMostPairBytes - pairs.size()) return false;
    append_u16(pairs, variable.name.size());
    pairs += variable.name;
    append_u16(pairs, variable.value.size());
    pairs += variable.value;
  }
  to += static_cast<char>(modifier1);
  append_u16(to, pairs.size());
  to += static_cast<char>(modifier2);
  to += pairs;
  return true;
}

}  // namespace cutwater::codec::uwsgi

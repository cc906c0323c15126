// How a message's struct becomes JSON and back. A message names its fields once:
//   template <class Visitor> void visit(Visitor& field) { field("app", app); field("generation", generation); }
// The writer puts them into an object, the reader takes them out and checks each one's type and range; a field that
// is missing or wrong fails the whole message. Durations travel as whole milliseconds; an absent optional is left out.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace cutwater::control {

class FieldReader;
class FieldWriter;

template <class T>
concept Record = requires(T record, FieldReader& reader) {
  record.visit(reader);
};

class FieldWriter {
 public:
  explicit FieldWriter(nlohmann::json& object) : object_(object) {}

  template <class T>
  void operator()(const char* name, T& value) {
    object_[name] = to_json(value);
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& value) {
    if (value) object_[name] = to_json(*value);
  }

 private:
  template <class T>
  static nlohmann::json to_json(T& value) {
    if constexpr (Record<T>) {
      nlohmann::json object = nlohmann::json::object();
      FieldWriter writer(object);
      value.visit(writer);
      return object;
    } else {
      return value;
    }
  }
  static nlohmann::json to_json(base::Duration& value) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(value).count();
  }
  template <class T>
  static nlohmann::json to_json(std::vector<T>& values) {
    nlohmann::json array = nlohmann::json::array();
    for (T& value : values) array.push_back(to_json(value));
    return array;
  }

  nlohmann::json& object_;
};

class FieldReader {
 public:
  explicit FieldReader(const nlohmann::json& object) : object_(object) {}

  template <class T>
  void operator()(const char* name, T& value) {
    auto found = object_.find(name);
    if (found == object_.end() || !from_json(*found, value)) fail(name);
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& value) {
    auto found = object_.find(name);
    if (found == object_.end() || found->is_null()) return;
    if (!from_json(*found, value.emplace())) fail(name);
  }
  // The first field that was wrong; empty when all were right.
  const std::string& wrong_field() const { return wrong_field_; }

 private:
  void fail(const char* name) {
    if (wrong_field_.empty()) wrong_field_ = name;
  }
  static bool from_json(const nlohmann::json& json, std::string& value) {
    if (!json.is_string()) return false;
    value = json.get_ref<const std::string&>();
    return true;
  }
  static bool from_json(const nlohmann::json& json, bool& value) {
    if (!json.is_boolean()) return false;
    value = json.get<bool>();
    return true;
  }
  template <std::integral T>
  static bool from_json(const nlohmann::json& json, T& value) {
    if (json.is_number_unsigned()) {
      const auto number = json.get<uint64_t>();
      if (number > static_cast<uint64_t>(std::numeric_limits<T>::max())) return false;
      value = static_cast<T>(number);
      return true;
    }
    if (!json.is_number_integer()) return false;
    const auto number = json.get<int64_t>();
    if (std::cmp_less(number, std::numeric_limits<T>::min())) return false;
    value = static_cast<T>(number);
    return true;
  }
  static bool from_json(const nlohmann::json& json, base::Duration& value) {
    uint64_t milliseconds = 0;
    if (!from_json(json, milliseconds) || milliseconds > kMostMilliseconds) return false;
    value = std::chrono::milliseconds(static_cast<int64_t>(milliseconds));
    return true;
  }
  template <class T>
  static bool from_json(const nlohmann::json& json, std::vector<T>& values) {
    if (!json.is_array()) return false;
    values.clear();
    for (const nlohmann::json& element : json) {
      if (!from_json(element, values.emplace_back())) return false;
    }
    return true;
  }
  static bool from_json(const nlohmann::json& json, std::map<std::string, std::string>& values) {
    if (!json.is_object()) return false;
    values.clear();
    for (const auto& [name, value] : json.items()) {
      if (!from_json(value, values[name])) return false;
    }
    return true;
  }
  template <Record T>
  static bool from_json(const nlohmann::json& json, T& value) {
    if (!json.is_object()) return false;
    FieldReader reader(json);
    value.visit(reader);
    return reader.wrong_field().empty();
  }

  static constexpr uint64_t kMostMilliseconds = uint64_t{100} * 365 * 24 * 3600 * 1000;
  const nlohmann::json& object_;
  std::string wrong_field_;
};

// The object to send for `message`, its "type" included.
template <Record Message>
nlohmann::json encode(Message message) {
  nlohmann::json body = nlohmann::json::object();
  body["type"] = Message::kType;
  FieldWriter writer(body);
  message.visit(writer);
  return body;
}

// The message in `body` (an object whose "type" the caller has looked at). The error names the wrong field.
template <Record Message>
base::Result<Message> decode(const nlohmann::json& body) {
  Message message;
  FieldReader reader(body);
  message.visit(reader);
  if (!reader.wrong_field().empty()) {
    return base::Error{std::string(Message::kType) + ": field \"" + reader.wrong_field() + "\" is missing or wrong"};
  }
  return message;
}

}  // namespace cutwater::control

// Fronts: how supervision talks to the front processes. The master implements it; tests do with a recorder.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

namespace cutwater::supervise {

class Fronts {
 public:
  virtual ~Fronts() = default;
  virtual unsigned count() const = 0;  // never changes
  virtual bool running(unsigned front) const = 0;
  // To a front that does not run: nothing. It is introduced to everything when it starts.
  virtual void send(unsigned front, const nlohmann::json& body, std::vector<int> descriptors) = 0;

  void broadcast(const nlohmann::json& body) {
    for (unsigned front = 0; front < count(); ++front) send(front, body, {});
  }
};

}  // namespace cutwater::supervise

#include "message/headers.h"

#include "base/text.h"

namespace cutwater::message {

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (const HeaderField& field : fields_) {
    if (base::equals_ignoring_case(field.name, name)) return field.value;
  }
  return std::nullopt;
}

size_t Headers::count(std::string_view name) const {
  size_t found = 0;
  for (const HeaderField& field : fields_) found += base::equals_ignoring_case(field.name, name);
  return found;
}

void Headers::remove_all(std::string_view name) {
  std::erase_if(fields_, [name](const HeaderField& field) { return base::equals_ignoring_case(field.name, name); });
}

}  // namespace cutwater::message

#include "codec/http1/field_line.h"

namespace cutwater::codec::http1 {

void append_field(std::string& to, std::string_view name, std::string_view value) {
  to += name;
  to += ": ";
  to += value;
  to += "\r\n";
}

}  // namespace cutwater::codec::http1

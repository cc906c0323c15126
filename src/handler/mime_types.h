// Content-Type of a file by its name's ending.
#pragma once

#include <string_view>

namespace cutwater::handler {

// "application/octet-stream" when unknown. Text types carry charset=utf-8.
std::string_view content_type_of(std::string_view file_name);

}  // namespace cutwater::handler

// docs/settings.md and docs/errors.md, made from the tables; a test compares the committed files.
#pragma once

#include <string>

namespace cutwater::config {

std::string settings_markdown();
std::string errors_markdown();

}  // namespace cutwater::config

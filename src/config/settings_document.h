// docs/settings.md and docs/errors.md, made from the tables; a test compares the committed files.
#pragma once

#include <string>
#include <string_view>

namespace cutwater::config {

std::string settings_markdown();
std::string errors_markdown();

// The sections of settings_markdown() that tell of `word`: "fastcgi", "upstream", "site.route", "[[listen]]"; "" when
// none does.
std::string section_markdown(std::string_view word);

}  // namespace cutwater::config

// "did you mean": the known word nearest to what was written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cutwater::config {

// Changes (insert, drop, replace, swap of neighbours) that make `right` of `left`.
size_t edit_distance(std::string_view left, std::string_view right);

// The nearest of `words`, or "" when none is near enough to be meant (a third of the word's length, at most 3 changes).
// Another name of one comes first: "fcgi" is "fastcgi", not the nearer "scgi".
std::string closest(std::string_view written, const std::vector<std::string>& words);

}  // namespace cutwater::config

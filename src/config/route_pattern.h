// The pattern of a route's match.path: "/static/*" is everything below, "/health" that path alone.
#pragma once

#include <string>

#include "config/model.h"

namespace cutwater::config {

// Stores it in `route`. False: it is neither form.
bool parse_pattern(const std::string& pattern, Route& route);

// As it is written.
std::string pattern_of(const Route& route);

// Whether a request that `narrow` takes is always taken by `wide`.
bool takes_all_of(const Route& wide, const Route& narrow);

// A pattern near to what was written: "/api/*" for "/api*", "api" or nginx's "/api/"; "/static/*" when nothing is.
std::string meant_pattern(std::string written);

}  // namespace cutwater::config

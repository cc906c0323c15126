// From a parsed file to the model: which table is which section, and everything unknown, misplaced or missing.
#pragma once

#include "config/document.h"
#include "config/model.h"

namespace cutwater::config {

// Stores what `table` (the root of a cutwater.toml, or [tool.cutwater]) says into `config`, whose defaults are set
// already. `listen_defaults` is what a [[listen]] starts from. Problems go to `reporter`.
void apply_file(const Document& document, const Node& table, const Listen& listen_defaults, const App& app_defaults,
                Config& config, Reporter& reporter);

}  // namespace cutwater::config

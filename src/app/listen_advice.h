// What to tell somebody whose address cannot be listened on: who has it, what is wrong with it, what to do.
#pragma once

#include <string>

#include "base/result.h"

namespace cutwater::app {

// Lines to go behind the message of `error`, each begun by "\n"; `address` as in [[listen]].
std::string listen_advice(const std::string& address, const base::Error& error);

}  // namespace cutwater::app

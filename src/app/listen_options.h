// How a listening socket is to be opened: the settings of a [[listen]] in the kernel's terms.
#pragma once

#include "base/result.h"
#include "config/model.h"
#include "io/listener.h"

namespace cutwater::app {

// An error when the owner or the group does not exist.
base::Result<io::ListenOptions> listen_options(const config::Listen& listen);

}  // namespace cutwater::app

// How a listening socket is to be opened: the settings of a [[listen]] in the kernel's terms.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "config/model.h"
#include "io/listener.h"
#include "supervise/identity.h"

namespace cutwater::app {

// An error when the owner or the group does not exist. Without `mode` the socket of a gateway protocol is open to the
// owner and a group, 0660, where a group has everybody who is trusted there; else, and for HTTP, to all.
base::Result<io::ListenOptions> listen_options(const config::Listen& listen, const config::Config& config);

// A group that all of them have, the first one's own before others; never nobody's.
std::optional<gid_t> common_group(const std::vector<supervise::Identity>& users);

// A group that was chosen here and may not be given (without CAP_CHOWN, say) is done without: then the socket is open
// to all.
base::Result<base::FileDescriptor> open_listener(const config::Listen& listen, const io::ListenOptions& options);

}  // namespace cutwater::app

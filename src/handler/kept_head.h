// A copy of a response's head that lives by itself, for when whoever gave it goes before it is used.
#pragma once

#include "handler/response_head.h"
#include "message/response.h"

namespace cutwater::handler {

ResponseHeadPool::Pointer copy_head(const message::Response& response);

}  // namespace cutwater::handler

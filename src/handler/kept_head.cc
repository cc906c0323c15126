#include "handler/kept_head.h"

#include <string_view>

namespace cutwater::handler {

ResponseHeadPool::Pointer copy_head(const message::Response& response) {
  auto copy = std::make_unique<ResponseHead>();
  size_t bytes = response.reason.size();
  for (const message::HeaderField& field : response.headers) bytes += field.name.size() + field.value.size();
  copy->storage.reserve(bytes);  // views into it are taken while it grows
  const auto kept = [&copy](std::string_view text) {
    const size_t start = copy->storage.size();
    copy->storage.append(text);
    return std::string_view(copy->storage).substr(start);
  };
  copy->response.status = response.status;
  copy->response.content_length = response.content_length;
  copy->response.reason = kept(response.reason);
  for (const message::HeaderField& field : response.headers) {
    const std::string_view name = kept(field.name);
    copy->response.headers.add(name, kept(field.value));
  }
  return copy;
}

}  // namespace cutwater::handler

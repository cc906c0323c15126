// ResponseHead: a worker's response head, copied out of shared memory and checked. Pooled, since each request needs
// one and its strings and field list should keep their memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "message/response.h"

namespace cutwater::handler {

struct ResponseHead {
  std::string storage;  // what `response` views
  message::Response response;
};

class ResponseHeadPool {
 public:
  using Pointer = std::unique_ptr<ResponseHead>;

  Pointer take() {
    if (free_.empty()) return std::make_unique<ResponseHead>();
    Pointer head = std::move(free_.back());
    free_.pop_back();
    return head;
  }
  void give_back(Pointer head) {
    if (!head || free_.size() >= kKept) return;
    head->response.headers.clear();
    head->response.content_length.reset();
    head->response.reason = {};
    free_.push_back(std::move(head));
  }

 private:
  static constexpr size_t kKept = 64;
  std::vector<Pointer> free_;
};

}  // namespace cutwater::handler

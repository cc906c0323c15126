// StreamedUpload: the body of a request that is with its worker already, on its way there while the answer may be on
// its way back. Nothing is read from the client that the worker has given no credit for, and nothing before it wants
// any.
#pragma once

#include <string_view>

#include "base/task.h"
#include "handler/worker_feed.h"
#include "message/exchange.h"

namespace cutwater::handler {

class AppRequest;

class StreamedUpload {
 public:
  // Both outlive the upload. What breaks the body off ends the request (AppRequest::fail_body).
  StreamedUpload(AppRequest& request, message::BodySource& body) : request_(request), body_(body), feed_(request) {
    sending_.start(send());
  }

  WorkerFeed& feed() { return feed_; }
  // The worker would take more, and the client sends nothing.
  bool waits_for_client() const { return waits_for_client_; }

 private:
  base::Task<void> send();
  base::Task<void> send_piece(std::string_view piece);

  AppRequest& request_;
  message::BodySource& body_;
  WorkerFeed feed_;
  bool waits_for_client_ = false;
  base::TaskSet sending_;  // first to end
};

}  // namespace cutwater::handler

// AppAnswer: what a worker answers, on its way to a client that may be slower than the worker. Short answers, and those
// of clients that keep up, go straight to the client. Of a long one of a synchronous app is kept what the client does
// not take yet, so that the worker is free for others; what never ends, or must not be late, holds its worker back
// instead.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/task.h"
#include "handler/spool.h"
#include "handler/spooled_answer.h"
#include "io/loop.h"
#include "message/exchange.h"

namespace cutwater::handler {

class AppAnswer {
 public:
  // So much of an answer fits the client's output buffer, where nobody waits for room but who shares it with others.
  static constexpr uint64_t kSentAtOnce = 256 * 1024;
  // Of an answer that does not say where it ends.
  static constexpr uint64_t kKeptWithoutLength = uint64_t{16} << 20;

  // All outlive the answer. `waits_for_client`: a worker of an asynchronous app holds nobody up while it waits.
  AppAnswer(message::ResponseWriter& response, SpoolArea& area, io::Loop& loop, bool waits_for_client)
      : response_(response), area_(area), loop_(loop), may_keep_(!waits_for_client) {}

  // Of an answer that the head alone does not complete: as the app gave it, before any field was hidden.
  void look_at(const message::Response& head);

  // These wait for room, as those of the ResponseWriter do. What `piece` shows is copied before.
  base::Task<message::WriteStatus> head(const message::Response& head, std::string_view piece, bool complete) {
    sent_ = piece.size();
    if (!complete && may_keep_ && response_.room() < piece.size() + kMostOfHead) return keep(&head, piece, complete);
    return response_.head(head, piece, complete);
  }
  base::Task<message::WriteStatus> body(std::string_view piece, bool complete) {
    sent_ += piece.size();
    const bool may_wait = sent_ > kSentAtOnce || response_.room() < piece.size();
    if (kept_ || (may_keep_ && may_wait)) return keep(nullptr, piece, complete);
    return response_.body(piece, complete);
  }
  base::Task<message::WriteStatus> finish() { return kept_ ? keep(nullptr, {}, true) : response_.finish(); }

  // Until the client has taken all; to be asked for at the end, and before anything else is done with the
  // ResponseWriter.
  bool keeps_some() const { return kept_ != nullptr; }
  base::Task<message::WriteStatus> drained() { return kept_->drained(); }

 private:
  static constexpr size_t kMostOfHead = 64 * 1024;

  base::Task<message::WriteStatus> keep(const message::Response* head, std::string_view piece, bool complete);

  message::ResponseWriter& response_;
  SpoolArea& area_;
  io::Loop& loop_;
  bool may_keep_;
  bool has_length_ = false;
  uint64_t sent_ = 0;
  std::unique_ptr<SpooledAnswer> kept_;
};

}  // namespace cutwater::handler

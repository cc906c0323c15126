#include "handler/app_answer.h"

#include "base/text.h"

namespace cutwater::handler {

namespace {

// Each piece of these is meant for the moment at which it is sent: an application that is told that its client is
// behind leaves some out.
bool is_live(const message::Response& head) {
  const std::string_view type = head.headers.get("Content-Type").value_or("");
  for (std::string_view live : {"text/event-stream", "multipart/x-mixed-replace"}) {
    if (base::equals_ignoring_case(type.substr(0, live.size()), live)) return true;
  }
  return false;
}

}  // namespace

void AppAnswer::look_at(const message::Response& head) {
  has_length_ = head.content_length.has_value();
  may_keep_ = may_keep_ && may_be_spooled(head) && !is_live(head);
}

base::Task<message::WriteStatus> AppAnswer::keep(const message::Response* head, std::string_view piece, bool complete) {
  if (!kept_) {
    SpooledAnswerLimits limits;
    if (!has_length_) limits.in_file = kKeptWithoutLength;
    kept_ = std::make_unique<SpooledAnswer>(response_, area_, loop_, limits);
  }
  return kept_->write(head, piece, complete);
}

}  // namespace cutwater::handler

// AppGeneration: how long requests may take.
#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "base/text.h"
#include "handler/app.h"
#include "handler/app_generation.h"

namespace cutwater::handler {

bool AppGeneration::waits_in_vain(base::Instant entered, base::Instant now) const {
  const base::Instant end = entered + options_.queue_timeout;
  return refusing_ || std::max(now, paused_until_) > end;
}

void AppGeneration::watch(SlotUse& use) {
  if (use.place != kUnwatched) return;
  use.place = static_cast<uint16_t>(watched_.size());
  watched_.push_back(static_cast<uint16_t>(use.ticket.slot));
}

void AppGeneration::unwatch(SlotUse& use) {
  if (use.place == kUnwatched) return;
  slots_[watched_.back()].place = use.place;
  watched_[use.place] = watched_.back();
  watched_.pop_back();
  use.place = kUnwatched;
}

void AppGeneration::set_free(SlotUse& use) {
  use.state = SlotUse::State::kFree;
  if (std::exchange(use.open_socket, false)) --open_sockets_;
  unwatch(use);
}

// Backwards: who leaves the list is replaced by the last one, which was looked at.
void AppGeneration::check_deadlines(base::Instant now) {
  for (size_t i = watched_.size(); i-- > 0;) check_deadline(slots_[watched_[i]], now);
  close_retired_sockets(now);
  if (options_.asynchronous) look_for_hanging_loops(now);
}

// `timeout` counts from the claim until the worker lets the slot go, however much of an answer comes meanwhile. Only
// while the client does not take what has come, it stands still: that is not the worker's fault.
void AppGeneration::check_deadline(SlotUse& use, base::Instant now) {
  const base::Duration since_last_look = now - std::exchange(use.looked_at, now);
  const link::SlotState where = link_.state(use.ticket);
  // What was claimed once and is not any more has been released.
  if (use.state != SlotUse::State::kActive && where.kind != link::SlotState::kClaimed) return set_free(use);
  AppRequest* request = use.request;
  if (where.kind == link::SlotState::kQueued) {
    if (request && request->has_left(now)) return request->drop();
    if (request && waits_in_vain(request->entered, now) && take_back(*request)) app_.turn_away(*request, now);
    return;
  }
  if (options_.asynchronous) return check_asynchronous(use, where, now, since_last_look);
  if (use.answered && request && !request->waits_for_event()) use.held_up += since_last_look;
  if (use.reported_stuck || now - where.claimed_at - use.held_up <= options_.timeout) return;
  report_stuck(use, where.lane);
}

// `timeout` counts from the claim to the head of the answer, which may then last for days, and again from the client's
// leaving. One slow coroutine is no reason to end its worker: that is stuck when it does not even let go of what was
// cancelled.
void AppGeneration::check_asynchronous(SlotUse& use, const link::SlotState& where, base::Instant now,
                                       base::Duration since_last_look) {
  if (use.cancelled_at != base::kNever) {
    if (!use.reported_stuck && now - use.cancelled_at > options_.cancel_grace) report_stuck(use, where.lane);
    return;
  }
  if (use.state == SlotUse::State::kAbandoned) {
    if (now - use.let_go_at > options_.timeout) cancel(use, where.lane, now);
    return;
  }
  AppRequest* request = use.request;
  if (use.state != SlotUse::State::kActive || !request) return;
  if (use.open_socket) return unwatch(use);  // who reads it finds out
  if (request->has_left(now) && !std::exchange(use.told_disconnect, true)) {
    link_.send_down(where.lane, link::DownKind::kDisconnect, use.ticket, 0, {});
  }
  if (use.head_seen) {
    if (use.told_disconnect || !request->may_have_left()) unwatch(use);
    return;
  }
  if (request->waits_for_client()) use.held_up += since_last_look;
  if (now - where.claimed_at - use.held_up > options_.timeout) cancel(use, where.lane, now);
}

void AppGeneration::cancel(SlotUse& use, uint32_t lane, base::Instant now) {
  use.cancelled_at = now;
  link_.send_down(lane, link::DownKind::kCancel, use.ticket, 0, {});
  if (!use.request) return;
  use.answered_504 = true;
  const message::Request& asked = use.request->exchange().request;
  std::string path;
  base::append_log_escaped(path, asked.path);
  app_.log_.write(base::Severity::kError, "CW0501",
                  fmt::format("{}: {} {} took longer than timeout = {}; cancelled and answered 504", options_.app,
                              asked.method, path, base::seconds_text(options_.timeout)),
                  now);
  use.request->fail(504);
}

// A worker whose loop turns takes out of its ring what is sent to it. One that hangs while it runs nothing, or nothing
// but WebSockets and answers that were begun, misses no other deadline.
void AppGeneration::look_for_hanging_loops(base::Instant now) {
  for (uint32_t lane = 0; lane < workers_.size(); ++lane) {
    if (!workers_[lane]) continue;
    Silence& silence = silences_[lane];
    const std::optional<uint64_t> position = link_.unread_from(lane);
    if (!position || position != silence.position) {
      if (!position && now - silence.probed > options_.timeout / 2) {
        silence.probed = now;
        link_.probe_lane(lane);
      }
      silence.position = position;
      silence.since = now;
      silence.reported = false;
    } else if (!silence.reported && now - silence.since > options_.timeout) {
      silence.reported = true;
      app_.services_.reports.worker_stuck(options_, lane, {}, {}, StuckClient::kCut);
    }
  }
}

void AppGeneration::report_stuck(SlotUse& use, uint32_t lane) {
  use.reported_stuck = true;
  AppRequest* request = use.request;
  if (!request || use.state != SlotUse::State::kActive) {
    const auto got = use.answered_504 ? StuckClient::k504 : StuckClient::kNone;
    app_.services_.reports.worker_stuck(options_, lane, use.method, use.path, got);
    return;
  }
  const message::Request& asked = request->exchange().request;
  const auto client = request->answer_begun() ? StuckClient::kCut : StuckClient::k504;
  app_.services_.reports.worker_stuck(options_, lane, asked.method, asked.path, client);
  link_.send_down(lane, link::DownKind::kCancel, use.ticket, 0, {});
  request->fail(504);
}

}  // namespace cutwater::handler

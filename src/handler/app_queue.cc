// AppHandler: where requests wait, and who goes on at the end of a turn.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/text.h"
#include "handler/app.h"

namespace cutwater::handler {

// What the workers run, or idle ones are about to claim, does not count as waiting. What the other fronts have counts,
// as of their last turns; until a first generation serves no front knows of another's line. Of workers that run many
// requests more than `queue` must not have been claimed, too.
bool AppHandler::queue_is_full(const WaitingLimits& limits) const {
  if (!current_) return line_.size() >= limits.queue;
  const uint64_t elsewhere = line_.size() + current_->link().load_of_others();
  if (elsewhere + current_->link().in_use() < limits.queue + current_->capacity()) return false;
  return !current_->options().asynchronous || elsewhere + current_->link().queued() >= limits.queue;
}

void AppHandler::publish_load() {
  if (current_) current_->link().publish_load(static_cast<uint32_t>(line_.size() + current_->load()));
}

// nullopt: nothing serves, and nothing is about to.
std::optional<WaitingLimits> AppHandler::limits() const {
  if (!current_) return expecting_;
  return WaitingLimits{current_->options().queue, current_->options().queue_timeout};
}

bool AppHandler::waits_in_vain(const AppRequest& request, base::Instant now) const {
  if (current_) return current_->waits_in_vain(request.entered, now);
  return !expecting_ || now - request.entered > expecting_->queue_timeout;
}

void AppHandler::turn_away(AppRequest& request, base::Instant now) {
  const std::optional<WaitingLimits> limits = this->limits();
  if (limits && now - request.entered > limits->queue_timeout) {
    log_.write(base::Severity::kWarning, "CW0511",
               fmt::format("{}: a request waited queue_timeout = {} for a worker; answered 503\n"
                           "fix: more workers, a faster app, or raise app.{}.queue_timeout",
                           name_, base::seconds_text(limits->queue_timeout), name_),
               now, "queue_timeout");
  }
  request.fail(503);
}

uint16_t AppHandler::enqueue(AppRequest& request) {
  const std::optional<WaitingLimits> limits = this->limits();
  if (!limits || failed_) return 503;
  wake_up();
  request.entered = services_.loop.now();
  request.order = ++arrivals_;
  if (waits_in_vain(request, request.entered)) return 503;
  if (queue_is_full(*limits)) {
    log_.write(base::Severity::kWarning, "CW0511",
               name_ + ": more than queue = " + std::to_string(limits->queue) +
                   " requests wait for a worker; answered 503\nfix: more workers, or raise app." + name_ + ".queue",
               request.entered, "queue");
    return 503;
  }
  if (!line_.empty() || !current_ || !current_->submit(request)) {
    if (is_too_long(request)) return 431;
    put_in_line(request);
  }
  publish_load();
  start_tick();
  return 0;
}

// The front of the line is what all others wait for.
bool AppHandler::is_too_long(AppRequest& request) {
  if (!current_ || current_->fits(request)) return false;
  log_.write(base::Severity::kWarning, "CW0519",
             name_ +
                 ": a request's line, fields and variables are together longer than a worker can be given; "
                 "answered 431\nfix: lower limits.header, so that such a request is refused at once",
             services_.loop.now());
  return true;
}

void AppHandler::put_in_line(AppRequest& request) {
  request.in_line = true;
  line_.push_back(&request);
}

void AppHandler::leave_line(AppRequest& request) {
  request.in_line = false;
  line_.erase(std::find(line_.begin(), line_.end(), &request));
}

AppRequest& AppHandler::take_first_in_line() {
  AppRequest& first = *line_.front();
  first.in_line = false;
  line_.pop_front();
  return first;
}

// A body that has not been read cannot go to workers that want all of it first: the new code is of another kind.
void AppHandler::fill_slots() {
  while (current_ && !line_.empty()) {
    if (line_.front()->streams() && !current_->options().asynchronous) {
      take_first_in_line().fail(503);
    } else if (current_->submit(*line_.front())) {
      take_first_in_line();
    } else if (is_too_long(*line_.front())) {
      take_first_in_line().fail(431);
    } else {
      break;
    }
  }
}

void AppHandler::resume_at_end_of_turn(AppRequest& request) {
  if (std::exchange(request.to_be_resumed, true)) return;
  to_resume_.push_back(&request);
}

void AppHandler::forget_resumption(AppRequest& request) {
  request.to_be_resumed = false;
  std::replace(to_resume_.begin(), to_resume_.end(), &request, static_cast<AppRequest*>(nullptr));
}

bool AppHandler::resume_all() {
  bool any = false;
  for (size_t i = 0; i < to_resume_.size(); ++i) {  // grows while it runs
    if (AppRequest* request = std::exchange(to_resume_[i], nullptr)) {
      any = true;
      request->resume();
    }
  }
  to_resume_.clear();
  return any;
}

}  // namespace cutwater::handler

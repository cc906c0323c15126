// How the requests of a FastCGI connection end, and it with them.
#include <utility>

#include "codec/fastcgi/record.h"
#include "serve/fastcgi_connection.h"
#include "serve/request_head.h"

namespace cutwater::serve {

namespace {

constexpr base::Duration kLingerTime = std::chrono::seconds(5);
constexpr base::Duration kLingerTimeDraining = std::chrono::seconds(1);

}  // namespace

void FastcgiConnection::on_ended(FastcgiExchange& exchange) {
  const uint16_t request_id = exchange.request_id();
  if (exchange.may_end()) {
    say_end(request_id);
  } else if (!exchange.gone()) {
    say_cut(request_id);
  }
  closing_ = closing_ || server_.draining || !session_.keeps_connection(request_id);
  unread_ = unread_ || !exchange.input_ended();
  session_.end_request(request_id);
  const auto found = exchanges_.find(request_id);
  over_.push_back(std::move(found->second));
  exchanges_.erase(found);
  tidy_later();
}

void FastcgiConnection::say_end(uint16_t request_id) {
  codec::fastcgi::append_record(output_.staged(), codec::fastcgi::RecordType::kStdout, request_id, {});
  codec::fastcgi::append_end_request(output_.staged(), request_id, {});
  if (!peer_left_) output_.send();
}

// While others run the connection's end would tell it only behind the last of them. Who sends several requests at once
// looks at the status; web servers, which send one, do not, so that it is not said to who is alone.
void FastcgiConnection::say_cut(uint16_t request_id) {
  constexpr uint32_t kFailed = 1;
  const bool keeps_connection = session_.keeps_connection(request_id);
  if (keeps_connection && session_.running() > 1) {
    codec::fastcgi::append_end_request(output_.staged(), request_id, {kFailed});
    if (!peer_left_) output_.send();
    return;
  }
  cut_ = true;
  cut_needs_reset_ = cut_needs_reset_ || !keeps_connection;
}

// While nobody reads. Whoever only ended its sending is found out when it is read on.
void FastcgiConnection::on_hangup(io::Hangup kind) {
  if (kind == io::Hangup::kGone) peer_left();
}

void FastcgiConnection::peer_left() {
  peer_left_ = true;
  report_heads(kLeftInHead);
  for (uint16_t request_id : running()) {
    if (FastcgiExchange* exchange = find(request_id)) exchange->client_left();
  }
  tidy_later();
}

// What came whole is answered, as by HTTP: who shuts its sending side down may still read. What did not has no end.
void FastcgiConnection::sending_ended() {
  sending_ended_ = closing_ = true;
  report_heads(kLeftInHead);
  for (uint16_t request_id : running()) {
    if (FastcgiExchange* exchange = find(request_id)) exchange->sending_ended();
  }
  tidy_later();
}

// Their handlers may go on, and exchanges end, while one goes through these.
std::vector<uint16_t> FastcgiConnection::running() const {
  std::vector<uint16_t> request_ids;
  for (const auto& entry : exchanges_) request_ids.push_back(entry.first);
  return request_ids;
}

void FastcgiConnection::tidy_later() {
  tidy_again_ = true;
  if (std::exchange(tidying_, true)) return;
  server_.hung_up.push_back(this);
  server_.loop.run_hooks_again();
}

bool FastcgiConnection::tell_hangup() {
  bool all_told = true;
  do {
    tidy_again_ = false;
    over_.clear();
    all_told = tell_all();
    if (!closed_) go_on();
  } while (tidy_again_ && !closed_);
  if (all_told) tidying_ = false;
  return all_told;
}

bool FastcgiConnection::tell_all() {
  bool all_told = true;
  for (uint16_t request_id : running()) {
    if (FastcgiExchange* exchange = find(request_id)) all_told &= exchange->tell_gone();
  }
  return all_told;
}

void FastcgiConnection::go_on() {
  const bool may_read = reader_.size() == 0 && !peer_left_ && !sending_ended_;
  if (!exchanges_.empty()) {
    if (may_read && !full()) reader_.start(run());
    return;
  }
  const bool with_reset = output_.failed() || cut_needs_reset_;
  if (peer_left_ || with_reset) return close(with_reset);
  closing_ = closing_ || cut_ || session_.wants_close() || (server_.draining && !never_asked());
  const bool must_flush = closing_ ? !lingering_ : output_.pending() > 0;
  if (must_flush && finisher_.size() == 0) finisher_.start(flush());
  if (closing_) {
    if (may_read) reader_.start(run());
    return;
  }
  reader_.cancel_all();  // its wait has the deadline of a connection where something runs
  reader_.start(run());
}

// The last answers must reach the peer; before, the connection is neither idle nor closed. One that still sends a body
// is read on a while, as by Connection::linger().
base::Task<void> FastcgiConnection::flush() {
  auto flushing = wait_until_below(0);
  const bool flushed = co_await flushing;
  if (flushed && (!closing_ || !exchanges_.empty())) co_return tidy_later();
  if (!flushed || !unread_ || sending_ended_) co_return peer_left();
  stream_->shutdown_write();
  lingering_ = true;
  heads_.clear();
  lingered_.set(server_.loop.now() + (server_.draining ? kLingerTimeDraining : kLingerTime));
}

void FastcgiConnection::close(bool with_reset) {
  if (std::exchange(closed_, true)) return;
  if (with_reset) stream_->reset_on_close();
  server_.finished.push_back(this);
  server_.loop.run_hooks_again();
}

}  // namespace cutwater::serve

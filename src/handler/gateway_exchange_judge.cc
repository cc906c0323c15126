// What a server's failure means: for the request, for what is believed of the server, and in the log.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "handler/file_rights.h"
#include "handler/gateway_exchange.h"

namespace cutwater::handler {

using upstream::CallStatus;
using upstream::Failure;

namespace {

constexpr std::string_view kMayHaveCrashed = "its own log says why; it may have crashed";
constexpr std::string_view kMayBeKept = "raise `timeout` of the route, or look at what keeps that server";

// Who closes an idle connection in the moment in which it is used again is seen to do so about at once.
constexpr base::Duration kStaleWithin = std::chrono::milliseconds(250);

// What connecting fails for here, and not there.
bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EADDRNOTAVAIL;
}

// Of one that any visitor may ask for: its server has answered, and serves others.
bool is_fault_of_page(CallStatus status, const upstream::Call& call) {
  const bool says_so = status == CallStatus::kBroken && std::string_view(call.reason()) == upstream::kApplicationFailed;
  return says_so || status == CallStatus::kTruncated;
}

Failure failure_of(CallStatus status) {
  return status == CallStatus::kTimedOut ? Failure::kSlowAnswer : Failure::kAtOnce;
}

std::string advice(const upstream::Peer& peer, int error) {
  constexpr std::string_view kUnix = "unix:";
  if (error == EACCES && peer.name().starts_with(kUnix))
    return how_to_open(std::string(peer.name().substr(kUnix.size())), user_name(geteuid()));
  if (error == ETIMEDOUT) return "see whether it is overloaded, or behind a firewall";
  if (error == EAGAIN)
    return "it runs, but takes connections too slowly: let it run more processes, or name more servers";
  if (is_shortage(error)) return "raise the limits of open files (ulimit -n) and local ports";
  return "start that server, or correct its address";
}

// Who has never answered may wait for something else than we say.
std::string or_another_protocol(std::string_view advice, const upstream::Peer& peer, GatewayProtocol protocol) {
  if (peer.has_answered()) return std::string(advice);
  return fmt::format("{}, or speak another protocol than {}", advice, name_of(protocol));
}

}  // namespace

GatewayExchange::Outcome GatewayExchange::cannot_connect(upstream::Peer& peer, int error) {
  const bool timed_out = error == ETIMEDOUT;
  failure_ = timed_out ? 504 : 502;
  cause_ = Cause::kUnreachable;
  // What connecting to a unix socket says whose backlog is full.
  const char* reason = error == EAGAIN ? "its backlog is full" : std::strerror(error);
  gateway_.log_problem(
      "CW0602", peer,
      fmt::format("cannot be reached: {} ({} {})", reason, exchange_.request.method, exchange_.request.path),
      advice(peer, error));
  const bool waited = timed_out || error == EHOSTUNREACH;
  if (process_ && is_shortage(error)) process_->note_not_begun();  // and is as well as it was
  if (!is_shortage(error)) gateway_.note_failure(peer, waited ? Failure::kSlowConnect : Failure::kAtOnce);
  return Outcome::kUndelivered;
}

// A server that can do no more on a connection may on another: one that is about to be closed refuses what begins on
// it.
bool GatewayExchange::has_no_room(upstream::Peer& peer, CallStatus status, const GatewayConnection& connection) {
  if (!connection.shared) return false;
  if (status == CallStatus::kCannotMultiplex) peer.multiplexing().turn_off();
  return status == CallStatus::kCannotMultiplex || (status == CallStatus::kOverloaded && !only_fresh_);
}

// What broke a connection, or all that waited on it, is told by the first of the requests on it alone.
bool GatewayExchange::is_told(CallStatus status, const GatewayConnection& connection) {
  const bool timed_out = status == CallStatus::kTimedOut;
  const bool for_all = timed_out ? connection.shared && connection.shared->fell_silent() : connection.broke_for_all();
  return for_all && !connection.shared->take_blame();
}

// Something on a shared connection that was no request's there: true, and said once.
bool GatewayExchange::note_nonsense(upstream::Peer& peer, const GatewayConnection& connection) {
  if (!connection.broke_for_all() || !*connection.shared->reason()) return false;
  if (!connection.shared->take_blame()) return true;
  gateway_.note_failure(peer, Failure::kAtOnce);
  log_foreign_answer(peer, connection.shared->reason(), connection.broke_beside_others());
  return true;
}

GatewayExchange::Outcome GatewayExchange::judge(upstream::Peer& peer, const upstream::Call& call, CallStatus status,
                                                const GatewayConnection& connection) {
  failure_ = status == CallStatus::kTimedOut ? 504 : 502;
  cause_ = Cause::kOfStatus;
  if (has_no_room(peer, status, connection) && may_repeat(Outcome::kNoRoom)) return Outcome::kNoRoom;
  const Outcome unless_answered = call.delivered_nothing() ? Outcome::kUndelivered : Outcome::kDelivered;
  // Who ends it later had the request, and may have died of it.
  const bool was_stale =
      status == CallStatus::kNoAnswer && connection.is_kept && gateway_.loop_.now() - begun_ < kStaleWithin;
  const bool spoke_nonsense = note_nonsense(peer, connection);
  if (was_stale) peer.note_stale();
  const bool is_unanswered = status == CallStatus::kNoAnswer || (status == CallStatus::kCutHead && !hinted_);
  // The one that is the cause meets nobody the next time.
  if (is_unanswered && connection.broke_beside_others() && may_repeat(Outcome::kInCompany)) return Outcome::kInCompany;
  if (was_stale && may_repeat(unless_answered)) return Outcome::kStale;
  if (spoke_nonsense) cause_ = Cause::kNotUnderstood;
  if (spoke_nonsense) return is_unanswered ? unless_answered : Outcome::kFinal;
  const bool refused = status == CallStatus::kOverloaded || status == CallStatus::kCannotMultiplex;
  const bool is_its_fault = !refused && status != CallStatus::kDataFailed && !is_fault_of_page(status, call);
  if (!was_stale && is_its_fault) {
    if (is_told(status, connection)) return is_unanswered ? unless_answered : Outcome::kFinal;
    gateway_.note_failure(peer, failure_of(status));
  }
  switch (status) {
    case CallStatus::kNoAnswer:
      gateway_.log_problem("CW0604", peer,
                           fmt::format("{} {} {}",
                                       was_stale ? "closed a kept connection just as it was used for"
                                                 : "closed the connection instead of answering",
                                       exchange_.request.method, exchange_.request.path),
                           was_stale ? "let it keep idle connections for longer, or set keepalive = 0"
                                     : or_another_protocol(kMayHaveCrashed, peer, gateway_.options_.protocol));
      return unless_answered;
    case CallStatus::kCutHead:
      gateway_.log_problem("CW0604", peer,
                           fmt::format("broke off within the head of its answer to {} {}", exchange_.request.method,
                                       exchange_.request.path),
                           kMayHaveCrashed);
      return is_unanswered ? unless_answered : Outcome::kFinal;
    case CallStatus::kOverloaded:
    case CallStatus::kCannotMultiplex:
      failure_ = 503;
      gateway_.log_problem("CW0604", peer, fmt::format("refused a request: {}", call.reason()),
                           "let it run more processes, or name more servers");
      return Outcome::kUndelivered;
    case CallStatus::kTimedOut:
      gateway_.log_problem(
          "CW0605", peer,
          fmt::format("did not answer {} {} within timeout", exchange_.request.method, exchange_.request.path),
          peer.has_answered() ? std::string(kMayBeKept)
                              : fmt::format("{}; it has answered nothing yet: see whether it speaks {}", kMayBeKept,
                                            name_of(gateway_.options_.protocol)));
      return Outcome::kFinal;
    case CallStatus::kDataFailed:
      cause_ = Cause::kFileChanged;
      note_lost_file();
      return Outcome::kFinal;
    default:
      cause_ = Cause::kNotUnderstood;
      log_foreign_answer(peer, call.reason());
      return Outcome::kFinal;
  }
}

// `beside_others`: whose answer it should have been nobody knows.
void GatewayExchange::log_foreign_answer(const upstream::Peer& peer, const char* reason, bool beside_others) {
  const std::string_view protocol = name_of(gateway_.options_.protocol);
  gateway_.log_problem(
      "CW0604", peer,
      fmt::format("sent what is no {} answer to {} {}{}: {}", protocol, exchange_.request.method,
                  exchange_.request.path, beside_others ? ", or to another request on its connection" : "", reason),
      fmt::format("see what listens there; {} is spoken to it", protocol), reason);
}

void GatewayExchange::note_cut(upstream::Peer& peer, const upstream::Call& call, CallStatus status,
                               const GatewayConnection& connection) {
  if (status == CallStatus::kDataFailed) return note_lost_file();
  if (connection.shared && connection.shared->was_cut_off()) return note_cut_off();
  if (note_nonsense(peer, connection) || is_told(status, connection)) return;
  if (status == CallStatus::kBroken && call.excess() == upstream::Excess::kMore)
    return note_excess(peer, "the client saw a cut, or 502");
  if (!is_fault_of_page(status, call)) gateway_.note_failure(peer, failure_of(status));
  const std::string request = fmt::format("{} {}", exchange_.request.method, exchange_.request.path);
  if (status == CallStatus::kTimedOut) {
    const bool too_slow = *call.reason() != '\0';
    gateway_.log_problem("CW0605", peer, (too_slow ? call.reason() : "fell silent in its answer to ") + request,
                         kMayBeKept);
    return;
  }
  const std::string_view reason = call.reason();
  gateway_.log_problem("CW0604", peer,
                       fmt::format("broke off its answer to {}{}{}", request, reason.empty() ? "" : ": ", reason),
                       "its own log says why; the client saw a cut, or 502");
}

void GatewayExchange::note_excess(const upstream::Peer& peer, std::string_view consequence) {
  gateway_.note_excess(peer, fmt::format("{} {}", exchange_.request.method, exchange_.request.path), consequence);
}

void GatewayExchange::note_cut_off() {
  gateway_.problems_.write(
      base::Severity::kWarning, "CW0611",
      fmt::format("{}: the client of {} took its answer too slowly to have it spooled, and held up others on "
                  "its connection; it was cut\nfix: make room for spool files; or keepalive = 0, for an upstream of "
                  "long downloads",
                  gateway_.who(), exchange_.request.path),
      gateway_.loop_.now());
}

void GatewayExchange::note_too_long() {
  gateway_.problems_.write(base::Severity::kWarning, "CW0612",
                           fmt::format("{}: {} {} was answered 431: its variables {}\n"
                                       "fix: lower limits.header, or let that server speak another protocol",
                                       gateway_.who(), exchange_.request.method, exchange_.request.path,
                                       gateway_.options_.protocol == GatewayProtocol::kUwsgi
                                           ? "are longer than the 64 KiB that uwsgi can say"
                                           : "are longer than 64 KiB, or hold a zero byte, which SCGI cannot say"),
                           gateway_.loop_.now());
}

void GatewayExchange::note_lost_file() {
  gateway_.problems_.write(base::Severity::kError, "CW0609",
                           fmt::format("{}: the file for {} became shorter while it was sent to be filtered\n"
                                       "fix: put a new file in its place (mv) instead of writing into it",
                                       gateway_.who(), exchange_.request.path),
                           gateway_.loop_.now());
}

}  // namespace cutwater::handler

#include "handler/health_checks.h"

#include <fmt/format.h>

#include <cstring>

#include "upstream/request_body.h"

namespace cutwater::handler {

namespace {

// Whatever a program says of its health goes to its own log.
class DroppedErrors final : public upstream::StderrSink {
 public:
  void on_stderr(std::string_view) override {}
};

// What of a peer's address is its host, for a Host field. A socket has none.
std::string_view host_of(const upstream::Peer& peer) {
  const std::string& text = peer.address().text;
  return text.starts_with("unix:") ? "localhost" : std::string_view(text);
}

}  // namespace

HealthChecks::HealthChecks(HealthCheckOptions options, upstream::PeerGroup& group, io::Loop& loop, base::LogSink& log)
    : options_(std::move(options)), group_(group), loop_(loop), log_(log), next_(loop.timers(), [this] { ask_all(); }) {
  call_options_.silence = options_.every;
  call_options_.keeps_connection = false;
  next_.set(loop.now());
}

void HealthChecks::ask_all() {
  for (const auto& peer : group_.peers()) {
    if (asked_.insert(peer.get()).second) checks_.start(check(peer));
  }
  next_.set(loop_.now() + options_.every);
}

base::Task<void> HealthChecks::check(std::shared_ptr<upstream::Peer> peer) {
  auto asking = ask(*peer);
  const std::string problem = co_await asking;
  asked_.erase(peer.get());
  note(*peer, problem);
}

base::Task<std::string> HealthChecks::ask(upstream::Peer& peer) {
  const base::Instant end = loop_.now() + options_.every;
  auto connecting = peer.connect(end);
  const upstream::Connected connected = co_await connecting;
  if (!connected.stream) co_return fmt::format("cannot be reached: {}", std::strerror(connected.error));
  message::NoBody nothing;
  upstream::RequestBody body(nothing, message::BodyFraming::kNone, 0);
  DroppedErrors errors;
  const std::string head = head_for(peer);
  const auto call = make_call(options_.protocol, {loop_, *connected.stream, "GET", body, call_options_, errors});
  io::Timer deadline(loop_.timers(), [&call] { call->abandon(); });
  deadline.set(end);
  call->begin(head);
  upstream::CallStatus status = upstream::CallStatus::kFine;
  do {
    auto reading = call->read_head();
    status = co_await reading;
  } while (status == upstream::CallStatus::kFine && call->response().status < 200);
  switch (status) {
    case upstream::CallStatus::kFine:
      if (call->response().status < 400) co_return "";
      co_return fmt::format("answered {}", call->response().status);
    case upstream::CallStatus::kTimedOut:
    case upstream::CallStatus::kClientFailed:  // abandoned at the deadline: nobody else leaves
      co_return "did not answer in time";
    case upstream::CallStatus::kOverloaded:
    case upstream::CallStatus::kCannotMultiplex:
      co_return fmt::format("refused a request: {}", call->reason());
    case upstream::CallStatus::kNoAnswer:
      co_return "closed the connection instead of answering";
    default:
      co_return fmt::format("sent what is no {} answer: {}", name_of(options_.protocol), call->reason());
  }
}

std::string HealthChecks::head_for(const upstream::Peer& peer) const {
  const std::string_view host = host_of(peer);
  if (options_.protocol == GatewayProtocol::kHttp) {
    return fmt::format(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Cutwater/{} (health check)\r\nConnection: close\r\n\r\n",
        options_.path, host, CUTWATER_VERSION);
  }
  message::Request request;
  request.method = "GET";
  request.raw_target = options_.path;
  const std::string_view path = options_.path;
  request.path = path.substr(0, path.find('?'));
  request.query = request.path.size() == path.size() ? "" : path.substr(request.path.size() + 1);
  request.scheme = "http";
  request.authority = host;
  request.server_name = host.substr(0, host.rfind(':'));
  request.server_port = 80;
  request.remote_address = "127.0.0.1";
  request.headers.add("Host", host);
  request.headers.add("User-Agent", "Cutwater (health check)");
  // Not looked for: php-fpm answers to its ping.path by SCRIPT_NAME, without a file.
  const Script script{options_.root, std::string(request.path), std::string(request.path), ""};
  const GatewayVariables variables(request, std::nullopt, {"", "", options_.root.empty() ? nullptr : &script});
  return variables_head(options_.protocol, variables.list(), std::nullopt, codec::fastcgi::Role::kResponder, false)
      .value_or("");
}

void HealthChecks::note(upstream::Peer& peer, const std::string& problem) {
  if (!peer.note_check(problem.empty(), options_.fails)) return;
  if (problem.empty()) {
    log_.info(fmt::format("upstream {}: {} passes its check again", group_.name(), peer.name()));
    return;
  }
  log_.warning("CW0620", fmt::format("upstream {}: {} fails its check GET {}: {}; it gets no requests until it passes\n"
                                     "fix: look at what keeps that server, or correct check.path",
                                     group_.name(), peer.name(), options_.path, problem));
}

}  // namespace cutwater::handler

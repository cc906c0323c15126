#include "handler/cgi_exchange.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "handler/error_pages.h"
#include "handler/gateway_variables.h"
#include "handler/spooled_answer.h"
#include "handler/web_server_fields.h"
#include "io/pipe_stream.h"
#include "upstream/cgi_call.h"
#include "upstream/http_call.h"
#include "upstream/request_body.h"

namespace cutwater::handler {

using message::WriteStatus;
using upstream::CallPiece;
using upstream::CallStatus;

namespace {

constexpr const char* kRetryAfter = "10";
constexpr base::Duration kEndPatience = std::chrono::milliseconds(200);  // between an output's end and the script's
constexpr size_t kMostSwallowed = 64 * 1024;  // of the body of an answer that names another one, which nobody reads

}  // namespace

CgiExchange::CgiExchange(Cgi& cgi, message::Exchange& exchange, ScriptFolder::Found found)
    : cgi_(cgi), exchange_(exchange), found_(std::move(found)) {}

CgiExchange::~CgiExchange() {
  exchange_.gone_listener = nullptr;
  if (!run_) return;
  leave_run();
}

void CgiExchange::leave_run() {
  if (!answered_) run_->kill();
  run_->leave();
}

bool CgiExchange::on_client_gone(bool for_good) {
  if (!for_good) return false;
  client_gone_ = true;
  if (waiting_) waiting_->leave();
  if (run_) run_->kill();
  if (call_) call_->abandon();
  return true;
}

void CgiExchange::on_run_over() {
  if (call_) call_->abandon();
}

base::Task<void> CgiExchange::run() {
  auto collecting = collect();
  if (!co_await collecting) co_return;
  exchange_.gone_listener = this;
  auto waiting = take_slot();
  if (!co_await waiting) co_return;
  if (const auto refused = begin()) {
    cgi_.slots_.release();
    auto refusing = refuse(*refused, *refused == 503);
    co_await refusing;
    co_return;
  }
  auto asking = ask();
  co_await asking;
}

base::Task<void> CgiExchange::refuse(uint16_t status, bool retry) {
  return answer_error(exchange_, status, retry ? "Retry-After" : "", retry ? kRetryAfter : "");
}

// False: that was the answer.
base::Task<bool> CgiExchange::collect() {
  if (exchange_.request.framing == message::BodyFraming::kNone) co_return true;
  body_.emplace(exchange_.body, cgi_.spool_, cgi_.spool_budget_);
  auto collecting = body_->collect();
  const CollectedBody::Outcome outcome = co_await collecting;
  if (outcome.ok()) co_return true;
  auto refusing = refuse_body(exchange_, outcome, cgi_.refuser());
  co_await refusing;
  co_return false;
}

base::Task<bool> CgiExchange::take_slot() {
  CgiSlots::Wait wait(cgi_.slots_);
  waiting_ = &wait;
  const CgiSlots::Outcome outcome = co_await wait;
  waiting_ = nullptr;
  if (outcome == CgiSlots::Outcome::kTaken) co_return true;
  if (outcome == CgiSlots::Outcome::kLeft) co_return false;
  cgi_.log_problem("CW0706",
                   outcome == CgiSlots::Outcome::kFull
                       ? "too many requests wait for scripts to end; answered 503"
                       : "a request waited for queue_timeout for other scripts to end; answered 503",
                   "raise `max` of the route, or make the scripts faster");
  auto refusing = refuse(503, true);
  co_await refusing;
  co_return false;
}

bool CgiExchange::is_nph() const {
  const std::string& file = found_.script->file;
  return cgi_.options_.nph && std::string_view(file).substr(file.rfind('/') + 1).starts_with("nph-");
}

control::StartScript CgiExchange::start_message() const {
  std::optional<uint64_t> length;
  if (body_) length = body_->size();
  VariableOptions options{};
  options.script = found_.script.get();
  const GatewayVariables variables(exchange_.request, length, options);
  control::StartScript message;
  message.entry = cgi_.options_.entry;
  message.path = control::bytes_to_text(std::string_view(found_.script->file).substr(1));
  for (const codec::Variable& variable : variables.list()) {
    std::string text = control::bytes_to_text(variable.name);
    text.append("=").append(control::bytes_to_text(variable.value));
    message.variables.push_back(std::move(text));
  }
  return message;
}

base::Result<base::FileDescriptor> CgiExchange::input() const {
  if (body_ && body_->size() > 0) return body_->as_file();
  base::FileDescriptor null(fcntl(cgi_.no_input_.get(), F_DUPFD_CLOEXEC, 3));
  if (!null.valid()) return base::system_error("/dev/null");
  return null;
}

// nullopt: the script was asked for. Else what the client gets, and the slot is free.
std::optional<uint16_t> CgiExchange::begin() {
  auto stdin_file = input();
  std::shared_ptr<CgiRun> run = cgi_.make_run(exchange_);
  const auto begun =
      stdin_file ? run->begin(start_message(), std::move(found_.file), std::move(*stdin_file)) : CgiRun::Begun::kNoRoom;
  switch (begun) {
    case CgiRun::Begun::kTooLarge:
      return 431;
    case CgiRun::Begun::kNoRoom:
      cgi_.log_problem("CW0703", "no descriptors for a script's pipes; answered 503",
                       "raise the limit of open files (ulimit -n), or lower limits.connections");
      return 503;
    case CgiRun::Begun::kYes:
      break;
  }
  run_ = std::move(run);
  run_->listen(*this);
  cgi_.runs_.emplace(run_.get(), run_);
  return std::nullopt;
}

base::Task<void> CgiExchange::ask() {
  io::PipeStream stream(cgi_.loop_, run_->take_output());
  message::NoBody source;  // what a script reads it has as a file
  upstream::RequestBody nothing(source, message::BodyFraming::kNone, 0);
  std::unique_ptr<upstream::Call> call;
  const std::string_view method = exchange_.request.method;
  if (is_nph()) {
    call = std::make_unique<upstream::HttpCall>(cgi_.loop_, stream, method, nothing, cgi_.call_options_);
  } else {
    call = std::make_unique<upstream::CgiCall>(cgi_.loop_, stream, method, nothing, cgi_.call_options_);
  }
  call_ = call.get();
  call->begin({});
  auto reading = read_head(*call);
  const CallStatus status = co_await reading;
  if (status == CallStatus::kFine) {
    const bool names_another = cgi_.site_ && !call->local_redirect().empty();
    auto answering = names_another ? note_instead(*call) : relay(*call);
    co_await answering;
  } else {
    auto failing = fail(*call, status);
    co_await failing;
  }
  call_ = nullptr;
}

// Interim answers of an nph script are not passed on.
base::Task<CallStatus> CgiExchange::read_head(upstream::Call& call) {
  while (true) {
    auto reading = call.read_head();
    const CallStatus status = co_await reading;
    if (status != CallStatus::kFine || call.response().status >= 200) co_return status;
  }
}

base::Task<void> CgiExchange::relay(upstream::Call& call) {
  message::ResponseWriter& response = exchange_.response;
  CallPiece piece = call.take_body();
  std::optional<SpooledAnswer> spooled;
  if (!piece.complete && may_be_spooled(call.response())) spooled.emplace(response, cgi_.spool_, cgi_.loop_);
  remove_web_server_fields(call.response().headers);
  for (bool is_first = true;; is_first = false) {
    if (piece.status != CallStatus::kFine) {
      auto failing = fail(call, piece.status);
      co_await failing;
      co_return;
    }
    answered_ = piece.complete;
    if (answered_) run_->leave();
    run_->hold_time(!answered_);
    auto writing = spooled    ? spooled->write(is_first ? &call.response() : nullptr, piece.bytes, piece.complete)
                   : is_first ? response.head(call.response(), piece.bytes, piece.complete)
                              : response.body(piece.bytes, piece.complete);
    const WriteStatus written = co_await writing;
    run_->hold_time(false);
    if (written != WriteStatus::kWritten) co_return;
    if (piece.complete) break;
    auto reading = call.read_body();
    piece = co_await reading;
  }
  if (spooled) {
    auto draining = spooled->drained();
    co_await draining;
  }
}

// The answer is another one's. It counts when it is whole.
base::Task<void> CgiExchange::note_instead(upstream::Call& call) {
  std::string path(call.local_redirect());
  CallPiece piece = call.take_body();
  size_t swallowed = piece.bytes.size();
  while (piece.status == CallStatus::kFine && !piece.complete && swallowed <= kMostSwallowed) {
    auto reading = call.read_body();
    piece = co_await reading;
    swallowed += piece.bytes.size();
  }
  if (piece.status != CallStatus::kFine) {
    auto failing = fail(call, piece.status);
    co_await failing;
    co_return;
  }
  answered_ = piece.complete;
  if (answered_) run_->leave();
  instead_ = std::move(path);
}

// A client that has the head must see that something is missing (faults.md 107): answer_error() cuts then.
base::Task<void> CgiExchange::fail(const upstream::Call& call, CallStatus status) {
  if (client_gone_) co_return exchange_.response.abort();
  if (run_->timed_out()) {
    explain_time();
    leave_run();
    auto refusing = refuse(504);
    co_await refusing;
    co_return;
  }
  call_ = nullptr;
  CgiRun::Ended ended(*run_, kEndPatience);
  co_await ended;
  if (client_gone_) co_return exchange_.response.abort();
  uint16_t code = 502;
  const auto& end = run_->ended();
  const bool has_run = !end || end->kind == ScriptEnd::Kind::kExited || end->kind == ScriptEnd::Kind::kKilled;
  if (has_run) {
    explain_answer(call, status);
  } else {
    code = explain_end(*end);
  }
  leave_run();
  auto refusing = refuse(code, code == 503);
  co_await refusing;
}

void CgiExchange::explain_time() {
  const std::string request = fmt::format("{} {}", exchange_.request.method, exchange_.request.path);
  if (run_->ended()) {
    return cgi_.log_problem("CW0705",
                            fmt::format("{} {}, but others held its output open; {} answered 504, or cut",
                                        script_file(), describe(*run_->ended()), request),
                            "let what it starts close standard output, or redirect it", found_.script->file);
  }
  cgi_.log_problem(
      "CW0705",
      fmt::format("{} did not end within timeout; it was ended, {} answered 504, or cut", script_file(), request),
      "raise `timeout` of the route, or look at what keeps the script", found_.script->file);
}

void CgiExchange::explain_answer(const upstream::Call& call, CallStatus status) {
  const auto& end = run_->ended();
  const std::string how = end ? describe(*end) : "closed its output";
  std::string what;
  if (status == CallStatus::kNoAnswer) {
    what = how + (end ? " without an answer" : " without an answer, and ran on");
  } else if (status == CallStatus::kCutHead) {
    what = how + " within the head of its answer";
  } else if (status == CallStatus::kTruncated) {
    what = how + " before the end of its answer";
  } else {
    what = fmt::format("sent what is no {} answer: {}", is_nph() ? "HTTP" : "CGI", call.reason());
    if (end && (end->kind == ScriptEnd::Kind::kKilled || end->code != 0)) what += "; it " + how;
  }
  cgi_.log_problem("CW0704", fmt::format("{} {}; the client saw 502, or a cut", script_file(), what),
                   "look at what it writes to its error stream; run it by hand", found_.script->file);
}

uint16_t CgiExchange::explain_end(const ScriptEnd& end) {
  if (end.kind == ScriptEnd::Kind::kRefused) return explain_refusal(end);
  const bool was_gone = end.kind == ScriptEnd::Kind::kNoSpawner;
  cgi_.log_problem("CW0708",
                   was_gone ? "there is no spawner to start scripts; answered 502"
                            : fmt::format("the spawner ended, and {} with it; answered 502", script_file()),
                   "the master's messages say how it ended");
  return 502;
}

uint16_t CgiExchange::explain_refusal(const ScriptEnd& end) {
  uint16_t status = 500;
  std::string_view code = "CW0701";
  if (end.reason == "not_there") status = 404;
  if (end.reason == "not_executable") status = 403;
  if (end.reason == "no_room") status = 503;
  if (end.reason == "no_room") code = "CW0703";
  if (end.reason == "identity") code = "CW0702";
  if (end.reason == "unsafe") code = "CW0709";
  const size_t fix = end.text.find("\nfix: ");
  const std::string_view text = end.text;
  cgi_.log_problem(code, fmt::format("{}; answered {}", text.substr(0, fix), status),
                   fix == std::string_view::npos ? "the message says what the system said" : text.substr(fix + 6),
                   found_.script->file);
  return status;
}

}  // namespace cutwater::handler

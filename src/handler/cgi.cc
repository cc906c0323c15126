#include "handler/cgi.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "handler/cgi_exchange.h"
#include "handler/error_pages.h"
#include "handler/local_redirect.h"

namespace cutwater::handler {

Cgi::Cgi(CgiOptions options, std::unique_ptr<ScriptFolder> scripts, ScriptRunner& runner, io::Loop& loop,
         SpoolArea& spool, base::LogSink& log)
    : options_(std::move(options)),
      scripts_(std::move(scripts)),
      runner_(runner),
      loop_(loop),
      spool_(spool),
      spool_budget_(spool.shares.per_app),
      log_(log),
      problems_(log),
      stderr_pace_(loop),
      slots_(loop, options_.most, options_.queue, options_.queue_timeout),
      no_input_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {
  call_options_.silence = options_.timeout + std::chrono::hours(24 * 365);  // the run has a clock of its own
  call_options_.keeps_connection = false;
}

base::Task<void> Cgi::handle(message::Exchange& exchange) {
  auto finding = scripts_->find(exchange.request);
  ScriptFolder::Found found = co_await finding;
  if (found.is_file && files_) {
    auto sending = files_->handle(exchange);
    co_await sending;
    co_return;
  }
  if (found.status != 0) {
    auto refusing = refuse_script(exchange, found.status, refuser(), scripts_->root());
    co_await refusing;
    co_return;
  }
  std::string instead;
  {
    CgiExchange asking(*this, exchange, std::move(found));
    auto running = asking.run();
    co_await running;
    instead = asking.take_instead();
  }
  if (instead.empty()) co_return;
  auto answering = answer_instead(exchange, std::move(instead));
  co_await answering;
}

// Once the script's part is over.
base::Task<void> Cgi::answer_instead(message::Exchange& exchange, std::string path) {
  const char* problem = redirect_problem(exchange, path);
  if (!problem) {
    auto redirecting = redirect_locally(exchange, *site_, path);
    co_await redirecting;
    co_return;
  }
  log_problem("CW0610",
              fmt::format("the answer to {} {} is {}: {}; answered 502", exchange.request.method, exchange.request.path,
                          problem, path),
              "let the script say Status: 302 where the client is to go there");
  auto refusing = answer_error(exchange, 502, Cause::kNotUnderstood);
  co_await refusing;
}

std::shared_ptr<CgiRun> Cgi::make_run(const message::Exchange& exchange) {
  const message::Request& request = exchange.request;
  return std::make_shared<CgiRun>(CgiRun::Place{loop_, runner_, log_, stderr_pace_, options_.who, exchange.id,
                                                std::string(request.method), std::string(request.path),
                                                options_.timeout, [this](CgiRun& run) { end_run(run); }});
}

void Cgi::end_run(CgiRun& run) {
  slots_.release();
  runs_.erase(&run);
}

void Cgi::log_problem(std::string_view code, std::string_view what, std::string_view fix, std::string_view script) {
  problems_.write(base::Severity::kError, code, fmt::format("{}: {}\nfix: {}", options_.who, what, fix), loop_.now(),
                  script);
}

}  // namespace cutwater::handler

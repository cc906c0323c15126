#include "handler/local_redirect.h"

#include "base/text.h"
#include "message/target.h"

namespace cutwater::handler {

namespace {

// The client's leaving is told to whoever answers now.
class GoneRelay final : public message::ClientGoneListener {
 public:
  GoneRelay(message::Exchange& client, message::Exchange& inner) : client_(client), inner_(inner) {
    client_.gone_listener = this;
  }
  ~GoneRelay() { client_.gone_listener = nullptr; }
  GoneRelay(const GoneRelay&) = delete;
  GoneRelay& operator=(const GoneRelay&) = delete;

  bool on_client_gone(bool for_good) override {
    return inner_.gone_listener && inner_.gone_listener->on_client_gone(for_good);
  }

 private:
  message::Exchange& client_;
  message::Exchange& inner_;
};

bool is_of_the_body(std::string_view name) {
  return base::equals_ignoring_case(name.substr(0, 8), "Content-") || base::equals_ignoring_case(name, "Expect");
}

}  // namespace

const char* redirect_problem(const message::Exchange& exchange, std::string_view target) {
  if (exchange.redirects >= kMostRedirects) return "more local redirects than one request may take";
  const auto parts = message::split_target("GET", target);
  std::string path;
  const bool is_path = parts && parts->form == message::TargetForm::kOrigin;
  if (!is_path || message::decode_path(parts->path, path).error) return "a local redirect to what is no path";
  return nullptr;
}

base::Task<void> redirect_locally(message::Exchange& exchange, message::Handler& site, std::string target) {
  const message::Target parts = *message::split_target("GET", target);
  std::string path;
  message::Request request = exchange.request;
  request.path_had_encoded_slash = message::decode_path(parts.path, path).had_encoded_slash;
  request.raw_target = target;
  request.path = path;
  request.query = parts.query;
  if (request.method != "HEAD") request.method = "GET";
  request.framing = message::BodyFraming::kNone;
  request.content_length = 0;
  request.expects_continue = false;
  request.upgrade = {};
  message::Headers headers;
  for (const message::HeaderField& field : request.headers) {
    if (!is_of_the_body(field.name)) headers.add(field.name, field.value);
  }
  request.headers = std::move(headers);
  request.variables.remove_all("REDIRECT_URL");
  request.variables.add("REDIRECT_URL", exchange.request.path);
  message::NoBody body;
  message::Exchange inner{request, body, exchange.response, exchange.began, exchange.connection_address, exchange.id};
  inner.redirects = exchange.redirects + 1;
  inner.sender = exchange.sender;
  const GoneRelay relay(exchange, inner);
  auto answering = site.handle(inner);
  co_await answering;
}

}  // namespace cutwater::handler

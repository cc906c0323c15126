#include "handler/authorizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "codec/cgi_variables/variable_reader.h"
#include "control/script_variables.h"
#include "handler/error_pages.h"
#include "handler/gateway_request.h"
#include "handler/gateway_variables.h"

namespace cutwater::handler {

using message::WriteStatus;

namespace {

constexpr std::string_view kVariable = "Variable-";
constexpr size_t kMostTold = 16;              // unusable names
constexpr size_t kMostLearned = 64;           // names
constexpr size_t kMostSwallowed = 64 * 1024;  // of the body of a grant, which nobody reads

// Keeps a 200 to itself; everything else is written to the client.
class Verdict final : public message::ResponseWriter, public message::ClientGoneListener {
 public:
  explicit Verdict(message::ResponseWriter& client) : client_(client) {}

  bool granted() const { return grants_ && complete_; }
  // A 200 that broke off.
  bool unclear() const { return grants_ && !complete_; }
  const std::vector<std::pair<std::string, std::string>>& variables() const { return variables_; }
  // Where the client's leaving is told.
  message::Exchange* asking = nullptr;

  bool on_client_gone(bool for_good) override {
    return asking && asking->gone_listener && asking->gone_listener->on_client_gone(for_good);
  }

  base::Task<WriteStatus> informational(const message::Response&) override { co_return WriteStatus::kWritten; }
  base::Task<WriteStatus> head(const message::Response& response, std::string_view first_piece,
                               bool complete) override {
    grants_ = response.status == 200;  // an error page comes behind a 200 that was not whole, or another 200
    complete_ = false;
    swallowed_ = 0;
    variables_.clear();
    if (!grants_) return deny(response, first_piece, complete);
    for (const message::HeaderField& field : response.headers) {
      if (is_variable(field)) variables_.emplace_back(field.name.substr(kVariable.size()), field.value);
    }
    return swallow(first_piece.size(), complete);
  }
  base::Task<WriteStatus> body(std::string_view piece, bool complete) override {
    if (!grants_) return client_.body(piece, complete);
    return swallow(piece.size(), complete);
  }
  base::Task<WriteStatus> file(int descriptor, uint64_t offset, uint64_t length) override {
    return client_.file(descriptor, offset, length);
  }
  base::Task<WriteStatus> finish() override {
    if (!grants_) return client_.finish();
    return swallow(0, true);
  }
  void abort() override {
    if (!grants_) client_.abort();
  }
  bool head_sent() const override { return client_.head_sent(); }
  uint16_t status() const override { return grants_ ? uint16_t{200} : client_.status(); }
  uint64_t body_bytes_sent() const override { return client_.body_bytes_sent(); }
  bool client_gone() const override { return client_.client_gone(); }

 private:
  static bool is_variable(const message::HeaderField& field) {
    return base::equals_ignoring_case(field.name.substr(0, kVariable.size()), kVariable);
  }

  // What it calls variables is between it and us, whatever it decides.
  base::Task<WriteStatus> deny(const message::Response& response, std::string_view first_piece, bool complete) {
    shown_ = response;
    shown_.headers = {};
    for (const message::HeaderField& field : response.headers) {
      if (!is_variable(field)) shown_.headers.add(field.name, field.value);
    }
    return client_.head(shown_, first_piece, complete);
  }

  base::Task<WriteStatus> swallow(size_t bytes, bool complete) {
    swallowed_ += bytes;
    if (swallowed_ > kMostSwallowed) co_return WriteStatus::kClientGone;
    complete_ = complete_ || complete;
    co_return WriteStatus::kWritten;
  }

  message::ResponseWriter& client_;
  bool grants_ = false;
  bool complete_ = false;
  size_t swallowed_ = 0;
  message::Response shown_;
  std::vector<std::pair<std::string, std::string>> variables_;
};

}  // namespace

Authorizer::Authorizer(Gateway& gateway, base::LogSink& log, Onward onward, const std::vector<std::string>& names)
    : gateway_(gateway), log_(log), onward_(onward), listed_(names.begin(), names.end()) {
  for (const std::string& name : names) {
    if (!field_of_variable(name).empty()) granted_.insert(name);
  }
  most_granted_ = granted_.size() + kMostLearned;
}

base::Task<void> Authorizer::pass(message::Exchange& exchange, message::Handler& inner) {
  Verdict verdict(exchange.response);
  {
    message::Request request = exchange.request;
    request.framing = message::BodyFraming::kNone;
    request.content_length = 0;
    request.expects_continue = false;
    message::NoBody body;
    message::Exchange asking{request, body, verdict, exchange.began, exchange.connection_address, exchange.id};
    verdict.asking = &asking;
    exchange.gone_listener = &verdict;
    auto handling = gateway_.handle(asking);
    co_await handling;
    exchange.gone_listener = nullptr;
    verdict.asking = nullptr;
  }
  if (verdict.unclear()) {
    auto answering = answer_error(exchange, 502);
    co_await answering;
    co_return;
  }
  if (!verdict.granted()) co_return;
  for (const std::string& name : granted_) drop_claims(exchange.request, name);
  for (const auto& [name, value] : verdict.variables()) grant(exchange.request, name, value);
  auto passing = inner.handle(exchange);
  co_await passing;
}

// What the client says under that name is a forgery, whoever is asked next and however that reads fields.
void Authorizer::drop_claims(message::Request& request, std::string_view name) {
  message::Headers kept;
  for (const message::HeaderField& field : request.headers) {
    if (!same_as_variables(field.name, name)) kept.add(field.name, field.value);
  }
  request.headers = std::move(kept);
}

void Authorizer::grant(message::Request& request, std::string_view name, std::string_view value) {
  const bool is_misspelt = name.find('-') != std::string_view::npos;  // as a field's name is written
  if (is_misspelt || !codec::is_extra_variable(name)) return note_unusable(name);
  for (message::Headers* list : {&request.variables, &request.granted}) {
    list->remove_all(name);
    list->add(name, value);
  }
  if (!reaches(name)) note_lost(name);
  if (field_of_variable(name).empty()) return;
  drop_claims(request, name);
  if (granted_.size() < most_granted_) granted_.emplace(name);
}

bool Authorizer::reaches(std::string_view name) const {
  switch (onward_) {
    case Onward::kVariables:
      return is_for_gateways(name);
    case Onward::kScript:
      return is_for_gateways(name) && !control::is_obeyed_variable(name) &&
             (control::is_request_variable(name) || listed_.contains(name));
    case Onward::kFields:
      return !field_of_variable(name).empty();
    case Onward::kAll:
      break;
  }
  return true;
}

bool Authorizer::is_to_be_told(std::string_view name) {
  return told_.size() < kMostTold && told_.emplace(name).second;
}

void Authorizer::note_lost(std::string_view name) {
  if (!is_to_be_told(name)) return;
  std::string why = "such a name tells it what to run, and how";
  std::string fix = "choose another name";
  if (onward_ == Onward::kFields) {
    why = "the field that would have to say it is one of Cutwater's own or of the connection";
  } else if (onward_ == Onward::kScript && is_for_gateways(name) && !control::is_obeyed_variable(name)) {
    why = "scripts get names such as REMOTE_USER and AUTH_TYPE, and others where they are listed";
    fix = fmt::format("add \"{}\" to `variables` of that route's auth", name);
  }
  log_.warning("CW0613",
               fmt::format("{}: its Variable-{} does not reach the {} behind this route: {}\nfix: {}", gateway_.who(),
                           name, onward_ == Onward::kScript ? "scripts" : "server", why, fix));
}

void Authorizer::note_unusable(std::string_view name) {
  if (!is_to_be_told(name)) return;
  const auto is_of_names = [](char c) {
    const char lower = base::ascii_lower(c);
    return c == '_' || (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
  };
  std::string better(name);
  for (char& c : better) c = is_of_names(c) ? base::ascii_upper(c) : '_';
  const bool is_name = std::all_of(name.begin(), name.end(), is_of_names);
  log_.warning("CW0613", fmt::format("{}: its Variable-{} is passed on to nobody: {}\nfix: {}", gateway_.who(), name,
                                     is_name ? "requests have a variable of that name themselves"
                                             : "names of variables are of letters, digits and '_'",
                                     is_name ? "choose another name" : "call it Variable-" + better));
}

}  // namespace cutwater::handler

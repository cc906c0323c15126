// Authorizer: lets a request through to a handler when a FastCGI program in the authorizer role says 200, and
// passes on what that calls Variable-NAME; else the program's answer is the client's (specification section 6.3).
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/task.h"
#include "handler/gateway.h"
#include "handler/guard.h"
#include "message/exchange.h"

namespace cutwater::handler {

// How what is behind the guard learns variables.
enum class Onward {
  kAll,        // an app, which gets any; or files, which want none
  kVariables,  // by FastCGI, SCGI or uwsgi
  kScript,     // a CGI script: those that every request has, and those that it is known to grant
  kFields,     // by HTTP, which has none
};

class Authorizer final : public Guard {
 public:
  // `gateway` asks in that role; both outlive this. `names`: variables that it is known to grant.
  Authorizer(Gateway& gateway, base::LogSink& log, Onward onward = Onward::kAll,
             const std::vector<std::string>& names = {});

  base::Task<void> pass(message::Exchange& exchange, message::Handler& inner) override;

 private:
  void grant(message::Request& request, std::string_view name, std::string_view value);
  static void drop_claims(message::Request& request, std::string_view name);
  bool reaches(std::string_view name) const;
  bool is_to_be_told(std::string_view name);
  void note_lost(std::string_view name);
  void note_unusable(std::string_view name);

  Gateway& gateway_;
  base::LogSink& log_;
  const Onward onward_;
  const std::set<std::string, std::less<>> listed_;
  // Names that it is known to grant, or has granted: what a client says under one is dropped also when it grants none.
  std::set<std::string, std::less<>> granted_ = {"REMOTE_USER"};
  size_t most_granted_ = 0;
  std::set<std::string, std::less<>> told_;  // names that are of no use, once each
};

}  // namespace cutwater::handler

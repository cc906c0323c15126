// Fields by which an application has the web server in front of it send a file, or not buffer its answer:
// X-Accel-Redirect, X-Sendfile and their kin. They name files and places of the inside (faults.md 46).
#pragma once

#include <string>

#include "base/log.h"
#include "message/exchange.h"
#include "message/headers.h"

namespace cutwater::handler {

class FileNameHint;

// `hint`: of whoever has no folder of files that may be named.
void remove_web_server_fields(message::Headers& headers);
void remove_web_server_fields(const message::Request& request, message::Headers& headers, FileNameHint* hint);
// An app's answer keeps them for a web server that is trusted, as it does what they say; for no other client.
void hide_web_server_fields(const message::Exchange& exchange, message::Headers& headers, FileNameHint* hint = nullptr);

// Says once, of whoever answers, that an answer names a file where no folder of such files is configured: the client
// gets the rest of it, mostly an empty page, and nobody would know why.
class FileNameHint {
 public:
  // `where`: what has no `sendfile`, "[app.shop]". `log` outlives this.
  FileNameHint(base::LogSink& log, std::string who, std::string where)
      : log_(log), who_(std::move(who)), where_(std::move(where)) {}
  // Before the fields are removed from `headers`.
  void look_at(const message::Request& request, const message::Headers& headers);

 private:
  base::LogSink& log_;
  const std::string who_;
  const std::string where_;
  bool said_ = false;
};

}  // namespace cutwater::handler

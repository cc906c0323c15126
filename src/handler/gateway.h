// Gateway: answers by asking a server behind us, in the protocol it speaks: one of an upstream's, the next one when
// that cannot be reached, as long as asking twice does no harm (faults.md 103-112, 116-118).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "handler/collected_body.h"
#include "handler/gateway_pool.h"
#include "handler/gateway_protocol.h"
#include "handler/named_files.h"
#include "handler/rate_limited_log.h"
#include "handler/response_head.h"
#include "handler/script_folder.h"
#include "handler/spool.h"
#include "handler/stderr_log.h"
#include "handler/web_server_fields.h"
#include "io/loop.h"
#include "message/exchange.h"
#include "upstream/call.h"
#include "upstream/peer_group.h"

namespace cutwater::handler {

struct GatewayOptions {
  GatewayProtocol protocol = GatewayProtocol::kHttp;
  codec::fastcgi::Role role = codec::fastcgi::Role::kResponder;  // with kFastcgi
  std::string strip = {};                                        // taken off the path: "" or "/api"
  std::string instance = {};                                     // what this server calls itself in Via and CDN-Loop
  base::Duration timeout = std::chrono::seconds(60);             // see settings; no try begins later
  base::Duration connect_timeout = std::chrono::seconds(5);      // each
  base::Duration tunnel_timeout = std::chrono::hours(1);         // longest silence of both sides of a tunnel
  unsigned retries = 1;                                          // other servers to ask when one fails
  // A body is taken in whole before a server is taken. Without it that holds for bodies up to 64 KiB, and for those
  // whose length the protocol must know.
  bool buffer = false;
};

// What is to answer in place of a server that has named it.
struct Instead {
  ResponseHeadPool::Pointer file;  // the head that names one
  std::string path;                // of this server, with its query
};

struct GatewayLateEnd;

class Gateway final : public message::Handler {
 public:
  // The others outlive the gateway; `group` may be shared.
  // With `scripts` only what is found there is asked for.
  Gateway(GatewayOptions options, upstream::PeerGroup& group, io::Loop& loop, SpoolArea& spool, base::LogSink& log,
          std::unique_ptr<ScriptFolder> scripts = nullptr);

  // Its servers are processes of ours: `group` has the name of the pool, and nobody in it. It outlives the gateway.
  void run_in(GatewayPool& pool);

  // "upstream api", or "pool php".
  const std::string& who() const { return who_; }
  // Servers that work behind answers that their clients have: what closes the connections now may end that work.
  size_t late_ends() const { return late_ends_.size(); }

  base::Task<void> handle(message::Exchange& exchange) override;
  // In a filter's role: what the program makes of the file is the answer. `file` outlives the task, its descriptor too.
  base::Task<void> filter(message::Exchange& exchange, const FilteredFile& file);

  // Files that servers may name instead of sending them.
  void send_named(std::unique_ptr<NamedFiles> files) { named_files_ = std::move(files); }
  // Who sends the files beside the scripts: outlives this.
  void send_files(message::Handler& files) { files_ = &files; }
  // Who answers when a program names a path of ours instead (RFC 3875 section 6.2.2): outlives this. Without it the
  // client is told where to go.
  void redirect_within(message::Handler& site) { site_ = &site; }

 private:
  friend class GatewayExchange;
  friend base::Task<void> await_late_end(Gateway& gateway, std::unique_ptr<GatewayLateEnd> late);

  base::Task<void> answer(message::Exchange& exchange, const FilteredFile* file);
  base::Task<void> refuse_circle(message::Exchange& exchange);
  base::Task<std::shared_ptr<const Script>> find_script(message::Exchange& exchange);
  base::Task<std::unique_ptr<CollectedBody>> collect_body(message::Exchange& exchange);
  base::Task<void> answer_instead(message::Exchange& exchange, const Instead& instead);
  bool must_collect(const message::Request& request) const;
  // A problem of one server: "upstream api: 10.0.0.5:8000 <what>". One of another server or `kind` does not hide it.
  void log_problem(std::string_view code, const upstream::Peer& peer, std::string_view what, std::string_view fix,
                   std::string_view kind = {});
  void note_failure(upstream::Peer& peer, upstream::Failure failure);
  void note_success(upstream::Peer& peer);
  // `request`: "GET /path".
  void note_excess(const upstream::Peer& peer, std::string_view request, std::string_view consequence);
  void judge_late_end(GatewayLateEnd& late, upstream::CallRest::Outcome outcome);
  // Seconds until a server that is down is tried again.
  std::string retry_after() const;

  GatewayOptions options_;
  upstream::CallOptions call_options_;
  upstream::PeerGroup& group_;
  std::string who_;
  GatewayPool* pool_ = nullptr;  // then nobody of the group is asked
  io::Loop& loop_;
  SpoolArea& spool_;
  SpoolBudget spool_budget_;
  base::LogSink& log_;
  std::unique_ptr<ScriptFolder> scripts_;
  std::unique_ptr<NamedFiles> named_files_;
  FileNameHint file_name_hint_;
  message::Handler* site_ = nullptr;
  message::Handler* files_ = nullptr;
  RateLimitedLog problems_;
  StderrPace stderr_pace_;
  base::TaskSet late_ends_;  // first to end
};

}  // namespace cutwater::handler

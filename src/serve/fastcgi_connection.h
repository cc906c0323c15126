// A web server's FastCGI connection: one coroutine reads records and feeds the requests that run on it, each of which
// is a coroutine of its own; all write through one output.
#pragma once

#include <coroutine>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "codec/fastcgi/server_session.h"
#include "io/listener.h"
#include "io/stream.h"
#include "io/timer.h"
#include "serve/fastcgi_exchange.h"
#include "serve/fastcgi_heads.h"
#include "serve/input.h"
#include "serve/output.h"
#include "serve/server_state.h"

namespace cutwater::serve {

class FastcgiConnection final : public ServedConnection, private FastcgiExchangeOwner, private io::HangupListener {
 public:
  // As Connection.
  FastcgiConnection(ServerState& server, std::unique_ptr<io::Stream> stream, const io::Address& peer,
                    const io::Address& local);
  ~FastcgiConnection() override;
  FastcgiConnection(const FastcgiConnection&) = delete;
  FastcgiConnection& operator=(const FastcgiConnection&) = delete;

  void start() override { reader_.start(run()); }
  bool may_be_closed() const override;
  bool never_asked() const override { return requests_ == 0; }
  base::Instant idle_since() const override { return idle_since_; }
  // All that must not happen while a coroutine of this connection is on the stack: tells handlers that the peer is
  // gone, frees ended exchanges, goes on reading, closes.
  bool tell_hangup() override;

 private:
  class RoomWait;  // co_await: until woken
  enum class Taken { kAll, kFull, kBroken };

  base::Task<void> run();
  Taken take_events();
  Taken drop_input();
  void take(const codec::fastcgi::ServerSession::Event& event);
  void begin(uint16_t request_id);
  FastcgiExchange& add(uint16_t request_id);
  void refuse(uint16_t request_id);
  void refuse_head(const codec::fastcgi::ServerSession::Event& event);
  void report_heads(const char* reason);
  void note_heads();
  void refuse_slow_heads();
  FastcgiExchange* find(uint16_t request_id);
  bool full() const;
  void hold_up(bool held_up);
  void spill_what_is_full();
  base::Instant wait_until();
  void leave_idle();

  base::Task<bool> wait_for_room() override { return wait_until_below(server_.options.output_buffer); }
  base::Task<bool> wait_until_below(size_t limit);
  base::Task<void> drain(size_t limit);
  void wake_those_with_room();
  void on_ended(FastcgiExchange& exchange) override;
  void say_end(uint16_t request_id);
  void say_cut(uint16_t request_id);
  void on_body_taken() override { tidy_later(); }
  void on_hangup(io::Hangup kind) override;
  void peer_left();
  void sending_ended();
  std::vector<uint16_t> running() const;
  void tidy_later();
  bool tell_all();
  void go_on();
  base::Task<void> flush();
  void close(bool with_reset);

  ServerState& server_;
  std::unique_ptr<io::Stream> stream_;
  ConnectionInput input_;
  const io::Address peer_;
  const io::Address& local_;
  codec::fastcgi::ServerSession session_;
  std::string output_memory_;
  SendPace pace_;
  Output output_;
  std::string replies_;  // records of the protocol itself
  base::Instant idle_since_{0};
  FastcgiHeads heads_;
  base::Instant record_began_{0};  // that is not complete, where nothing runs; 0: there is none
  uint64_t requests_ = 0;
  bool idle_ = false;
  bool peer_left_ = false;      // or it spoke nonsense
  bool sending_ended_ = false;  // the peer's; it may still read
  bool cut_ = false;            // an answer is missing its end, which the connection's end shows
  // Who does not keep the connection may take its end for that of the answer. Who does misses END_REQUEST, and a reset
  // would take the answers of others along that are on their way.
  bool cut_needs_reset_ = false;
  bool closing_ = false;    // when nothing runs any more
  bool unread_ = false;     // a request ended before its streams had
  bool lingering_ = false;  // everything is said; what still comes is dropped
  bool closed_ = false;
  bool tidying_ = false;  // is in server_.hung_up
  bool tidy_again_ = false;
  uint64_t dropped_ = 0;
  std::vector<RoomWait*> waiting_for_room_;  // of the exchanges' coroutines, too
  std::map<uint16_t, std::unique_ptr<FastcgiExchange>> exchanges_;
  std::vector<std::unique_ptr<FastcgiExchange>> over_;
  io::Timer lingered_;
  io::Timer held_up_;  // nothing was read for long, since a body is full
  base::TaskSet drainer_;
  base::TaskSet finisher_;
  base::TaskSet reader_;  // last: all three are cancelled before anything they use ends
};

}  // namespace cutwater::serve

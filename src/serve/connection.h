// One client connection: a coroutine that reads requests one after the other, has each answered by the root
// handler, and closes so that the client sees the whole answer (RFC 9112 sections 9.3 to 9.6).
#pragma once

#include <cstdint>
#include <memory>

#include "base/task.h"
#include "io/listener.h"
#include "io/stream.h"
#include "serve/active_exchange.h"
#include "serve/input.h"
#include "serve/server_state.h"

namespace cutwater::serve {

class Connection final : public ServedConnection, private io::HangupListener {
 public:
  // `server` and `local` outlive the connection. It puts itself into the server's lists.
  Connection(ServerState& server, std::unique_ptr<io::Stream> stream, const io::Address& peer,
             const io::Address& local);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start() override { root_.start(run()); }

  bool may_be_closed() const override;
  bool never_asked() const override { return requests_ == 0; }
  base::Instant idle_since() const override { return idle_since_; }
  // Tells the handler that the client is gone. False: nobody there wants to know yet.
  bool tell_hangup() override;

 private:
  base::Task<void> run();
  base::Task<void> linger();
  void end(Ending ending);
  base::Instant enter_idle();
  void leave_idle();
  void on_hangup(io::Hangup kind) override;

  ServerState& server_;
  std::unique_ptr<io::Stream> stream_;
  ConnectionInput input_;
  SendPace pace_;
  const io::Address peer_;
  const io::Address& local_;
  base::Instant idle_since_{0};
  uint32_t requests_ = 0;
  bool idle_ = false;
  bool hangup_waits_ = false;           // is in server_.hung_up
  bool gone_for_good_ = false;          // what there is to tell then
  ActiveExchange* exchange_ = nullptr;  // while one runs, in the coroutine's frame
  base::TaskSet root_;                  // last: cancelled before anything it uses ends
};

}  // namespace cutwater::serve

// Tunnel: after 101 Switching Protocols the bytes of a client and of a peer, passed on as they are, each direction by
// itself: whoever reads slowly holds back the other side, and the end of one direction is handed on alone.
#pragma once

#include <coroutine>
#include <string_view>

#include "base/clock.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/timer.h"
#include "message/exchange.h"

namespace cutwater::upstream {

class Tunnel final : private io::HangupListener {
 public:
  // All outlive the tunnel. It ends when neither side has sent anything for `silence`.
  Tunnel(io::Loop& loop, io::Stream& peer, message::BodySource& from_client, message::ResponseWriter& to_client,
         base::Duration silence);
  ~Tunnel() override;
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  // Until both directions have ended. When one broke, both sides see a cut; when both fell silent, an end. Once.
  base::Task<void> run();

  // Nothing reaches the client any more. What it sent before is still passed on, unless the peer does not take it.
  void client_gone();

 private:
  class Over;  // co_await: until the timer says that it is

  base::Task<void> send_to_peer();
  base::Task<void> send_to_client();
  base::Task<bool> write_to_peer(std::string_view bytes);
  void end_direction(bool broke);
  void end_now(bool broke);
  void on_hangup(io::Hangup kind) override;  // the peer's
  void look();

  io::Loop& loop_;
  io::Stream& peer_;
  message::BodySource& from_client_;
  message::ResponseWriter& to_client_;
  base::Duration silence_;
  base::Instant last_bytes_;
  unsigned running_ = 2;  // directions
  bool broken_ = false;
  bool over_ = false;
  bool reads_client_ = false;  // waits for it, and so is told of its end
  bool peer_ended_ = false;    // it sends no more
  std::coroutine_handle<> waiter_;
  io::Timer timer_;           // the tasks below never resume run() themselves: it ends them
  base::TaskSet directions_;  // first to end
};

}  // namespace cutwater::upstream

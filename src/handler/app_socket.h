// AppSocket: an open WebSocket between a client and the app's worker: frames on the client's side, messages on the
// worker's. Ping, pong and the closing handshake are made here; a side that does not read holds back the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/task.h"
#include "codec/websocket/message_decoder.h"
#include "codec/websocket/message_encoder.h"
#include "handler/unfinished_messages.h"
#include "handler/worker_feed.h"
#include "io/loop.h"
#include "io/timer.h"
#include "message/exchange.h"

namespace cutwater::handler {

class AppRequest;
struct AppEvent;

struct WebSocketOptions {
  base::Duration ping_interval = std::chrono::seconds(20);  // of silence before a ping; 0: none is sent
  base::Duration ping_timeout = std::chrono::seconds(20);   // of silence after it: the client is gone
  base::Duration close_timeout = std::chrono::seconds(5);   // for the client's half of the closing handshake
  uint64_t message_limit = 16 * 1024 * 1024;                // of a client's message, after decompression
  bool compression = true;                                  // permessage-deflate, where the client offers it
  UnfinishedMessages* unfinished = nullptr;                 // of all sockets of the front; nullptr: no bound
};

// What all WebSockets of a thread share.
struct WebSocketMemory {
  codec::websocket::CompressionPool compression;
  codec::websocket::DecoderScratch scratch;
};

class AppSocket {
 public:
  // All outlive the socket. `compression`: what the client was told in the 101.
  AppSocket(io::Loop& loop, AppRequest& request, message::Exchange& exchange, const WebSocketOptions& options,
            WebSocketMemory& memory, const codec::websocket::CompressionOffer& compression);
  ~AppSocket();
  AppSocket(const AppSocket&) = delete;
  AppSocket& operator=(const AppSocket&) = delete;

  // After the 101: until both sides have ended.
  base::Task<void> run();

 private:
  using Event = codec::websocket::MessageDecoder::Event;
  enum class End {
    kNone,
    kClosed,  // as it should be, or after a fault of the client's that it was told
    kLost,    // the client's connection
  };

  // The worker's side.
  base::Task<bool> send_messages(const AppEvent& first);
  void on_worker(const AppEvent& event);

  // The client's side.
  base::Task<void> read_client();
  bool count(const Event& event);
  bool pass_on(const Event& event);
  bool flush_to_worker();
  void on_control(const Event& event);
  void on_fault(const Event& event);
  void client_lost(bool cut);
  void on_ping(std::string_view payload);
  void send_pongs();

  void write(std::string_view bytes);
  void send_close(uint16_t code, std::string_view reason);
  void tell_worker(uint16_t code, std::string_view reason);
  void over(End end);
  bool client_is_behind() const;
  void look();
  void look_at(base::Instant moment);

  io::Loop& loop_;
  AppRequest& request_;
  message::BodySource& from_client_;
  message::ResponseWriter& to_client_;
  const WebSocketOptions options_;
  WorkerFeed feed_;
  codec::websocket::MessageDecoder decoder_;
  codec::websocket::MessageEncoder encoder_;

  UnfinishedMessages::Message unfinished_;
  std::string to_worker_;  // of a message that has begun: what was not sent yet
  bool to_worker_text_ = false;
  bool to_worker_last_ = false;
  std::string pongs_;
  uint64_t written_ = 0;  // to the client
  bool close_sent_ = false;
  bool told_worker_ = false;
  bool drops_messages_ = false;  // of the client's: nobody takes them any more
  End end_ = End::kNone;

  bool reads_ = false;  // waits for the client
  base::Instant last_heard_;
  base::Instant pinged_at_ = base::kNever;
  base::Instant close_by_ = base::kNever;
  io::Timer timer_;
  base::TaskSet reading_;  // first to end
};

}  // namespace cutwater::handler

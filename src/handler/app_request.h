// AppRequest: one request on its way through an app: its collected body, where it waits, and what the worker has sent
// that the client was not given yet. Lives in the frame of AppHandler::handle; leaving that frame, for whatever
// reason, takes the request out of every queue.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "handler/app_socket.h"
#include "handler/file_sender.h"
#include "handler/response_head.h"
#include "handler/spool.h"
#include "handler/streamed_upload.h"
#include "link/front_link.h"
#include "message/exchange.h"

namespace cutwater::handler {

class AppGeneration;
class AppHandler;

// What the coroutine of a request does next.
struct AppEvent {
  enum class Kind {
    kHead,
    kEarlyHints,
    kBody,
    kFile,
    kTrailers,
    kEnd,
    kFailed,
    kClientGone,
    kMessage,
    kClose,
    kShutDown,
    kSocketOver
  };
  Kind kind = Kind::kClientGone;
  std::string_view bytes;    // kHead, kBody: body bytes, kMessage, kClose: reason; until the coroutine waits again
  bool complete = false;     // kHead, kBody: nothing follows
  bool text = false;         // kMessage
  bool last = false;         // kMessage: ends with this piece
  uint16_t status = 0;       // kFailed: what to answer when no head was sent. kClose, kShutDown: the code
  FileRange file{-1, 0, 0};  // kFile
};

class AppRequest final : public message::ClientGoneListener {
 public:
  // Both outlive the request.
  AppRequest(AppHandler& app, message::Exchange& exchange);
  ~AppRequest();
  AppRequest(const AppRequest&) = delete;
  AppRequest& operator=(const AppRequest&) = delete;

  // Takes the whole body in, to memory or to a spool file, and a filter's data behind it. False: it was answered, or
  // nobody is left to answer.
  base::Task<bool> collect_body();
  bool has_body() const;
  // Whether its body may follow while it runs. Short ones are cheaper collected.
  bool has_long_body() const;
  // Instead of collect_body: the body goes to the worker when that wants it.
  void stream_body() { upload_ = std::make_unique<StreamedUpload>(*this, exchange_.body); }
  bool streams() const { return upload_ != nullptr; }

  class [[nodiscard]] NextEvent {
   public:
    explicit NextEvent(AppRequest& request) : request_(request) {}
    bool await_ready() const noexcept { return request_.client_gone_ || request_.has_kept(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { request_.waiter_ = waiter; }
    AppEvent await_resume() { return request_.take_event(); }

   private:
    AppRequest& request_;
  };
  NextEvent next() { return NextEvent(*this); }
  // The head of the last kHead, kEarlyHints or kTrailers event.
  message::Response& head() { return current_.head->response; }
  // The file that came right behind the head, to be sent with it; the event is used up. descriptor -1: none did.
  FileRange take_file_behind_head();
  // The client took `bytes` of body: the worker may send as many more.
  void taken(size_t bytes);

  // From the generation, with a frame's content (in shared memory until the call returns).
  void on_head(ResponseHeadPool::Pointer head, std::string_view bytes, bool complete);
  void on_early_hints(ResponseHeadPool::Pointer head);  // too many of them are dropped
  void on_body(std::string_view bytes, bool complete);
  // False: there are too many, and it was dropped.
  bool on_file(base::FileDescriptor file, uint64_t offset, uint64_t length);
  bool on_trailers(ResponseHeadPool::Pointer fields);  // in its headers; false as above
  void on_end();
  void on_message(std::string_view bytes, bool text, bool last);
  void on_close(uint16_t code, std::string_view reason);  // the first one counts
  // What the worker takes of a streamed body or a WebSocket; nullptr: nothing is streamed.
  WorkerFeed* feed() { return upload_ ? &upload_->feed() : feed_; }
  void use_feed(WorkerFeed* feed) { feed_ = feed; }

  // Of a WebSocket. Its client is to be sent away with that code; once.
  void shut_down(uint16_t code);
  // Its client's side has ended.
  void socket_over() { post(AppEvent::Kind::kSocketOver, 0); }
  // It was closed, for all unfinished messages together were over `limit`.
  void report_unfinished(uint64_t limit);
  // For a coroutine that has an event: what came behind it already.
  bool next_is(AppEvent::Kind kind) { return !client_gone_ && has_kept() && first_kept().event.kind == kind; }
  AppEvent take_next() { return take_event(); }
  // The client gets the page of `status`, or a cut response when the head was sent already.
  void fail(uint16_t status);
  bool has_failed() const { return failed_; }
  // The body broke off while it was streamed.
  void fail_body(message::BodyStatus status);
  // A client that ended its sending half may still read (`nc -N`): it counts as gone for a request that goes on
  // waiting for a worker, not for one that a worker takes at once. One that is gone for good is dropped at once.
  bool on_client_gone(bool for_good) override;
  bool has_left(base::Instant now) const;
  bool may_have_left() const { return left_at_ != base::kNever; }
  void drop();  // it has left: nothing runs for it any more

  bool answer_begun() const { return answer_begun_; }  // its head has come
  size_t kept_items() const { return kept_.size(); }   // what it costs a client that does not read
  bool waits_for_event() const { return waiter_ != nullptr; }
  bool waits_for_client() const { return upload_ && upload_->waits_for_client(); }
  void resume();

  message::Exchange& exchange() { return exchange_; }
  const std::string& body() const { return body_; }
  SpoolFile* spool() { return spool_.get(); }

  bool offers_websocket = false;  // by a sound handshake
  bool open_socket = false;       // which the worker has accepted, and then
  WebSocketOptions socket_options;

  // Where it is, kept by AppHandler and AppGeneration.
  AppGeneration* generation = nullptr;  // set while it has a slot there
  link::Ticket ticket;
  bool in_line = false;  // waits for a slot
  bool to_be_resumed = false;
  base::Instant entered{0};  // began to wait
  uint64_t order = 0;        // of arrival

 private:
  struct Item {
    AppEvent event;  // its bytes are `bytes`
    std::string bytes;
    size_t shown = 0;  // kMessage: `bytes` holds records of several (add_to_messages); what of it was taken
    ResponseHeadPool::Pointer head;
    base::FileDescriptor file;
  };

  void deliver(const AppEvent& event, ResponseHeadPool::Pointer head, base::FileDescriptor file);
  void keep(const AppEvent& event, ResponseHeadPool::Pointer head, base::FileDescriptor file);
  void keep_message(const AppEvent& event);
  AppEvent take_event();
  AppEvent take_message();
  bool has_kept() const { return kept_from_ < kept_.size(); }
  Item& first_kept() { return kept_[kept_from_]; }
  void forget_first_kept();
  void post(AppEvent::Kind kind, uint16_t status);
  bool account_for(size_t bytes);
  base::Task<bool> collect(message::BodySource& source, uint64_t length);
  base::Task<bool> store_piece(std::string_view piece);
  base::Task<bool> flush_to_spool();
  uint16_t answer_to(message::BodyStatus status);

  AppHandler& app_;
  message::Exchange& exchange_;
  std::coroutine_handle<> waiter_;
  base::Instant left_at_ = base::kNever;
  bool client_gone_ = false;
  bool answer_begun_ = false;
  bool shut_down_ = false;
  bool failed_ = false;
  bool close_seen_ = false;
  // What costs a worker no credit is counted.
  uint8_t kept_files_ = 0;
  uint8_t kept_hints_ = 0;
  size_t kept_hint_bytes_ = 0;
  uint8_t trailers_ = 0;  // all that came
  size_t trailer_bytes_ = 0;
  WorkerFeed* feed_ = nullptr;
  uint32_t unpaid_ = 0;  // body bytes received and not credited again: never over kInitialCredit
  uint32_t owed_ = 0;    // of these, what the client has taken

  AppEvent direct_;  // handed over without a copy while the coroutine waits
  bool has_direct_ = false;
  uint64_t delivered_in_turn_ = 0;
  std::vector<Item> kept_;  // what has come and was not taken, in order
  size_t kept_from_ = 0;    // the first of these that was not taken
  Item current_;            // owns what the last event shows

  std::string body_;
  std::unique_ptr<SpoolFile> spool_;
  std::unique_ptr<StreamedUpload> upload_;  // first to end
};

}  // namespace cutwater::handler

// RequestChannel: the way of the running request to its front: frames with back-pressure, its body's
// descriptor, the end. Waits give the GIL up. Of one worker; reused from request to request.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "link/worker_link.h"
#include "message/response.h"
#include "python/frame_wait.h"

namespace cutwater::python {

enum class SendOutcome {
  kSent,
  kGone,   // nobody wants the response any more: the client left, the request was cancelled, the front ended
  kError,  // a Python exception is set
};

// pread() without the GIL: bytes read, 0 at the end of the file, -1 with a Python exception.
ssize_t read_file_piece(int descriptor, uint64_t offset, std::string& into);

class RequestChannel {
 public:
  RequestChannel(link::WorkerLink& link, FrameWait& waiter) : link_(link), waiter_(waiter) {}

  // `claim` lives until end().
  void begin(const link::Claim& claim);
  // The last act: lets the slot go, unless a frame did so already.
  void end();
  bool released() const { return released_; }

  // Looks at what the front has sent. False: gone.
  bool still_wanted();
  // Takes a frame in that was received; false: it is of another request.
  bool take_in(const link::DownFrame& frame);
  // False in a child the application forked: nothing of the request may be touched there.
  bool attached() const { return link_.attached(); }
  // There: FrameWait has it.
  void keep_out_of_child() { waiter_.keep_out_of_child(); }
  // Another thread of the application may be inside a wait or a read of this request: marked by Inside,
  // waited out before the request ends.
  void settle();
  struct Inside {
    explicit Inside(RequestChannel& channel) : channel_(channel) { ++channel_.inside_; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() { --channel_.inside_; }
    RequestChannel& channel_;
  };

  // The head with the first body bytes. With `complete` they are the whole body; with `releases` (only with
  // complete) the slot is let go by the same frame: the claim must not be touched any more.
  SendOutcome send_head(const message::Response& response, std::string_view body, bool complete, bool releases);
  SendOutcome send_body(std::string_view body, bool complete);
  // A part of a file as body bytes: by descriptor, or read here when that cannot be passed.
  SendOutcome send_file(int descriptor, uint64_t offset, uint64_t length);
  SendOutcome send_end();
  SendOutcome send_abort(bool before_head);
  // Lets the front have what was sent before the application goes on.
  void flush() { link_.wake_fronts_between_pieces(); }

  // The body that is held by descriptor. Not valid: a Python exception is set.
  base::FileDescriptor fetch_body();

 private:
  SendOutcome send_file_bytes(int descriptor, uint64_t offset, uint64_t length);
  SendOutcome send_control(link::UpKind kind, uint32_t value);
  // Waits for credit or room. False: `outcome` says why there is no point in going on.
  bool wait(SendOutcome& outcome, FrameWait::For what = FrameWait::For::kRoom);
  SendOutcome gone();

  link::WorkerLink& link_;
  FrameWait& waiter_;
  const link::Claim* claim_ = nullptr;
  int64_t credit_ = 0;
  bool wanted_ = false;
  bool released_ = true;
  int inside_ = 0;  // under the GIL
};

}  // namespace cutwater::python

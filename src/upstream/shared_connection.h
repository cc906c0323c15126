// SharedConnection: a FastCGI connection on which several requests run at once (specification section 3.3). Each has a
// SharedRequest, a stream of its own with its own id; what they write goes out in whole records, one of each in turn,
// and what comes is sorted to them by its id.
//
// FastCGI can hold back no request alone: while one has 256 KiB and more that its caller does not take, nothing is
// read. So such a connection gets no new requests, and after 5 s the one that holds the others up is aborted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "codec/fastcgi/response_reader.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/timer.h"

namespace cutwater::upstream {

class SharedRequest;
class SharedConnection;

struct SharedConnectionOptions {
  bool used_before = false;                                // the peer has answered a request on it
  base::Duration longest_idle = std::chrono::seconds(60);  // without requests
  // How long a peer may take to end what nobody waits for: first by itself, if its answer was complete but for that,
  // then when it was told to abort.
  base::Duration longest_end = std::chrono::seconds(5);
  // Until whoever holds up others is aborted: the sum of such times, of which none is longer ago than this.
  base::Duration longest_held_up = std::chrono::seconds(5);
  base::Duration longest_quiet = std::chrono::seconds(1);  // of the peer, with requests; longer keeps new ones away
};

class SharedConnectionOwner {
 public:
  // Nothing runs on it any more. May close it.
  virtual void on_idle() = 0;

 protected:
  ~SharedConnectionOwner() = default;
};

// Kept by its owner and by its requests.
class SharedConnection final : public std::enable_shared_from_this<SharedConnection> {
 public:
  // What a connection that breaks takes with it, and whom one slow caller can hold up, is no more than this.
  static constexpr size_t kMostAtOnce = 16;
  // Of its ids so many may be lost to requests that ended untidily; then it is retired.
  static constexpr size_t kMostSpent = 64;

  // `loop` outlives it. Takes a connection on which nothing runs.
  SharedConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream, const SharedConnectionOptions& options,
                   SharedConnectionOwner* owner);
  ~SharedConnection();
  SharedConnection(const SharedConnection&) = delete;
  SharedConnection& operator=(const SharedConnection&) = delete;
  void disown() { owner_ = nullptr; }
  base::Instant shared_since() const { return shared_since_; }

  // One more; only if it takes_requests().
  // `alone`: it takes no others before that one has ended.
  std::unique_ptr<SharedRequest> add(bool alone = false);
  bool takes_requests() const;
  // Those that the peer has not ended, also where nobody waits for that.
  size_t running() const { return running_.size(); }
  // With running() == 0: whether it may be used, as far as can be known; what has come and may not ends it.
  bool is_silent();
  bool is_open() const { return !ended_; }
  base::Instant idle_since() const { return idle_since_; }  // with running() == 0
  // Takes no more, and closes when nothing runs.
  void retire();

 private:
  friend class SharedRequest;
  struct Running {
    SharedRequest* request = nullptr;  // nullptr: its caller has left
    bool begun = false;                // the peer gets to know of it
    uint64_t begins_at = 0;            // of all that was written
    bool variables_ended = false;      // the last record of PARAMS is among what is written
    bool input_ended = false;          // and that of STDIN
    base::Instant began{};             // with `begun`
    bool alone = false;
    uint64_t received = 0;
    bool aborted = false;
    base::Instant end_by = base::kNever;  // by the peer, since its caller has left
    bool overdue = false;
  };
  using Entry = std::map<uint16_t, Running>::iterator;

  base::Task<void> read();
  void sort(std::string_view bytes);
  void give(Entry entry, const codec::fastcgi::ResponseReader::Event& event);

  void pump();
  base::Task<void> drain();
  bool next_output();
  bool add_next_record();
  static void note_given(Running& running, std::string_view record);
  bool write_once();
  void stop_writing();

  void leave(uint16_t request_id, bool wants_abort);
  void forget(Entry entry);
  void spend(Entry entry);
  void abort(Entry entry);
  void note_overdue();
  bool fell_silent(uint16_t request_id) const;
  bool delivered(uint16_t request_id) const;
  bool is_full() const;
  void hold_up(bool held_up);
  bool held_up_lately() const;
  void cut_what_is_full();
  void on_taken();

  void end(const char* reason);
  void wake_later();
  void wake();
  void tidy();
  void close();

  io::Loop& loop_;
  std::unique_ptr<io::Stream> stream_;  // nullptr: closed
  const SharedConnectionOptions options_;
  SharedConnectionOwner* owner_;
  const base::Instant shared_since_;
  std::map<uint16_t, Running> running_;
  std::set<uint16_t> spent_;              // ids never used again: the peer may still speak of them
  std::vector<SharedRequest*> requests_;  // all that live, also ended ones
  codec::fastcgi::ResponseReader reader_;
  std::string output_;  // whole records, of which the kernel may have a part
  size_t sent_ = 0;     // of output_
  uint64_t sent_before_ = 0;
  uint16_t last_turn_ = 0;
  bool used_before_;
  bool retired_ = false;
  bool takes_no_more_ = false;  // the peer; what it has said may still come
  bool ended_ = false;          // it broke, or was closed
  bool had_company_ = false;    // with ended_: several ran then, and any of them may be the cause
  bool blamed_ = false;         // somebody told that to the peer's record
  const char* reason_ = "";     // with ended_: what came that may not; "": the peer closed it
  bool idle_ = false;           // and the owner knows
  base::Instant idle_since_{};
  base::Instant received_{};       // when something came last
  base::Instant held_up_since_{};  // with held_up_until_ == kNever
  base::Duration held_up_for_{};   // before that
  base::Instant held_up_until_{};  // nothing was read until then; kNever: nothing is
  io::Timer wake_;                 // the tasks below never resume anybody themselves: that may end them
  io::Timer overdue_;
  io::Timer held_up_;
  io::Timer idle_end_;
  base::TaskSet writing_;
  base::TaskSet reading_;
};

}  // namespace cutwater::upstream

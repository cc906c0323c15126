#include "io/socket_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "io/socket_stream_test_support.h"

namespace cutwater::io {
namespace {

struct TurnCounter : TurnHook {
  bool end_of_turn() override {
    ++turns;
    return false;
  }
  int turns = 0;
};

Task<void> read_all(Pair& pair, std::string& into, int& waits) {
  while (true) {
    const base::Instant deadline = pair.in(1000);
    if (co_await pair.stream->readable(deadline) == WaitResult::kTimedOut) break;
    ++waits;
    const IoResult result = pair.stream->read(shared_read_buffer());
    if (result.status == IoStatus::kWouldBlock) continue;
    if (result.status != IoStatus::kDone) break;
    into.append(shared_read_buffer().data(), result.count);
  }
  pair.loop.stop();
}

Task<void> count_waits(Pair& pair, int& waits, int milliseconds) {
  const base::Instant deadline = pair.in(milliseconds);
  while (waits < 10) {
    if (co_await pair.stream->readable(deadline) == WaitResult::kTimedOut) break;
    ++waits;
  }
  pair.loop.stop();
}

TEST(SocketStream, TheFirstWaitIsOverAtOnceTheSecondIsNot) {
  Pair pair;
  int waits = 0;
  pair.tasks.start(count_waits(pair, waits, 20));
  EXPECT_EQ(waits, 1);
  pair.loop.run();
  EXPECT_EQ(waits, 1);
}

TEST(SocketStream, OneThatWeOpenedIsNotReadBeforeSomethingCame) {
  Pair pair(Opened::kByUs);
  int waits = 0;
  pair.tasks.start(count_waits(pair, waits, 20));
  EXPECT_EQ(waits, 0);
  pair.loop.run();
  EXPECT_EQ(waits, 0);
}

TEST(SocketStream, ClosedAtOnceWhoeverStillHasIt) {
  Pair pair;
  int waits = 0;
  pair.tasks.start(count_waits(pair, waits, 20));
  pair.loop.run();
  pair.stream->close();
  char byte;
  EXPECT_EQ(recv(pair.peer.get(), &byte, 1, 0), 0);
  EXPECT_EQ(pair.stream->read(std::span(&byte, 1)).status, IoStatus::kFailed);
  const iovec piece{&byte, 1};
  EXPECT_EQ(pair.stream->write(std::span(&piece, 1)).status, IoStatus::kFailed);
  waits = 0;
  pair.tasks.start(count_waits(pair, waits, 60'000));
  pair.loop.run();
  EXPECT_EQ(waits, 10);
}

TEST(SocketStream, WhereEpollRefusesEveryWaitIsOver) {
  Pair pair;
  pair.stream =
      std::make_unique<SocketStream>(pair.loop, FileDescriptor(memfd_create("file", MFD_CLOEXEC)), Opened::kByPeer);
  int waits = 0;
  pair.tasks.start(count_waits(pair, waits, 60'000));
  pair.loop.run();
  EXPECT_EQ(waits, 10);
}

TEST(SocketStream, ReadsUntilTheEnd) {
  Pair pair;
  std::string text;
  int waits = 0;
  pair.tasks.start(read_all(pair, text, waits));
  pair.peer_writes("hello ");
  pair.loop.post([&] {
    pair.peer_writes("world");
    pair.peer.reset();
  });
  pair.loop.run();
  EXPECT_EQ(text, "hello world");
  EXPECT_LE(waits, 4);
}

Task<void> wait_readable(Pair& pair, base::Instant deadline, WaitResult& result, base::Instant& when) {
  result = co_await pair.stream->readable(deadline);
  when = base::monotonic_now();
  pair.loop.stop();
}

// A stream in the middle of its life: something was waited for and read.
void take_one_byte(Pair& pair) {
  WaitResult result;
  base::Instant when;
  pair.peer_writes("x");
  pair.tasks.start(wait_readable(pair, pair.in(1000), result, when));
  pair.loop.run();
  pair.stream->read(shared_read_buffer());
}

TEST(SocketStream, WaitEndsAtItsDeadlineNotBefore) {
  Pair pair;
  WaitResult result = WaitResult::kReady;
  base::Instant when;
  take_one_byte(pair);
  const base::Instant first = pair.in(40);
  pair.tasks.start(wait_readable(pair, first, result, when));
  pair.loop.run();
  EXPECT_EQ(result, WaitResult::kTimedOut);
  EXPECT_GE(when, first);
  // Again, later than before and then earlier than what the timer remembers.
  const base::Instant far = pair.in(5000);
  pair.tasks.start(wait_readable(pair, far, result, when));
  pair.peer_writes("x");
  pair.loop.run();
  EXPECT_EQ(result, WaitResult::kReady);
  EXPECT_EQ(pair.stream->read(shared_read_buffer()).count, 1u);
  const base::Instant near = pair.in(20);
  pair.tasks.start(wait_readable(pair, near, result, when));
  pair.loop.run();
  EXPECT_EQ(result, WaitResult::kTimedOut);
  EXPECT_GE(when, near);
  EXPECT_LT(when, far);
}

TEST(SocketStream, UnreadDataDoesNotSpinTheLoopAndIsFoundLater) {
  Pair pair;
  std::string text;
  int waits = 0;
  WaitResult result;
  base::Instant when;
  pair.tasks.start(wait_readable(pair, pair.in(1000), result, when));
  pair.peer_writes("first");
  pair.loop.run();
  TurnCounter counter;
  pair.loop.add_hook(counter);
  pair.run_for(30);  // data lies there, nobody waits
  EXPECT_LE(counter.turns, 4);
  pair.loop.remove_hook(counter);
  pair.tasks.start(read_all(pair, text, waits));
  pair.peer.reset();
  pair.loop.run();
  EXPECT_EQ(text, "first");
}

TEST(SocketStream, TellsOnceOfAHangupWhileNobodyReads) {
  for (bool with_data : {false, true}) {
    Pair pair;
    take_one_byte(pair);
    HangupNotes hangup;
    pair.stream->listen_for_hangup(&hangup);
    if (with_data) pair.peer_writes("unread");
    pair.run_for(10);
    EXPECT_EQ(hangup.calls, 0);
    pair.peer.reset();
    TurnCounter counter;
    pair.loop.add_hook(counter);
    pair.run_for(30);
    EXPECT_EQ(hangup.calls, 1);
    EXPECT_LE(counter.turns, 5);
    pair.loop.remove_hook(counter);
    std::string text;
    int waits = 0;
    pair.tasks.start(read_all(pair, text, waits));  // does not hang: what came before the end is still there
    EXPECT_EQ(text, with_data ? "unread" : "");
  }
}

TEST(SocketStream, TellsWhetherThePeerIsGoneForGood) {
  Pair pair;
  take_one_byte(pair);
  HangupNotes hangup;
  pair.stream->listen_for_hangup(&hangup);
  shutdown(pair.peer.get(), SHUT_WR);
  pair.run_for(10);
  EXPECT_EQ(hangup.calls, 1);
  EXPECT_EQ(hangup.last, Hangup::kSendingEnded);
  pair.peer.reset();
  pair.run_for(10);
  EXPECT_EQ(hangup.calls, 2);
  EXPECT_EQ(hangup.last, Hangup::kGone);
}

TEST(SocketStream, HangupListenerMayDestroyTheStream) {
  Pair pair;
  take_one_byte(pair);
  struct Destroyer : HangupListener {
    explicit Destroyer(Pair& owner) : pair(owner) {}
    void on_hangup(Hangup) override {
      pair.stream.reset();
      pair.loop.stop();
    }
    Pair& pair;
  } destroyer(pair);
  pair.stream->listen_for_hangup(&destroyer);
  pair.peer.reset();
  pair.loop.run();
  EXPECT_EQ(pair.stream, nullptr);
}

TEST(SocketStream, CloseEndsAWait) {
  Pair pair;
  WaitResult result = WaitResult::kTimedOut;
  base::Instant when;
  take_one_byte(pair);
  pair.tasks.start(wait_readable(pair, pair.in(60'000), result, when));
  pair.stream->close();
  pair.loop.run();
  EXPECT_EQ(result, WaitResult::kReady);
}

TEST(SocketStream, DestroyedWaitIsForgotten) {
  Pair pair;
  WaitResult result = WaitResult::kTimedOut;
  base::Instant when;
  take_one_byte(pair);
  pair.tasks.start(wait_readable(pair, pair.in(10), result, when));
  pair.tasks.cancel_all();
  pair.peer_writes("x");
  pair.run_for(30);
  EXPECT_EQ(result, WaitResult::kTimedOut);
}

Task<void> write_all(Pair& pair, std::string_view text, bool& failed) {
  while (!text.empty()) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    const std::span<const iovec> pieces(&piece, 1);
    const IoResult result = pair.stream->write(pieces);
    if (result.status == IoStatus::kDone) {
      text.remove_prefix(result.count);
      continue;
    }
    failed = result.status == IoStatus::kFailed;
    if (failed) break;
    const base::Instant deadline = pair.in(200);
    failed = co_await pair.stream->writable(deadline) == WaitResult::kTimedOut;
    if (failed) break;
  }
  pair.loop.stop();
}

TEST(SocketStream, WritesMoreThanTheKernelHolds) {
  Pair pair;
  const std::string text(3'000'000, 'w');
  std::string received;
  bool failed = true;
  pair.tasks.start(write_all(pair, text, failed));
  Loop& loop = pair.loop;
  struct Drain : TurnHook {
    bool end_of_turn() override {
      char buffer[50'000];
      ssize_t count = ::read(peer, buffer, sizeof buffer);
      if (count > 0) received.append(buffer, static_cast<size_t>(count));
      return count > 0;
    }
    int peer;
    std::string& received;
    Drain(int descriptor, std::string& into) : peer(descriptor), received(into) {}
  } drain(pair.peer.get(), received);
  loop.add_hook(drain);
  loop.post([] {});
  loop.run();
  while (drain.end_of_turn()) {
  }
  loop.remove_hook(drain);
  EXPECT_FALSE(failed);
  EXPECT_EQ(received, text);
}

TEST(SocketStream, AReaderThatStopsTimesTheWriterOut) {
  Pair pair;
  const std::string text(3'000'000, 'w');
  bool failed = false;
  pair.tasks.start(write_all(pair, text, failed));
  pair.loop.run();
  EXPECT_TRUE(failed);
  EXPECT_GT(pair.stream->unacknowledged(), 0u);
}

TEST(SocketStream, WritingToAClosedPeerFailsWithoutASignal) {
  Pair pair;
  const std::string text(3'000'000, 'w');
  bool failed = false;
  pair.tasks.start(write_all(pair, text, failed));
  pair.loop.post([&] { pair.peer.reset(); });
  pair.loop.run();
  EXPECT_TRUE(failed);
}

// How many TCP segments a client got from a server that answered and closed at once.
uint32_t segments_of_an_answer(bool hint, bool unread = false) {
  auto [client, accepted] = tcp_connection();
  const int on = 1;
  setsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  EXPECT_EQ(send(client.get(), "more", unread ? 4 : 0, MSG_NOSIGNAL), unread ? 4 : 0);
  Loop loop;
  {
    SocketStream stream(loop, std::move(accepted), Opened::kByPeer);
    if (hint) stream.end_follows();
    const iovec piece{const_cast<char*>("answer"), 6};
    EXPECT_EQ(stream.write({&piece, 1}).count, 6u);
  }
  std::string got;
  char buffer[16];
  for (ssize_t count; (count = ::read(client.get(), buffer, sizeof buffer)) > 0;)
    got.append(buffer, static_cast<size_t>(count));
  EXPECT_EQ(got, "answer");
  tcp_info info{};
  socklen_t length = sizeof info;
  EXPECT_EQ(getsockopt(client.get(), IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  return info.tcpi_segs_in;
}

TEST(SocketStream, TheEndGoesWithTheLastBytes) {
  EXPECT_EQ(segments_of_an_answer(true) + 1, segments_of_an_answer(false));
}

TEST(SocketStream, TheLastBytesAreSentWhateverCameThatNobodyRead) {
  segments_of_an_answer(true, true);
}

TEST(SocketStream, SendsAFileAndTellsItsEnd) {
  Pair pair;
  FileDescriptor file(memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(::write(file.get(), "0123456789", 10), 10);
  const IoResult sent = pair.stream->send_file(file.get(), 4, 100);
  EXPECT_EQ(sent.status, IoStatus::kDone);
  EXPECT_EQ(sent.count, 6u);
  const IoResult ended = pair.stream->send_file(file.get(), 10, 100);
  EXPECT_EQ(ended.status, IoStatus::kDone);
  EXPECT_EQ(ended.count, 0u);
  char buffer[16];
  EXPECT_EQ(::read(pair.peer.get(), buffer, sizeof buffer), 6);
  EXPECT_EQ(std::string(buffer, 6), "456789");
}

}  // namespace
}  // namespace cutwater::io

// epoll tells a socket stream of each arrival once: whoever waits must miss none all the same.
#include <sys/socket.h>

#include <functional>
#include <span>
#include <string>

#include "io/socket_stream_test_support.h"

namespace cutwater::io {
namespace {

// Until there are as many bytes as are wanted, or none comes for a second.
Task<void> read_by(Pair& pair, std::span<char> buffer, std::string& into, size_t wanted) {
  while (into.size() < wanted) {
    const base::Instant deadline = pair.in(1000);
    if (co_await pair.stream->readable(deadline) == WaitResult::kTimedOut) break;
    const IoResult result = pair.stream->read(buffer);
    if (result.status == IoStatus::kDone) into.append(buffer.data(), result.count);
  }
  pair.loop.stop();
}

TEST(SocketStream, WhatAReadLeavesEndsTheNextWait) {
  Pair pair(Opened::kByUs);
  std::string read;
  char bit[4];
  pair.tasks.start(read_by(pair, bit, read, 10));
  pair.peer_writes("0123456789");
  pair.loop.run();
  EXPECT_EQ(read, "0123456789");
}

Task<void> wait_for_room(Pair& pair, int& waits) {
  while (waits < 5) {
    const base::Instant deadline = pair.in(1000);
    if (co_await pair.stream->writable(deadline) == WaitResult::kTimedOut) break;
    ++waits;
  }
  pair.loop.stop();
}

TEST(SocketStream, EachWaitForRoomIsOverWhereThereAlwaysWasSome) {
  Pair pair;
  int waits = 0;
  pair.tasks.start(wait_for_room(pair, waits));
  pair.loop.run();
  EXPECT_EQ(waits, 5);
}

TEST(SocketStream, TheEndThatCameWithTheLastBytesIsTold) {
  for (const bool listens_before : {true, false}) {
    Pair pair(Opened::kByUs);
    HangupNotes notes;
    std::string read;
    if (listens_before) pair.stream->listen_for_hangup(&notes);
    pair.tasks.start(read_by(pair, shared_read_buffer(), read, 3));
    pair.peer_writes("abc");
    shutdown(pair.peer.get(), SHUT_WR);
    pair.loop.run();
    EXPECT_EQ(read, "abc");
    if (!listens_before) pair.stream->listen_for_hangup(&notes);
    pair.run_for(5);
    EXPECT_EQ(notes.calls, 1);
    EXPECT_EQ(notes.last, Hangup::kSendingEnded);
    pair.stream->listen_for_hangup(nullptr);
  }
}

// With a descriptor, as SCM_RIGHTS.
void send_with_descriptor(int socket, std::string_view bytes) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  *reinterpret_cast<int*>(CMSG_DATA(header)) = socket;
  ASSERT_EQ(sendmsg(socket, &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

// What is read of what `send` sends while nobody looks; the connection stays open.
std::string read_of(Pair& pair, const std::function<void(int socket)>& send, size_t wanted) {
  std::string read;
  pair.tasks.start(read_by(pair, shared_read_buffer(), read, wanted));
  pair.run_for(5);
  send(pair.peer.get());
  pair.loop.run();
  return read;
}

// The kernel ends a read behind each of them.
TEST(SocketStream, DescriptorsThatComeAlongHoldNothingUp) {
  Pair pair(Opened::kByPeer, Carrier::kUnix);
  const auto send = [](int socket) {
    send_with_descriptor(socket, "one ");
    send_with_descriptor(socket, "two ");
    ASSERT_EQ(::send(socket, "three", 5, MSG_NOSIGNAL), 5);
  };
  EXPECT_EQ(read_of(pair, send, 13), "one two three");
}

// A read ends before it; the byte itself is no part of the stream.
TEST(SocketStream, AnUrgentByteHoldsNothingUp) {
  const auto send = [](int socket) {
    ASSERT_EQ(::send(socket, "one ", 4, MSG_NOSIGNAL), 4);
    ASSERT_EQ(::send(socket, "!", 1, MSG_NOSIGNAL | MSG_OOB), 1);
    ASSERT_EQ(::send(socket, "two", 3, MSG_NOSIGNAL), 3);
  };
  Pair tcp(tcp_connection());
  EXPECT_EQ(read_of(tcp, send, 7), "one two");
}

}  // namespace
}  // namespace cutwater::io

// Streams that are read together.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/socket_stream_test_support.h"

namespace cutwater::io {
namespace {

// Streams of one loop, each with its peer.
struct Several {
  explicit Several(size_t count, bool tcp = false) {
    for (size_t i = 0; i < count; ++i) {
      std::pair<FileDescriptor, FileDescriptor> ends;
      if (tcp) {
        ends = tcp_connection();
      } else {
        int raw[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, raw), 0);
        ends = {FileDescriptor(raw[0]), FileDescriptor(raw[1])};
      }
      peers.push_back(std::move(ends.first));
      streams.push_back(std::make_unique<SocketStream>(loop, std::move(ends.second), Opened::kByUs));
      streams.back()->read_with_others();
    }
    read.resize(count);
    last.resize(count, IoStatus::kWouldBlock);
  }
  ~Several() { tasks.cancel_all(); }

  void peer_writes(size_t index, std::string_view bytes) {
    ASSERT_EQ(::write(peers[index].get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void run_for(int milliseconds) {
    Timer timer(loop.timers(), [this] { loop.stop(); });
    timer.set(base::monotonic_now() + std::chrono::milliseconds(milliseconds));
    loop.run();
  }
  // Reads all that comes, in pieces of at most `most`, and calls `after` behind each.
  Task<void> reader(
      size_t index, size_t most, std::function<void()> after = [] {}) {
    std::string piece(most, '\0');
    SocketStream& stream = *streams[index];
    while (true) {
      if (co_await stream.readable(base::kNever) == WaitResult::kTimedOut) break;
      const IoResult result = stream.read(piece);
      last[index] = result.status;
      if (result.status == IoStatus::kWouldBlock) continue;
      if (result.status != IoStatus::kDone) break;
      read[index].append(piece, 0, result.count);
      ++reads;
      after();
    }
  }

  Loop loop;
  std::vector<std::unique_ptr<SocketStream>> streams;
  std::vector<FileDescriptor> peers;
  std::vector<std::string> read;
  std::vector<IoStatus> last;
  int reads = 0;
  base::TaskSet tasks;
};

// More than one look of the loop takes, and longer than there is room for ahead.
TEST(ReadAhead, EachReadsWhatCameForIt) {
  for (size_t length : {size_t{1}, ReadRoom::kPlaceSize - 1, ReadRoom::kPlaceSize, 3 * ReadRoom::kPlaceSize + 5}) {
    for (size_t most : {size_t{100}, size_t{65536}}) {
      Several several(40);
      for (size_t i = 0; i < 40; ++i) several.tasks.start(several.reader(i, most));
      several.run_for(5);
      for (int round = 0; round < 3; ++round) {
        for (size_t i = 0; i < 40; ++i) several.peer_writes(i, std::string(length, static_cast<char>('0' + i)));
        several.run_for(20);
      }
      for (size_t i = 0; i < 40; ++i) EXPECT_EQ(several.read[i], std::string(3 * length, static_cast<char>('0' + i)));
    }
  }
}

TEST(ReadAhead, TheEndComesBehindTheBytes) {
  for (bool tcp : {false, true}) {
    Several several(2, tcp);
    for (size_t i = 0; i < 2; ++i) several.tasks.start(several.reader(i, 65536));
    several.run_for(5);
    for (size_t i = 0; i < 2; ++i) several.peer_writes(i, "last");
    // The loop hears of the bytes alone; their end is there when it reads.
    several.loop.post([&] { several.peers.clear(); });
    several.run_for(20);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(several.read[i], "last");
      EXPECT_EQ(several.last[i], IoStatus::kEndOfStream);
    }
  }
}

// Whoever was to read may be gone when it is his turn; the bytes are not.
TEST(ReadAhead, WhatNobodyReadStaysReadable) {
  Several several(3);
  base::TaskSet second;
  several.tasks.start(several.reader(0, 100, [&] { second.cancel_all(); }));
  several.tasks.start(several.reader(2, 100));
  second.start(several.reader(1, 100));
  several.run_for(5);
  several.peer_writes(0, "first");
  several.peer_writes(1, "second");
  several.run_for(5);
  EXPECT_EQ(several.read, (std::vector<std::string>{"first", "", ""}));
  char byte;
  EXPECT_EQ(::recv(several.streams[1]->descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1) << "it was read ahead";
  EXPECT_TRUE(several.streams[1]->readable_now());
  EXPECT_TRUE(several.streams[1]->has_unread());
  several.peer_writes(0, "x");  // the loop's memory is used again
  several.peer_writes(2, "another");
  several.run_for(5);
  EXPECT_EQ(several.read[2], "another");
  several.tasks.start(several.reader(1, 100));
  EXPECT_EQ(several.read[1], "second") << "at once";
  several.peer_writes(1, ", and more");
  several.run_for(5);
  EXPECT_EQ(several.read[1], "second, and more");
}

TEST(ReadAhead, OneMayEndAnother) {
  Several several(3);
  several.tasks.start(several.reader(0, 100, [&] {
    several.streams[1]->close();
    several.streams[2]->shut_down();
  }));
  for (size_t i : {size_t{1}, size_t{2}}) several.tasks.start(several.reader(i, 100));
  several.run_for(5);
  for (size_t i = 0; i < 3; ++i) several.peer_writes(i, "x");
  several.run_for(10);
  EXPECT_EQ(several.read[0], "x");
  EXPECT_EQ(several.last[2], IoStatus::kEndOfStream);
}

}  // namespace
}  // namespace cutwater::io

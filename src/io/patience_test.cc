#include "io/patience.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <thread>

#include "io/loop.h"
#include "io/stream.h"

namespace cutwater::io {
namespace {

using base::FileDescriptor;

TEST(Patience, ManyWordsOfANeighbourMakePatient) {
  Patience patience;
  const base::Instant start = base::monotonic_now();
  const auto speak = [&](uint32_t words, base::Instant when) {
    for (uint32_t word = 0; word < words; ++word) patience.neighbour_spoke(when);
    patience.before_wait(when);
    return patience.patient();
  };
  EXPECT_FALSE(speak(Patience::kManyWords - 1, start));
  EXPECT_FALSE(speak(Patience::kManyWords - 1, start + 2 * Patience::kWindow))
      << "those of the last window do not count";
  EXPECT_TRUE(speak(1, start + 3 * Patience::kWindow));
  EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
  EXPECT_FALSE(speak(1, start + 5 * Patience::kWindow));
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

TEST(Patience, OnlyWhoIsOnThisMachineIsANeighbour) {
  for (const Carrier carrier : {Carrier::kTcp, Carrier::kTcpOfNeighbour, Carrier::kUnix}) {
    {
      Loop loop;
      std::array<int, 2> ends{};
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
      const FileDescriptor peer(ends[1]);
      const std::unique_ptr<Stream> stream =
          make_socket_stream(loop, FileDescriptor(ends[0]), Opened::kByPeer, carrier);
      for (uint32_t word = 0; word < Patience::kManyWords; ++word) {
        ASSERT_EQ(::write(peer.get(), "x", 1), 1);
        ASSERT_EQ(stream->read(shared_read_buffer()).count, 1u);
      }
      Timer end(loop.timers(), [&] { loop.stop(); });
      end.set(base::monotonic_now());
      loop.run();
      EXPECT_EQ(loop.patient(), carrier != Carrier::kTcp);
    }
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER) << "the thread goes on without the loop";
  }
}

TEST(Patience, WhoStartedUsUnderAnotherPolicyIsObeyed) {
  std::thread started_so([] {
    const sched_param unused{};
    ASSERT_EQ(sched_setscheduler(0, SCHED_BATCH, &unused), 0);
    Patience patience;
    const base::Instant now = base::monotonic_now();
    patience.last_until(now + std::chrono::seconds(1));
    patience.before_wait(now);
    EXPECT_FALSE(patience.patient());
    patience.before_wait(now + std::chrono::seconds(2));
    EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
  });
  started_so.join();
}

}  // namespace
}  // namespace cutwater::io

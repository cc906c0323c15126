#include "upstream/peer.h"

#include <deque>
#include <optional>

#include "upstream/upstream_test_support.h"

namespace cutwater::upstream {
namespace {

struct PeerTest : testing::Test {
  io::Loop loop;
  LoopRunner runner{loop};
  std::shared_ptr<Peer> peer = std::make_shared<Peer>(loop, PeerAddress{"peer"}, PeerOptions{});
};

TEST_F(PeerTest, ConnectionsStayWhileNobodyWaitsForLongOnANewOne) {
  EXPECT_TRUE(peer->may_keep_one());
  std::optional<PeerWait> waiting(std::in_place, *peer);
  EXPECT_TRUE(peer->may_keep_one());
  runner.turns(std::chrono::milliseconds(15));
  EXPECT_FALSE(peer->may_keep_one());
  PeerWait later(*peer);
  waiting.reset();
  EXPECT_TRUE(peer->may_keep_one());
}

TEST_F(PeerTest, AKeptOneThatNobodyTakesEndsWhileOthersWait) {
  FarEnd kept(loop);
  peer->pool().keep({std::move(kept.stream)});
  peer->share_processes();
  runner.turns(std::chrono::milliseconds(15));
  EXPECT_EQ(peer->pool().size(), 1U);
  PeerWait waiting(*peer);
  peer->share_processes();
  runner.until([this] { return peer->pool().size() == 0; });
  char byte;
  EXPECT_EQ(recv(kept.peer.get(), &byte, 1, 0), 0);
}

std::shared_ptr<Peer> brief_peer(io::Loop& loop) {
  PeerOptions options;
  options.brief_life = std::chrono::seconds(1);
  return std::make_shared<Peer>(loop, PeerAddress{"peer"}, options);
}

TEST_F(PeerTest, WithBriefLivesNoneIsKeptUnlessManyRequestsRun) {
  const auto brief = brief_peer(loop);
  std::deque<PeerUse> uses;
  for (int running = 0; running < 32; ++running) {
    EXPECT_FALSE(brief->keeps_connections());
    FarEnd used(loop);
    brief->keep_alone({std::move(used.stream), loop.now()});
    EXPECT_EQ(brief->pool().size(), 0U);
    uses.emplace_back(*brief);
  }
  EXPECT_TRUE(brief->keeps_connections());
  uses.pop_back();
  EXPECT_FALSE(brief->keeps_connections());
}

TEST_F(PeerTest, OfOneThatClosesAllNoneIsKeptForAWhile) {
  const auto brief = brief_peer(loop);
  std::deque<PeerUse> many;
  for (int running = 0; running < 32; ++running) many.emplace_back(*brief);
  EXPECT_TRUE(brief->keeps_connections());
  FarEnd used_twice(loop);
  brief->keep_alone({std::move(used_twice.stream), loop.now(), true});
  brief->note_stale();  // this one has only come to its end
  EXPECT_TRUE(brief->keeps_connections());
  brief->note_stale();
  EXPECT_FALSE(brief->keeps_connections());
  FarEnd another(loop);
  brief->keep_alone({std::move(another.stream), loop.now()});
  EXPECT_EQ(brief->pool().size(), 1U);
  peer->note_stale();  // that of another says that it is to be kept
  EXPECT_TRUE(peer->keeps_connections());
}

}  // namespace
}  // namespace cutwater::upstream

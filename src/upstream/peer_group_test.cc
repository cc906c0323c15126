#include "upstream/peer_group.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>

namespace cutwater::upstream {
namespace {

constexpr base::Instant kNow{1'000'000'000'000};

struct Fixture {
  explicit Fixture(Balance balance, const std::vector<unsigned>& weights) : group("api", balance) {
    for (unsigned weight : weights) {
      PeerAddress address;
      address.text = "peer" + std::to_string(group.peers().size());
      PeerOptions options;
      options.weight = weight;
      options.max_fails = 2;
      group.add(std::make_unique<Peer>(loop, address, options));
    }
  }
  std::string pick(std::string_view client = "192.0.2.1", base::Instant now = kNow) {
    const auto peer = group.pick(client, tried, now);
    return peer ? peer->name() : "";
  }
  Peer& peer(size_t index) { return *group.peers()[index]; }
  void bring_down(size_t index, Failure kind = Failure::kSlowConnect) {
    peer(index).note_failure(kNow, kind);
    peer(index).note_failure(kNow, kind);
  }
  io::Loop loop;
  PeerGroup group;
  std::vector<const Peer*> tried;
};

TEST(PeerGroup, RoundRobinByWeightSpreadEvenly) {
  Fixture fixture(Balance::kRoundRobin, {3, 1});
  std::string order;
  for (int i = 0; i < 8; ++i) order += fixture.pick().back();
  EXPECT_EQ(order, "00100010");
}

TEST(PeerGroup, LeastBusyForItsWeight) {
  Fixture fixture(Balance::kLeastBusy, {1, 2});
  std::deque<PeerUse> uses;
  std::map<std::string, int> running;
  for (int i = 0; i < 9; ++i) {
    const auto peer = fixture.group.pick("", {}, kNow);
    ASSERT_NE(peer, nullptr);
    uses.emplace_back(*peer);
    ++running[peer->name()];
  }
  EXPECT_EQ(running["peer0"], 3);
  EXPECT_EQ(running["peer1"], 6);
}

TEST(PeerGroup, WhoRunsAtOneThatLeftStillHasIt) {
  Fixture fixture(Balance::kRoundRobin, {1});
  PeerUse use(fixture.peer(0));
  PeerWait waiting(fixture.peer(0));
  fixture.group = PeerGroup("api", Balance::kRoundRobin);
  EXPECT_EQ(use.peer().active(), 1u);
}

TEST(PeerGroup, WhoLeftGetsNothingMoreAndTheOthersTheirTurns) {
  Fixture fixture(Balance::kRoundRobin, {3, 1, 1});
  EXPECT_EQ(fixture.pick(), "peer0");
  fixture.group.remove(fixture.peer(0));
  std::map<std::string, int> picked;
  for (int i = 0; i < 10; ++i) ++picked[fixture.pick()];
  EXPECT_EQ(picked.size(), 2u);
  EXPECT_EQ(picked["peer1"], 5);
  fixture.group.remove(fixture.peer(1));
  fixture.group.remove(fixture.peer(0));
  EXPECT_EQ(fixture.pick(), "");
}

TEST(PeerGroup, IdleOnesInTurns) {
  Fixture fixture(Balance::kLeastBusy, {1, 1, 1});
  std::map<std::string, int> picked;
  for (int i = 0; i < 30; ++i) ++picked[fixture.pick()];
  EXPECT_EQ(picked["peer0"], 10);
  EXPECT_EQ(picked["peer1"], 10);
}

TEST(PeerGroup, HashKeepsClientsAndMovesOnlyThoseOfALostPeer) {
  Fixture fixture(Balance::kIpHash, {1, 1, 2});
  std::map<std::string, std::string> before;
  std::map<std::string, int> load;
  for (int i = 0; i < 1000; ++i) {
    const std::string client = "192.0.2." + std::to_string(i);
    before[client] = fixture.pick(client);
    ++load[before[client]];
    EXPECT_EQ(fixture.pick(client), before[client]);
  }
  EXPECT_NEAR(load["peer2"], 500, 80);
  EXPECT_NEAR(load["peer0"], 250, 80);
  fixture.bring_down(0);
  for (const auto& [client, peer] : before) {
    const std::string now = fixture.pick(client);
    if (peer != "peer0") {
      EXPECT_EQ(now, peer);
    } else {
      EXPECT_NE(now, "peer0");
    }
  }
}

TEST(PeerGroup, TriedOnesAreNotPickedAgain) {
  Fixture fixture(Balance::kRoundRobin, {1, 1});
  fixture.tried.push_back(&fixture.peer(0));
  EXPECT_EQ(fixture.pick(), "peer1");
  EXPECT_EQ(fixture.pick(), "peer1");
  fixture.tried.push_back(&fixture.peer(1));
  EXPECT_EQ(fixture.pick(), "");
}

TEST(PeerGroup, DownAfterMaxFailsInARowAndTriedByOneLater) {
  Fixture fixture(Balance::kRoundRobin, {1});
  Peer& peer = fixture.peer(0);
  EXPECT_FALSE(peer.note_failure(kNow, Failure::kSlowConnect));
  EXPECT_FALSE(peer.note_success());
  EXPECT_FALSE(peer.note_failure(kNow, Failure::kSlowConnect));
  EXPECT_TRUE(peer.note_failure(kNow, Failure::kSlowConnect));  // two in a row: marked once
  EXPECT_FALSE(peer.note_failure(kNow, Failure::kSlowConnect));
  EXPECT_EQ(fixture.pick(), "");
  EXPECT_EQ(fixture.group.next_trial(), kNow + peer.options().fail_time);
  const base::Instant later = kNow + peer.options().fail_time;
  EXPECT_EQ(fixture.pick("", later), "peer0");
  {
    PeerUse trial(peer);
    EXPECT_EQ(fixture.pick("", later), "");  // one request finds out
  }
  EXPECT_EQ(fixture.pick("", later), "peer0");  // it found out nothing
  EXPECT_TRUE(peer.note_success());
  EXPECT_EQ(fixture.pick(), "peer0");
  EXPECT_EQ(fixture.group.next_trial(), base::kNever);
}

// What a request on trial opened may last for hours: it keeps nobody from trying when the server fails again.
TEST(PeerGroup, ATrialIsOverWithItsSuccess) {
  Fixture fixture(Balance::kRoundRobin, {1});
  Peer& peer = fixture.peer(0);
  fixture.bring_down(0, Failure::kSlowConnect);
  const PeerUse tunnel(peer);
  EXPECT_TRUE(peer.note_success());
  fixture.bring_down(0, Failure::kSlowConnect);
  EXPECT_EQ(fixture.pick(), "");
  EXPECT_EQ(fixture.pick("", kNow + peer.options().fail_time), "peer0");
}

TEST(PeerGroup, WhoFailsAtOnceIsLeftAloneOnlyForOthers) {
  Fixture fixture(Balance::kRoundRobin, {1, 1, 1});
  fixture.bring_down(0, Failure::kAtOnce);
  fixture.bring_down(1, Failure::kSlowConnect);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(fixture.pick(), "peer2");
  fixture.tried.push_back(&fixture.peer(2));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(fixture.pick(), "peer0");
  fixture.tried.push_back(&fixture.peer(0));
  EXPECT_EQ(fixture.pick(), "");
}

// Nor does it while one request finds out whether it is quick again.
TEST(PeerGroup, WhoLetsAnAnswerWaitIsLeftAloneOnlyForOthers) {
  Fixture fixture(Balance::kRoundRobin, {1, 1});
  fixture.bring_down(0, Failure::kSlowAnswer);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(fixture.pick(), "peer1");
  fixture.tried.push_back(&fixture.peer(1));
  EXPECT_EQ(fixture.pick(), "peer0");
  const base::Instant later = kNow + fixture.peer(0).options().fail_time;
  const PeerUse trial(fixture.peer(0));
  EXPECT_EQ(fixture.pick("", later), "peer0");
  fixture.tried.clear();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(fixture.pick("", later), "peer1") << "one is enough to find out";
}

TEST(PeerGroup, ATrialBarsOnlyUntilItIsConnected) {
  Fixture fixture(Balance::kRoundRobin, {1});
  Peer& peer = fixture.peer(0);
  fixture.bring_down(0, Failure::kSlowConnect);
  const base::Instant later = kNow + peer.options().fail_time;
  const PeerUse trial(peer);
  EXPECT_EQ(fixture.pick("", later), "");
  peer.note_connected();
  EXPECT_EQ(fixture.pick("", later), "peer0");
  EXPECT_TRUE(peer.is_down());
}

TEST(PeerGroup, NobodyIsThere) {
  Fixture fixture(Balance::kLeastBusy, {});
  EXPECT_EQ(fixture.pick(), "");
}

}  // namespace
}  // namespace cutwater::upstream

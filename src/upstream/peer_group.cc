#include "upstream/peer_group.h"

#include <algorithm>
#include <cmath>

namespace cutwater::upstream {

namespace {

// FNV-1a over both texts, then mixed, since the score takes the high bits.
uint64_t hash_of(std::string_view client, std::string_view peer) {
  uint64_t hash = 0xcbf29ce484222325;
  for (std::string_view text : {client, std::string_view("\0", 1), peer}) {
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}

// Weighted rendezvous hashing: the highest score wins; a member that goes moves nobody else's clients.
double score(const Peer& peer, std::string_view client) {
  const double fraction = (static_cast<double>(hash_of(client, peer.name()) >> 11) + 0.5) / 0x1p53;
  return -static_cast<double>(peer.weight()) / std::log(fraction);
}

}  // namespace

void PeerGroup::add(std::shared_ptr<Peer> peer) {
  members_.push_back(std::move(peer));
  turns_.push_back(0);
}

void PeerGroup::remove(const Peer& peer) {
  const auto place =
      std::find_if(members_.begin(), members_.end(), [&](const auto& one) { return one.get() == &peer; });
  if (place == members_.end()) return;
  turns_.erase(turns_.begin() + (place - members_.begin()));
  members_.erase(place);
}

std::shared_ptr<Peer> PeerGroup::pick(std::string_view client, std::span<const Peer* const> tried, base::Instant now) {
  candidates_.clear();
  const auto consider = [&](auto may_be_asked) {
    for (const auto& peer : members_) {
      if (std::find(tried.begin(), tried.end(), peer.get()) != tried.end()) continue;
      if (may_be_asked(*peer)) candidates_.push_back(peer.get());
    }
  };
  consider([&](const Peer& peer) { return peer.available(now); });
  // It may be back, or have failed for one kind of request alone: one slow page must not bar the others.
  if (candidates_.empty()) consider([](const Peer& peer) { return peer.is_well() && peer.is_within_reach(); });
  Peer* chosen = choose(client);
  return chosen ? chosen->shared_from_this() : nullptr;
}

Peer* PeerGroup::choose(std::string_view client) {
  if (candidates_.size() <= 1) return candidates_.empty() ? nullptr : candidates_.front();
  switch (balance_) {
    case Balance::kLeastBusy:
      return least_busy(candidates_);
    case Balance::kRoundRobin:
      return in_turn(candidates_);
    case Balance::kIpHash:
      break;
  }
  return by_hash(candidates_, client);
}

// Equally busy ones in turns.
Peer* PeerGroup::least_busy(std::vector<Peer*>& candidates) {
  const auto is_busier = [](const Peer* left, const Peer* right) {
    return uint64_t{left->active()} * right->weight() > uint64_t{right->active()} * left->weight();
  };
  const Peer* least = *std::min_element(candidates.begin(), candidates.end(),
                                        [&](const Peer* left, const Peer* right) { return is_busier(right, left); });
  std::erase_if(candidates, [&](const Peer* peer) { return is_busier(peer, least); });
  return in_turn(candidates);
}

// Each candidate earns its weight at every turn; who has most is served and pays for all.
Peer* PeerGroup::in_turn(std::span<Peer* const> candidates) {
  int64_t total = 0;
  size_t best = members_.size();
  for (size_t i = 0; i < members_.size(); ++i) {
    if (std::find(candidates.begin(), candidates.end(), members_[i].get()) == candidates.end()) continue;
    total += members_[i]->weight();
    turns_[i] += members_[i]->weight();
    if (best == members_.size() || turns_[i] > turns_[best]) best = i;
  }
  turns_[best] -= total;
  return members_[best].get();
}

Peer* PeerGroup::by_hash(std::span<Peer* const> candidates, std::string_view client) {
  return *std::max_element(candidates.begin(), candidates.end(), [client](const Peer* left, const Peer* right) {
    return score(*left, client) < score(*right, client);
  });
}

base::Instant PeerGroup::next_trial() const {
  base::Instant next = base::kNever;
  for (const auto& peer : members_) {
    if (peer->is_down()) next = std::min(next, peer->down_until());
  }
  return next;
}

}  // namespace cutwater::upstream

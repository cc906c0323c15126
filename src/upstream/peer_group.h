// PeerGroup: the servers that can answer for one upstream, and which of them gets a request.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "upstream/peer.h"

namespace cutwater::upstream {

enum class Balance {
  kLeastBusy,   // fewest requests running for its weight
  kRoundRobin,  // in turns, by weight, spread evenly
  kIpHash,      // a client's address always to the same one; when that is down only its clients move
};

class PeerGroup {
 public:
  PeerGroup(std::string name, Balance balance) : name_(std::move(name)), balance_(balance) {}

  void add(std::shared_ptr<Peer> peer);
  // It gets no more requests; those that run at it have it until they end.
  void remove(const Peer& peer);
  const std::string& name() const { return name_; }
  std::span<const std::shared_ptr<Peer>> peers() const { return members_; }

  // Of those that are up and not among the `tried`; when there are none, of those that take connections or refuse them
  // at once, and pass their checks. nullptr: there is nobody to ask. `client` is an address in any form.
  std::shared_ptr<Peer> pick(std::string_view client, std::span<const Peer* const> tried, base::Instant now);
  // When the first of those that are down is tried again.
  base::Instant next_trial() const;

 private:
  Peer* choose(std::string_view client);
  Peer* least_busy(std::vector<Peer*>& candidates);
  Peer* in_turn(std::span<Peer* const> candidates);
  Peer* by_hash(std::span<Peer* const> candidates, std::string_view client);

  std::string name_;
  Balance balance_;
  std::vector<std::shared_ptr<Peer>> members_;
  std::vector<int64_t> turns_;     // in_turn(): what each member is owed
  std::vector<Peer*> candidates_;  // within pick()
};

}  // namespace cutwater::upstream

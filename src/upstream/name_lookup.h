// NameLookup: looks names of servers up while the loop goes on, in a thread that nobody ever waits for: a resolver may
// take half a minute, and the end of the process must not.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"
#include "upstream/peer_address.h"

namespace cutwater::upstream {

class NameLookup {
 public:
  using Resolve = std::function<base::Result<PeerAddresses>(const std::string& name)>;
  using Outcomes = std::vector<base::Result<PeerAddresses>>;  // one for each name, in their order
  using Done = std::function<void(const Outcomes& outcomes)>;

  // `done` is called on the loop's thread. `resolve` is called in others, and may outlive this. `loop` outlives this.
  NameLookup(io::Loop& loop, Resolve resolve, Done done);
  // Of what still runs nobody hears.
  ~NameLookup();
  NameLookup(const NameLookup&) = delete;
  NameLookup& operator=(const NameLookup&) = delete;

  // Not while it runs. False: no thread can be had now.
  bool start(std::vector<std::string> names);
  bool runs() const { return runs_; }

 private:
  struct Shared;

  void finish(const Outcomes& outcomes);

  io::Loop& loop_;
  Resolve resolve_;
  Done done_;
  std::shared_ptr<Shared> shared_;
  bool runs_ = false;
};

}  // namespace cutwater::upstream

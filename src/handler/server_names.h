// ServerNames: makes the peers of an upstream. What is written as an address is one peer. A name is as many as it has
// addresses, looked up at start and now and then from then on, so that servers may come, go and move. While it cannot
// be looked up, the addresses it had stay (faults.md 119).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "io/loop.h"
#include "io/timer.h"
#include "upstream/name_lookup.h"
#include "upstream/peer_group.h"

namespace cutwater::handler {

class ServerNames {
 public:
  // The others outlive this. `every`: 0 looks nothing up again.
  ServerNames(upstream::PeerGroup& group, io::Loop& loop, base::LogSink& log, base::Duration every,
              upstream::NameLookup::Resolve resolve = upstream::resolve_peers);

  // Looks a name up at once, which may block: before the loop runs. Of the connections that `options` lets be kept no
  // more than `most_kept` are kept to all the addresses that it has then.
  void add(const std::string& text, const upstream::PeerOptions& options, size_t most_kept);

 private:
  struct Name {
    std::string text;
    upstream::PeerOptions options;
    size_t most_kept;
    std::vector<std::shared_ptr<upstream::Peer>> peers;
    bool is_lost = false;  // it could not be looked up last time
  };

  void look_up();
  void note(const upstream::NameLookup::Outcomes& outcomes);
  bool update(Name& name, const upstream::PeerAddresses& addresses);
  void note_lost(Name& name, const std::string& why);

  upstream::PeerGroup& group_;
  io::Loop& loop_;
  base::LogSink& log_;
  const base::Duration every_;
  const upstream::NameLookup::Resolve resolve_;
  std::vector<Name> names_;
  upstream::NameLookup lookup_;
  io::Timer next_;
};

}  // namespace cutwater::handler

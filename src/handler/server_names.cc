#include "handler/server_names.h"

#include <fmt/format.h>

#include <algorithm>

namespace cutwater::handler {

namespace {

std::string list_of(const upstream::PeerAddresses& addresses) {
  std::string list;
  for (const upstream::PeerAddress& address : addresses) list += (list.empty() ? "" : ", ") + address.found;
  return list;
}

}  // namespace

ServerNames::ServerNames(upstream::PeerGroup& group, io::Loop& loop, base::LogSink& log, base::Duration every,
                         upstream::NameLookup::Resolve resolve)
    : group_(group),
      loop_(loop),
      log_(log),
      every_(every),
      resolve_(std::move(resolve)),
      lookup_(loop, resolve_, [this](const auto& outcomes) { note(outcomes); }),
      next_(loop.timers(), [this] { look_up(); }) {}

void ServerNames::add(const std::string& text, const upstream::PeerOptions& options, size_t most_kept) {
  Name name{text, options, most_kept, {}};
  const auto addresses = resolve_(text);
  if (addresses) {
    update(name, addresses.value());
  } else {
    note_lost(name, addresses.error().message);
  }
  if (every_ == base::Duration{} || !upstream::has_name(text)) return;
  names_.push_back(std::move(name));
  next_.set(loop_.now() + every_);
}

void ServerNames::look_up() {
  std::vector<std::string> texts;
  for (const Name& name : names_) texts.push_back(name.text);
  if (!lookup_.start(std::move(texts))) next_.set(loop_.now() + every_);
}

void ServerNames::note(const upstream::NameLookup::Outcomes& outcomes) {
  for (size_t i = 0; i < names_.size(); ++i) {
    Name& name = names_[i];
    if (!outcomes[i]) {
      note_lost(name, outcomes[i].error().message);
      continue;
    }
    const bool changed = update(name, outcomes[i].value());
    if (changed || name.is_lost) {
      log_.info(fmt::format("upstream {}: {} is {} now", group_.name(), name.text, list_of(outcomes[i].value())));
    }
    name.is_lost = false;
  }
  next_.set(loop_.now() + every_);
}

// Those that stay keep their connections and what is believed of them.
bool ServerNames::update(Name& name, const upstream::PeerAddresses& addresses) {
  const auto is_gone = [&](const std::shared_ptr<upstream::Peer>& peer) {
    if (std::find(addresses.begin(), addresses.end(), peer->address()) != addresses.end()) return false;
    group_.remove(*peer);
    return true;
  };
  bool changed = std::erase_if(name.peers, is_gone) > 0;
  upstream::PeerOptions options = name.options;
  options.keepalive = std::min(options.keepalive, name.most_kept / addresses.size());
  for (const upstream::PeerAddress& address : addresses) {
    const auto is_there = [&](const auto& peer) { return peer->address() == address; };
    if (std::any_of(name.peers.begin(), name.peers.end(), is_there)) continue;
    name.peers.push_back(std::make_shared<upstream::Peer>(loop_, address, options));
    group_.add(name.peers.back());
    changed = true;
  }
  return changed;
}

void ServerNames::note_lost(Name& name, const std::string& why) {
  if (name.is_lost) return;
  name.is_lost = true;
  const bool is_used = !name.peers.empty();
  const std::string_view fix = every_ == base::Duration{} ? "correct the name, and restart"
                               : is_used                  ? "look at the resolver: what is said here may pass"
                                                          : "correct the name; it is looked up again now and then";
  log_.write(is_used ? base::Severity::kWarning : base::Severity::kError, "CW0601",
             fmt::format("upstream {}: {}{}\nfix: {}", group_.name(), why,
                         is_used ? "; the addresses it had stay in use" : "", fix));
}

}  // namespace cutwater::handler

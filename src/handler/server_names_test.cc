#include "handler/server_names.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

using upstream::PeerAddress;
using upstream::PeerAddresses;

constexpr base::Duration kOften = std::chrono::milliseconds(5);

// What the names are found to be, said by the test while threads ask.
class Book {
 public:
  base::Result<PeerAddresses> look_up(const std::string& name) {
    const std::lock_guard lock(mutex_);
    ++asked_;
    if (pages_[name].empty()) return base::Error{name + ": nobody knows"};
    PeerAddresses addresses;
    for (const std::string& text : pages_[name]) {
      PeerAddress address = upstream::resolve_peers(text + ":80")->front();
      address.text = name;
      address.found = text;
      addresses.push_back(address);
    }
    return addresses;
  }
  void write(const std::string& name, std::vector<std::string> addresses) {
    const std::lock_guard lock(mutex_);
    pages_[name] = std::move(addresses);
  }
  int asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> pages_;
  int asked_ = 0;
};

struct ServerNamesTest : testing::Test {
  void open(base::Duration every = kOften) {
    names = std::make_unique<ServerNames>(group, loop, log, every,
                                          [book = book](const std::string& name) { return book->look_up(name); });
  }
  std::string servers() const {
    std::vector<std::string> all;
    for (const auto& peer : group.peers()) all.push_back(peer->name());
    std::sort(all.begin(), all.end());
    std::string text;
    for (const std::string& one : all) text += (text.empty() ? "" : " ") + one;
    return text;
  }
  void until(const std::string& expected) {
    runner.until([&] { return servers() == expected; });
  }
  // Also by whoever asked before.
  void asked_again() {
    const int before = book->asked();
    runner.until([&] { return book->asked() >= before + 2; });
  }

  const std::shared_ptr<Book> book = std::make_shared<Book>();
  io::Loop loop;
  LoopRunner runner{loop};
  NotingLog log;
  upstream::PeerGroup group{"api", upstream::Balance::kRoundRobin};
  upstream::PeerOptions options;
  std::unique_ptr<ServerNames> names;
};

TEST_F(ServerNamesTest, EachAddressIsAServerForAsLongAsTheNameHasIt) {
  book->write("a:80", {"10.0.0.1", "10.0.0.2"});
  open();
  names->add("a:80", options, 100);
  ASSERT_EQ(servers(), "a:80 (10.0.0.1) a:80 (10.0.0.2)");
  const std::shared_ptr<upstream::Peer> stays = group.peers()[1];
  upstream::PeerUse running(*group.peers()[0]);
  stays->note_failure(loop.now());
  book->write("a:80", {"10.0.0.2", "10.0.0.3"});
  until("a:80 (10.0.0.2) a:80 (10.0.0.3)");
  EXPECT_EQ(group.peers()[0], stays);
  EXPECT_EQ(running.peer().active(), 1u);
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(log.lines[0], " upstream api: a:80 is 10.0.0.2, 10.0.0.3 now");
  asked_again();
  EXPECT_EQ(log.lines.size(), 1u);
}

TEST_F(ServerNamesTest, WhatCannotBeLookedUpStaysAndIsSaidOnce) {
  book->write("a:80", {"10.0.0.1"});
  open();
  names->add("a:80", options, 100);
  book->write("a:80", {});
  runner.until([&] { return !log.lines.empty(); });
  asked_again();
  EXPECT_EQ(servers(), "a:80 (10.0.0.1)");
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_TRUE(log.lines[0].starts_with("CW0601 upstream api: a:80: nobody knows; the addresses it had stay in use\n"));
  book->write("a:80", {"10.0.0.1"});
  runner.until([&] { return log.lines.size() == 2; });
  EXPECT_EQ(log.lines[1], " upstream api: a:80 is 10.0.0.1 now");
}

TEST_F(ServerNamesTest, WhatIsUnknownAtStartIsFoundLater) {
  open();
  names->add("a:80", options, 100);
  EXPECT_EQ(servers(), "");
  ASSERT_EQ(log.lines.size(), 1u);
  book->write("a:80", {"10.0.0.1"});
  until("a:80 (10.0.0.1)");
}

TEST_F(ServerNamesTest, AddressesAndFixedNamesAreLookedUpOnce) {
  open(base::Duration{});
  book->write("a:80", {"10.0.0.1"});
  names->add("a:80", options, 100);
  runner.turns(4 * kOften);
  EXPECT_EQ(book->asked(), 1);
  open();
  book->write("10.0.0.9:80", {"10.0.0.9"});
  names->add("10.0.0.9:80", options, 100);
  runner.turns(4 * kOften);
  EXPECT_EQ(book->asked(), 2);
}

TEST_F(ServerNamesTest, KeptConnectionsAreSharedOutToTheAddresses) {
  book->write("a:80", {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"});
  open();
  options.keepalive = 64;
  names->add("a:80", options, 100);
  for (const auto& peer : group.peers()) EXPECT_EQ(peer->options().keepalive, 25u);
}

// A resolver that does not answer: neither the loop nor the end waits for it.
TEST(ServerNames, NobodyWaitsForTheResolver) {
  std::promise<void> over;
  const std::shared_future<void> end = over.get_future().share();
  const auto hanging = std::make_shared<std::atomic<int>>(0);
  const auto ended = std::make_shared<std::atomic<bool>>(false);
  {
    io::Loop loop;
    LoopRunner runner(loop);
    NotingLog log;
    upstream::PeerGroup group("api", upstream::Balance::kRoundRobin);
    const std::thread::id here = std::this_thread::get_id();
    ServerNames names(group, loop, log, kOften, [=](const std::string& name) -> base::Result<PeerAddresses> {
      if (std::this_thread::get_id() == here) return upstream::resolve_peers("127.0.0.1:80");
      ++*hanging;
      end.wait();
      *ended = true;
      return base::Error{name};
    });
    names.add("a:80", {}, 100);
    runner.until([&] { return *hanging == 1; });
    runner.turns(4 * kOften);
    EXPECT_EQ(*hanging, 1);
    EXPECT_EQ(group.peers().size(), 1u);
  }
  over.set_value();
  while (!*ended) std::this_thread::yield();
}

}  // namespace
}  // namespace cutwater::handler

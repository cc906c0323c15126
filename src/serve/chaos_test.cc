// Many clients that send good and bad requests in random pieces and leave at random moments. Nothing may
// break, and nothing may be left over (faults.md R5).
#include <gtest/gtest.h>

#include <dirent.h>

#include <random>

#include "serve/test_server.h"

namespace cutwater::serve {
namespace {

using namespace test;

size_t open_descriptors() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder)) ++count;
  closedir(folder);
  return count;
}

std::string random_request(std::mt19937& random) {
  switch (random() % 16) {
    case 0:
      return get("/stream");
    case 1:
      return post("/echo", std::string(random() % 100'000, 'p'));
    case 2:
      return "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    case 3:
      return "POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX";
    case 4:
      return post("/early", std::string(random() % 200'000, 'e'));
    case 5:
      return get("/throw-late");
    case 6:
      return get("/abort");
    case 7:
      return "BAD\x01 / HTTP/1.1\r\n\r\n";
    case 8:
      return get("/big");
    case 9:
      return "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n";
    case 10:
      return get("/short");
    case 11:
      return "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n";
    case 12:
      return "GET /a HTTP/1.0\r\n\r\n";
    case 13:
      return get("/silent");
    default:
      return get("/a");
  }
}

struct ChaosClient {
  std::unique_ptr<Client> client;
  std::string to_send;
};

// One random step of one client.
void step(TestServer& server, ChaosClient& one, std::mt19937& random) {
  if (!one.client) {
    one.client = std::make_unique<Client>(server, random() % 3 == 0 ? 4096 : 0);
    const size_t requests = 1 + random() % 4;
    for (size_t count = 0; count < requests; ++count) one.to_send += random_request(random);
    return;
  }
  switch (random() % 24) {
    case 0:
      one.client->leave();
      break;
    case 1:
      one.client->leave_with_reset();
      break;
    case 2:
      one.client->finish_sending();
      return;
    case 3:
      one.client->take();
      return;
    default: {
      const size_t length = std::min<size_t>(one.to_send.size(), random() % 2 ? random() % 20 : random() % 50'000);
      const ssize_t sent = ::send(one.client->descriptor(), one.to_send.data(), length, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) one.to_send.erase(0, static_cast<size_t>(sent));
      if (!one.to_send.empty() && !one.client->ended && !one.client->reset) return;
      one.client->take();
      if (random() % 8) return;
    }
  }
  one = {};
}

TEST(Chaos, NothingBreaksAndNothingIsLeft) {
  ServeOptions options;
  options.header_timeout = std::chrono::milliseconds(200);
  options.body_grace = std::chrono::milliseconds(200);
  options.send_timeout = std::chrono::milliseconds(200);
  options.keepalive = std::chrono::milliseconds(300);
  TestServer server(options);
  server.handler.big_size = 1'000'000;
  std::mt19937 random(20'240'101);
  const size_t descriptors = open_descriptors();
  {
    std::vector<ChaosClient> clients(40);
    for (int count = 0; count < 20'000; ++count) {
      step(server, clients[random() % clients.size()], random);
      if (count % 4 == 0) server.run_until([] { return true; });
      server.handler.big_taken = 0;
    }
  }
  EXPECT_TRUE(server.run_until([&] { return server.server->connections() == 0; }, 10'000));
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_GT(server.handler.requests, 500);
  Client sane(server);
  sane.send(get("/sane"));
  EXPECT_TRUE(sane.receive_text("hello /sane"));
}

}  // namespace
}  // namespace cutwater::serve

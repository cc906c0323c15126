#include "handler/forwarded.h"

#include <gtest/gtest.h>

namespace cutwater::handler {
namespace {

struct Case {
  const char* what;
  std::vector<std::string> trusted;
  const char* peer;  // "" = a unix socket
  std::vector<message::HeaderField> fields;
  uint16_t status;
  const char* address;  // afterwards
  const char* scheme;
  size_t fields_left;
};

const std::vector<std::string> kLocal = {"127.0.0.1/32", "::1"};
const std::vector<std::string> kChain = {"127.0.0.1/32", "10.0.0.0/8"};

const Case kCases[] = {
    {"a stranger's fields go",
     kLocal,
     "192.0.2.9",
     {{"X-Forwarded-For", "1.2.3.4"},
      {"x-real-ip", "1.2.3.4"},
      {"Forwarded", "for=1.2.3.4"},
      {"Via", "1.1 a"},
      {"X-CLIENT-IP", "1.1.1.1"},
      {"X-Forwarded-Proto", "https"},
      {"X-Forwarded-Host", "evil"},
      {"X-Forwarded-Port", "443"},
      {"Accept", "*/*"}},
     0,
     "192.0.2.9",
     "http",
     1},
    {"what becomes the same variable goes too",
     kLocal,
     "192.0.2.9",
     {{"X_Forwarded_For", "1.2.3.4"},
      {"x-forwarded_proto", "https"},
      {"X_REAL_IP", "1.2.3.4"},
      {"X_Forwarded_Prefix", "/a"},
      {"Front_End-Https", "on"},
      {"x_forwarded", "1"},
      {"api_key", "1"}},
     0,
     "192.0.2.9",
     "http",
     2},
    {"also where a trusted proxy let it through",
     kLocal,
     "127.0.0.1",
     {{"X_Forwarded_For", "1.2.3.4"}, {"X-Forwarded-For", "192.0.2.1"}, {"X_Forwarded_Proto", "https"}},
     0,
     "192.0.2.1",
     "http",
     1},
    {"nothing said, nothing changed", kLocal, "127.0.0.1", {{"Accept", "*/*"}}, 0, "127.0.0.1", "http", 1},
    {"a trusted proxy names the client",
     kLocal,
     "127.0.0.1",
     {{"X-Forwarded-For", "192.0.2.1"}},
     0,
     "192.0.2.1",
     "http",
     1},
    {"the rightmost stranger, not what he claims",
     kChain,
     "127.0.0.1",
     {{"X-Forwarded-For", "1.1.1.1, 192.0.2.1, 10.1.2.3"}},
     0,
     "192.0.2.1",
     "http",
     1},
    {"several lines are one list",
     kChain,
     "127.0.0.1",
     {{"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-For", "192.0.2.1"}},
     0,
     "192.0.2.1",
     "http",
     2},
    {"all trusted: the farthest",
     kChain,
     "127.0.0.1",
     {{"X-Forwarded-For", "10.0.0.1, 10.0.0.2"}},
     0,
     "10.0.0.1",
     "http",
     1},
    {"an entry that is no address ends the walk",
     kChain,
     "127.0.0.1",
     {{"X-Forwarded-For", "192.0.2.1, unknown, 10.0.0.2"}},
     0,
     "10.0.0.2",
     "http",
     1},
    {"only nonsense: the peer stays", kLocal, "127.0.0.1", {{"X-Forwarded-For", "unknown"}}, 0, "127.0.0.1", "http", 1},
    {"with a port", kLocal, "127.0.0.1", {{"X-Forwarded-For", "192.0.2.1:5000"}}, 0, "192.0.2.1", "http", 1},
    {"IPv6 with brackets", kLocal, "::1", {{"X-Forwarded-For", "[2001:db8::1]:80"}}, 0, "2001:db8::1", "http", 1},
    {"IPv4-mapped peers are IPv4",
     kLocal,
     "::ffff:127.0.0.1",
     {{"X-Forwarded-For", "192.0.2.1"}},
     0,
     "192.0.2.1",
     "http",
     1},
    {"scheme", kLocal, "127.0.0.1", {{"X-Forwarded-Proto", "https"}}, 0, "127.0.0.1", "https", 1},
    {"of a load balancer", kLocal, "127.0.0.1", {{"X-Forwarded-Protocol", "ssl"}}, 0, "127.0.0.1", "https", 1},
    {"a scheme that is none", kLocal, "127.0.0.1", {{"X-Forwarded-Proto", "gopher"}}, 400, "127.0.0.1", "http", 1},
    {"contradictory schemes",
     kLocal,
     "127.0.0.1",
     {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Ssl", "off"}},
     400,
     "127.0.0.1",
     "http",
     2},
    {"agreeing schemes",
     kLocal,
     "127.0.0.1",
     {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Ssl", "on"}},
     0,
     "127.0.0.1",
     "https",
     2},
    {"one scheme a hop",
     kChain,
     "127.0.0.1",
     {{"X-Forwarded-For", "192.0.2.1, 10.0.0.1"}, {"X-Forwarded-Proto", "https, http"}},
     0,
     "192.0.2.1",
     "https",
     2},
    {"Forwarded",
     kLocal,
     "127.0.0.1",
     {{"Forwarded", "for=192.0.2.1;proto=https;by=10.0.0.1"}},
     0,
     "192.0.2.1",
     "https",
     1},
    {"Forwarded, quoted IPv6",
     kLocal,
     "127.0.0.1",
     {{"Forwarded", "For=\"[2001:db8::1]:4711\""}},
     0,
     "2001:db8::1",
     "http",
     1},
    {"Forwarded, a chain",
     kChain,
     "127.0.0.1",
     {{"Forwarded", "for=1.1.1.1;proto=http, for=192.0.2.1;proto=https, for=10.0.0.9"}},
     0,
     "192.0.2.1",
     "https",
     1},
    {"Forwarded, the scheme alone", kLocal, "127.0.0.1", {{"Forwarded", "proto=https"}}, 0, "127.0.0.1", "https", 1},
    {"Forwarded, a client unknown",
     kLocal,
     "127.0.0.1",
     {{"Forwarded", "for=1.1.1.1;proto=http, for=unknown;proto=https"}},
     0,
     "127.0.0.1",
     "https",
     1},
    {"Forwarded, the client's own scheme is what it is",
     kChain,
     "127.0.0.1",
     {{"Forwarded", "for=192.0.2.1, for=10.0.0.9;proto=https"}},
     0,
     "192.0.2.1",
     "http",
     1},
    {"Forwarded, two clients of one hop",
     kLocal,
     "127.0.0.1",
     {{"Forwarded", "for=192.0.2.1;for=192.0.2.2"}},
     400,
     "127.0.0.1",
     "http",
     1},
    {"Forwarded, an open quote", kLocal, "127.0.0.1", {{"Forwarded", "for=\"192.0.2.1"}}, 400, "127.0.0.1", "http", 1},
    {"both agree",
     kLocal,
     "127.0.0.1",
     {{"Forwarded", "for=192.0.2.1"}, {"X-Forwarded-For", "192.0.2.1"}},
     0,
     "192.0.2.1",
     "http",
     2},
    {"both differ",
     kLocal,
     "127.0.0.1",
     {{"Forwarded", "for=192.0.2.1"}, {"X-Forwarded-For", "192.0.2.2"}},
     400,
     "127.0.0.1",
     "http",
     2},
    {"a unix peer is a stranger by default", kLocal, "", {{"X-Forwarded-For", "192.0.2.1"}}, 0, "", "http", 0},
    {"a unix peer may be trusted", {"unix"}, "", {{"X-Forwarded-For", "192.0.2.1"}}, 0, "192.0.2.1", "http", 1},
    {"everybody", {"*"}, "192.0.2.7", {{"X-Forwarded-For", "1.2.3.4, 5.6.7.8"}}, 0, "1.2.3.4", "http", 1},
    {"nobody", {}, "127.0.0.1", {{"X-Forwarded-For", "1.2.3.4"}}, 0, "127.0.0.1", "http", 0},
};

TEST(Forwarded, Table) {
  for (const Case& test : kCases) {
    auto trusted = TrustedNetworks::parse(test.trusted);
    ASSERT_TRUE(trusted) << test.what;
    ForwardedFilter filter(std::move(*trusted));
    message::Request request;
    request.scheme = "http";
    request.authority = "example.com";
    request.remote_address = test.peer;
    for (const auto& field : test.fields) request.headers.add(field.name, field.value);
    io::Address peer{test.peer, 1234, *test.peer == '\0'};
    std::string storage;
    EXPECT_EQ(filter.filter(request, peer, {}, storage) ? 400 : 0, test.status) << test.what;
    EXPECT_EQ(request.remote_address, test.address) << test.what;
    EXPECT_EQ(request.scheme, test.scheme) << test.what;
    EXPECT_EQ(request.headers.size(), test.fields_left) << test.what;
  }
}

TEST(Forwarded, WhyItIsRefused) {
  auto trusted = TrustedNetworks::parse({"127.0.0.1"});
  ForwardedFilter filter(std::move(*trusted));
  const auto why = [&](std::vector<message::HeaderField> fields) {
    message::Request request;
    for (const auto& field : fields) request.headers.add(field.name, field.value);
    std::string storage;
    const char* reason = filter.filter(request, {"127.0.0.1", 1, false}, {}, storage);
    return std::string(reason ? reason : "");
  };
  EXPECT_EQ(why({{"Forwarded", "garbage"}}), "a malformed Forwarded, or one of more than 64 hops");
  EXPECT_EQ(why({{"X-Forwarded-For", "\""}}), "a malformed X-Forwarded-For, or one of more than 64 addresses");
  EXPECT_EQ(why({{"X-Forwarded-Proto", "gopher"}}), "a forwarding field with a scheme that is neither http nor https");
  EXPECT_EQ(why({{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Ssl", "off"}}),
            "the forwarding fields name different schemes");
  EXPECT_EQ(why({{"X-Forwarded-For", "192.0.2.1"}, {"Forwarded", "for=192.0.2.2"}}),
            "X-Forwarded-For and Forwarded name different clients");
}

TEST(Forwarded, WhatAWebServerHandsOnStaysAndDecidesNothing) {
  for (const char* peer : {"203.0.113.5", "127.0.0.1"}) {
    ForwardedFilter filter(*TrustedNetworks::parse({"127.0.0.1"}), Unbelieved::kHandedOn);
    message::Request request;
    request.scheme = "http";
    request.remote_address = peer;
    for (const char* name : {"X-Forwarded-Proto", "X-Forwarded-Scheme", "Accept"}) request.headers.add(name, "https");
    request.headers.add("X-Forwarded-For", "192.0.2.1");
    std::string storage;
    EXPECT_EQ(filter.filter(request, {peer, 1, false}, {}, storage), nullptr);
    const bool believed = std::string_view(peer) == "127.0.0.1";
    EXPECT_EQ(request.headers.size(), 4u) << peer;
    EXPECT_EQ(request.has_unbelieved_forwarding, !believed) << peer;
    EXPECT_EQ(request.scheme, believed ? "https" : "http") << peer;
    EXPECT_EQ(request.remote_address, believed ? "192.0.2.1" : peer);
  }
}

TEST(Forwarded, PortsFollowTheScheme) {
  auto trusted = TrustedNetworks::parse({"127.0.0.1"});
  ForwardedFilter filter(std::move(*trusted));
  auto port_after = [&](std::string_view authority, std::vector<message::HeaderField> fields) {
    message::Request request;
    request.authority = authority;
    request.server_port = 8000;
    for (const auto& field : fields) request.headers.add(field.name, field.value);
    std::string storage;
    EXPECT_EQ(filter.filter(request, {"127.0.0.1", 1, false}, {}, storage), nullptr);
    return request.server_port;
  };
  EXPECT_EQ(port_after("a.com", {{"X-Forwarded-Proto", "https"}}), 443);
  EXPECT_EQ(port_after("a.com:8000", {{"X-Forwarded-Proto", "https"}}), 8000);
  EXPECT_EQ(port_after("a.com:8443", {{"X-Forwarded-Proto", "https"}}), 8443) << "not the web server's own";
  EXPECT_EQ(port_after("a.com", {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Port", "8443"}}), 8443);
  EXPECT_EQ(port_after("a.com", {{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Port", "99999"}}), 443);
}

TEST(TrustedNetworks, PrefixesAreBits) {
  auto trusted = TrustedNetworks::parse({"10.128.0.0/9", "2001:db8::/33"});
  ASSERT_TRUE(trusted);
  EXPECT_TRUE(trusted->trusts(*parse_ip_address("10.128.0.1")));
  EXPECT_TRUE(trusted->trusts(*parse_ip_address("10.255.255.255")));
  EXPECT_FALSE(trusted->trusts(*parse_ip_address("10.127.255.255")));
  EXPECT_TRUE(trusted->trusts(*parse_ip_address("2001:db8:7fff::1")));
  EXPECT_FALSE(trusted->trusts(*parse_ip_address("2001:db8:8000::1")));
}

TEST(TrustedNetworks, RefusesWhatIsNone) {
  for (const char* wrong : {"10.0.0.0/33", "10.0.0/8", "::1/129", "localhost", "10.0.0.1/", "/8", ""}) {
    EXPECT_FALSE(TrustedNetworks::parse({wrong})) << wrong;
  }
}

}  // namespace
}  // namespace cutwater::handler

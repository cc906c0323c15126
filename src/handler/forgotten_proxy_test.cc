#include "handler/forgotten_proxy.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "handler/forwarded.h"
#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

const io::Address kListener{"0.0.0.0", 80, false};

struct ForgottenProxy : testing::Test {
  void ask(const std::string& peer, const std::vector<std::string>& fields, const io::Address& listener = kListener) {
    message::Request request;
    for (const std::string& name : fields) request.headers.add(name, "x");
    std::string storage;
    filter.filter(request, {peer, 1, peer == "unix:"}, listener, storage);
  }
  size_t told(const std::string& peer, const std::vector<std::string>& fields) {
    ForgottenProxyHint other(log, kTrusted);
    const size_t before = log.lines.size();
    other.look_at({fields.begin(), fields.end()}, {peer, 1, peer == "unix:"}, kListener);
    return log.lines.size() - before;
  }

  const std::vector<std::string> kTrusted = {"127.0.0.1/32", "::1/128"};
  NotingLog log;
  ForgottenProxyHint hint{log, kTrusted};
  ForwardedFilter filter{*TrustedNetworks::parse(kTrusted), Unbelieved::kRemoved, &hint};
};

TEST_F(ForgottenProxy, IsSaidOnceForEachListenerWithTheLineToWrite) {
  for (int i = 0; i < 2; ++i) ask("10.0.0.5", {"X-Forwarded-Proto", "Via", "X-Forwarded-For", "x_real_ip", "Accept"});
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_EQ(log.lines[0],
            "CW0408 listen 0.0.0.0:80: removed X-Forwarded-For, X-Forwarded-Proto from a request of 10.0.0.5, which "
            "trusted_proxies does not name; it was answered without (said once)\n"
            "fix: if that is a load balancer or web server of yours, write trusted_proxies = [\"127.0.0.1/32\", "
            "\"::1/128\", \"10.0.0.5\"] in that [[listen]]; if it is a client, all is well");
  ask("unix:", {"Forwarded"}, {"/run/a", 0, true});
  ask("10.0.0.6", {"Forwarded"}, {"/run/a", 0, true});
  ASSERT_EQ(log.lines.size(), 2u);
  EXPECT_NE(log.lines[1].find("of a unix socket, which"), std::string::npos) << log.lines[1];
  EXPECT_NE(log.lines[1].find("\"::1/128\", \"unix\"]"), std::string::npos) << log.lines[1];
}

TEST_F(ForgottenProxy, WhereTheAppIsHandedTheFieldsThatIsSaid) {
  ForgottenProxyHint handed_on(log, kTrusted, Unbelieved::kHandedOn);
  handed_on.look_at({"X-Forwarded-Proto"}, {"10.0.0.5", 1, false}, {"/run/a", 0, true});
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_NE(log.lines[0].find(": X-Forwarded-Proto of a request of 10.0.0.5, which trusted_proxies does not name, did "
                              "not decide its REMOTE_ADDR and wsgi.url_scheme; the app was handed what came (said "
                              "once)\nfix: "),
            std::string::npos)
      << log.lines[0];
}

TEST_F(ForgottenProxy, IsSaidOfPrivateAddressesAlone) {
  for (const char* peer : {"10.1.2.3", "172.16.0.1", "172.31.9.9", "192.168.1.1", "127.0.0.9", "::1", "fd00::1",
                           "::ffff:10.0.0.1", "unix:"})
    EXPECT_EQ(told(peer, {"X-Real-IP"}), 1u) << peer;
  for (const char* peer : {"192.0.2.1", "172.32.0.1", "11.0.0.1", "2001:db8::1", "fe80::1", "", "localhost"})
    EXPECT_EQ(told(peer, {"X-Real-IP"}), 0u) << peer;
}

TEST_F(ForgottenProxy, IsNotSaidOfOtherFieldsNorOfWhoIsTrusted) {
  EXPECT_EQ(told("10.0.0.1", {"Via", "X-Client-IP", "X_Forwarded_For"}), 0u);
  ask("127.0.0.1", {"Via", "X_Forwarded_For"});
  EXPECT_TRUE(log.lines.empty());
}

}  // namespace
}  // namespace cutwater::handler

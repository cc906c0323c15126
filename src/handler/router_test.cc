#include "handler/router.h"

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

class Named final : public message::Handler {
 public:
  base::Task<void> handle(message::Exchange&) override { co_return; }
};

TEST(Router, LongestPrefixOfWholeSegmentsWins) {
  Router router;
  Named app, api, files;
  router.add("", app);
  router.add("/files/", files);
  router.add("/files/api", api);
  EXPECT_EQ(router.find("/"), &app);
  EXPECT_EQ(router.find("/files"), &files);
  EXPECT_EQ(router.find("/files/a"), &files);
  EXPECT_EQ(router.find("/files/api/x"), &api);
  EXPECT_EQ(router.find("/files/apis"), &files);
  EXPECT_EQ(router.find("/filesystem"), &app);
  EXPECT_EQ(router.find("/files..x"), &app);
  EXPECT_EQ(router.find("/FILES/a"), &app);
}

TEST(Router, FirstOfEqualPrefixesWinsAndRemovalUncoversTheOther) {
  Router router;
  Named one, two;
  router.add("/a", one);
  router.add("/a/", two);
  EXPECT_EQ(router.find("/a/b"), &one);
  router.remove(one);
  EXPECT_EQ(router.find("/a/b"), &two);
  router.remove(two);
  EXPECT_EQ(router.find("/a/b"), nullptr);
}

TEST(Router, UnknownPathIs404) {
  Router router;
  TestExchange exchange("GET", "/nothing");
  exchange.start(router);
  EXPECT_TRUE(exchange.done);
  EXPECT_EQ(exchange.writer.status(), 404);
  EXPECT_NE(exchange.writer.content.find("404 Not Found"), std::string::npos);
  EXPECT_NE(exchange.writer.content.find("request 00000007"), std::string::npos);
  EXPECT_EQ(exchange.writer.content_length, exchange.writer.content.size());
}

}  // namespace
}  // namespace cutwater::handler

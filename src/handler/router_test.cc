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

TEST(Router, RoutesInTheirOrder) {
  Router router;
  Named exact, api, all, late;
  router.add_route({"/api/health", true}, exact);
  router.add_route({"/api/", false}, api);
  router.add_route({"/", false}, all);
  router.add_route({"/api/late", false}, late);
  EXPECT_EQ(router.find("/api/health"), &exact);
  EXPECT_EQ(router.find("/api/health/"), &api);
  EXPECT_EQ(router.find("/api"), &api);
  EXPECT_EQ(router.find("/api/late"), &api);
  EXPECT_EQ(router.find("/apis"), &all);
  EXPECT_EQ(router.find("/"), &all);
}

TEST(Router, WhatIsMountedDeeperThanARouteAnswers) {
  Router router;
  Named all, shop, root, exact;
  router.add("", root);
  EXPECT_EQ(router.find("/x"), &root);
  router.add_route({"/", false}, all);
  router.add_route({"/shop/login", true}, exact);
  router.add("/shop", shop);
  EXPECT_EQ(router.find("/x"), &all);
  EXPECT_EQ(router.find("/shop/x"), &shop);
  EXPECT_EQ(router.find("/shop/login"), &shop);  // the first that takes it is "/*", and the app lies deeper
  router.remove(shop);
  EXPECT_EQ(router.find("/shop/x"), &all);
}

TEST(Router, AnExactRouteBeatsWhatIsMounted) {
  Router router;
  Named shop, exact;
  router.add("/shop/login", shop);
  router.add_route({"/shop/login", true}, exact);
  EXPECT_EQ(router.find("/shop/login"), &exact);
  EXPECT_EQ(router.find("/shop/login/x"), &shop);
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

// Fails closed: what nobody wrote a route for may not be reached past the guard of "/*".
TEST(Router, AGuardedRouteGuardsWhatIsMountedBelowIt) {
  class Nobody final : public Guard {
   public:
    base::Task<void> pass(message::Exchange&, message::Handler&) override { co_return; }
  } all_guard, inner_guard;
  Router router;
  Named all, open, inner, shop, below, root;
  router.add_route({"/open", false}, open);
  router.add_route({"/open/inner", false}, inner, &inner_guard);
  router.add_route({"/one", true}, inner, &inner_guard);
  router.add_route({"/", false}, all, &all_guard);
  router.add("", root);
  router.add("/shop", shop);
  router.add("/open/below", below);
  const auto expect = [&](std::string_view path, const message::Handler& handler, const Guard* guard) {
    EXPECT_EQ(router.match(path).handler, &handler) << path;
    EXPECT_EQ(router.match(path).guard, guard) << path;
  };
  expect("/shop/cart", shop, &all_guard);
  expect("/x", all, &all_guard);
  expect("/one", inner, &inner_guard);
  expect("/one/x", all, &all_guard);
  expect("/open/x", open, nullptr);
  expect("/open/inner", open, nullptr);  // the first route that takes a path decides
  expect("/open/below/x", below, nullptr);
}

}  // namespace
}  // namespace cutwater::handler

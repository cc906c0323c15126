#include "control/messages.h"

#include <gtest/gtest.h>

namespace cutwater::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Messages, GenerationReadsAsDocumented) {
  GenerationCreated message;
  message.app = "shop";
  message.generation = 3;
  message.prefix = "/shop";
  message.timeout = seconds(60);
  message.queue = 100;
  message.queue_timeout = milliseconds(10500);
  message.grace = seconds(30);
  message.websocket_origins = {"same"};
  message.static_folders = {{"/static/", seconds(1)}, {"/media/", std::nullopt}};
  EXPECT_EQ(encode(message), nlohmann::json::parse(R"({"type": "generation", "app": "shop", "generation": 3,
      "prefix": "/shop", "timeout": 60000, "queue": 100, "queue_timeout": 10500, "asynchronous": false,
      "requests_per_worker": 1, "in_turns": false, "grace": 30000, "websocket_origins": ["same"],
      "static": [{"prefix": "/static/", "cache": 1000}, {"prefix": "/media/"}]})"));
}

TEST(Messages, ComeBackAsTheyWere) {
  Imported message;
  message.python = "3.11.2";
  message.static_folders = {{"/static/", "/srv/static", seconds(5)}};
  message.fork_safe = true;
  message.notes = {"run collectstatic"};
  auto read = decode<Imported>(encode(message));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(encode(*read), encode(message));
  const WatchFolders watch{{"/srv/shop", "/srv/shop/pages"},
                           {"/srv/shop/pages"},
                           {"/srv/shop/a.html"},
                           "/srv/shop/data",
                           "/srv/shop/app.py"};
  auto watch_read = decode<WatchFolders>(encode(watch));
  ASSERT_TRUE(watch_read.ok()) << watch_read.error().message;
  EXPECT_EQ(encode(*watch_read), encode(watch));
}

TEST(Messages, NullOptionalIsAbsent) {
  auto imported = encode(Imported{});
  imported["static"] = nlohmann::json::parse(R"([{"prefix": "/", "root": "/srv", "cache": null}])");
  auto read = decode<Imported>(imported);
  ASSERT_TRUE(read.ok());
  EXPECT_FALSE(read->static_folders.at(0).cache);
}

TEST(Messages, NameTheWrongField) {
  for (const char* text :
       {R"({"app": "shop", "generation": 1})", R"({"app": "shop", "generation": 1, "lane": -1})",
        R"({"app": "shop", "generation": 1, "lane": "1"})", R"({"app": "shop", "generation": 1, "lane": 1.5})",
        R"({"app": "shop", "generation": 1, "lane": 4294967296})"}) {
    auto read = decode<LaneFree>(nlohmann::json::parse(text));
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().message, "lane_free: field \"lane\" is missing or wrong");
  }
}

TEST(Messages, RefuseWrongElements) {
  auto start = encode(StartApp{});
  EXPECT_TRUE(decode<StartApp>(start).ok());
  start["environment"]["NAME"] = 7;
  EXPECT_FALSE(decode<StartApp>(start).ok());
  auto imported = encode(Imported{});
  imported["static"] = nlohmann::json::array({7});
  EXPECT_FALSE(decode<Imported>(imported).ok());
  imported["static"] = nlohmann::json::array();
  auto watch = encode(WatchFolders{});
  watch["folders"] = nlohmann::json::array({nlohmann::json::array()});
  EXPECT_FALSE(decode<WatchFolders>(watch).ok());
}

TEST(Messages, RefuseEndlessDurations) {
  EXPECT_FALSE(decode<Stop>({{"grace", UINT64_MAX}}).ok());
  EXPECT_FALSE(decode<Stop>({{"grace", -1}}).ok());
  EXPECT_EQ(decode<Stop>({{"grace", 0}})->grace, base::Duration::zero());
}

}  // namespace
}  // namespace cutwater::control

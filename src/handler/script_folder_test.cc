// Which script a request is for, and for how long that is believed.
#include "handler/script_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

struct ScriptFolderTest : testing::Test {
  ScriptFolderTest() {
    std::string name = testing::TempDir() + "scripts-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    place = name;
    options.root = name;
  }
  ~ScriptFolderTest() override { std::filesystem::remove_all(place); }

  void write(const std::string& name) { std::ofstream(place / name) << "<?php"; }
  ScriptFolder& folder() {
    if (!folder_) {
      base::FileDescriptor descriptor(open(place.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      folder_.emplace(share(std::move(descriptor)), options, offload, loop);
    }
    return *folder_;
  }
  ScriptFolder::Found find(const message::Request& request) {
    ScriptFolder::Found found;
    bool done = false;
    tasks.start(store(request, found, done));
    runner.until([&] { return done; });
    return found;
  }
  base::Task<void> store(const message::Request& request, ScriptFolder::Found& found, bool& done) {
    auto finding = folder().find(request);
    found = co_await finding;
    done = true;
  }
  static message::Request request(std::string_view path) {
    message::Request request;
    request.path = path;
    return request;
  }

  std::filesystem::path place;
  ScriptOptions options;
  io::Loop loop;
  io::Offload offload{loop, 1};
  LoopRunner runner{loop};
  base::TaskSet tasks;

 private:
  std::optional<ScriptFolder> folder_;
};

TEST_F(ScriptFolderTest, WhatWasFoundIsRecalledForTheSamePathAlone) {
  write("a.php");
  EXPECT_EQ(folder().recall(request("/a.php/x")), nullptr);
  const auto found = find(request("/a.php/x"));
  ASSERT_EQ(found.status, 0);
  const auto script = folder().recall(request("/a.php/x"));
  ASSERT_NE(script, nullptr);
  EXPECT_EQ(script->file, "/a.php");
  EXPECT_EQ(script->path_info, "/x");
  EXPECT_EQ(script->root, place.string());
  for (const char* other : {"/a.php", "/a.php/", "/a.php/X", "/b.php", "/", ""}) {
    EXPECT_EQ(folder().recall(request(other)), nullptr) << other;
  }
  message::Request encoded = request("/a.php/x");
  encoded.path_had_encoded_slash = true;
  EXPECT_EQ(folder().recall(encoded), nullptr);
}

TEST_F(ScriptFolderTest, WhatWasNotFoundIsLookedForEachTime) {
  options.fallback = "/index.php";
  write("index.php");
  EXPECT_EQ(find(request("/b.php")).script->file, "/index.php");
  EXPECT_EQ(folder().recall(request("/b.php")), nullptr);
  write("b.php");
  EXPECT_EQ(find(request("/b.php")).script->file, "/b.php");
}

TEST_F(ScriptFolderTest, AScriptThatIsGoneIsBelievedForATimeAndNoLonger) {
  options.believed = std::chrono::milliseconds(300);
  write("a.php");
  ASSERT_EQ(find(request("/a.php")).status, 0);
  std::filesystem::remove(place / "a.php");
  // Being asked for does not make the time longer, by whatever path.
  const base::Instant began = base::monotonic_now();
  while (find(request("/a.php/x")).status == 0 && base::monotonic_now() - began < std::chrono::seconds(5)) {
    const auto script = folder().recall(request("/a.php/x"));
    EXPECT_TRUE(!script || script->path_info == "/x");
  }
  EXPECT_LT(base::monotonic_now() - began, std::chrono::seconds(5));
  EXPECT_EQ(folder().recall(request("/a.php")), nullptr);
  EXPECT_EQ(folder().recall(request("/a.php/x")), nullptr);
  EXPECT_EQ(find(request("/a.php")).status, 404);
}

TEST_F(ScriptFolderTest, LongPathsAreNotKept) {
  write("a.php");
  const std::string path = "/a.php/" + std::string(300, 'x');
  ASSERT_EQ(find(request(path)).status, 0);
  EXPECT_EQ(folder().recall(request(path)), nullptr);
}

TEST_F(ScriptFolderTest, WhoWantsTheFileOpenGetsItEachTime) {
  options.with_file = true;
  write("a.php");
  for (int time = 0; time < 2; ++time) {
    EXPECT_TRUE(find(request("/a.php")).file.valid());
    EXPECT_EQ(folder().recall(request("/a.php")), nullptr);
  }
}

}  // namespace
}  // namespace cutwater::handler

#include "handler/static_files.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <ctime>
#include <filesystem>
#include <fstream>

#include "handler/handler_test_support.h"
#include "handler/mime_types.h"

namespace cutwater::handler {
namespace {

namespace fs = std::filesystem;

class StaticFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "static-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    root_ = folder_ / "root";
    fs::create_directories(root_ / "sub");
    write("root/app.css", "body{}");
    write("root/app.55e7cbb9ba48.css", "hashed");
    write("root/sub/index.html", "<p>index</p>");
    write("root/sub/a b.txt", "space");
    write("secret", "secret");
    reset({"/static/", "", std::nullopt});
  }
  void TearDown() override {
    EXPECT_EQ(files_->active(), 0u);
    files_.reset();
    fs::remove_all(folder_);
  }
  void write(const std::string& name, std::string_view content) { std::ofstream(folder_ / name) << content; }
  void reset(StaticOptions options) {
    base::FileDescriptor root(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    files_ = std::make_unique<StaticFiles>(share(std::move(root)), std::move(options), loop_, offload_, log_);
  }
  std::unique_ptr<TestExchange> get(std::string_view path, std::vector<message::HeaderField> fields = {},
                                    std::string_view method = "GET") {
    auto exchange = std::make_unique<TestExchange>(method, path);
    for (const auto& field : fields) exchange->request.headers.add(field.name, field.value);
    exchange->start(*files_);
    if (!exchange->done) runner_.until([&] { return exchange->done; });
    return exchange;
  }
  uint16_t status(std::string_view path) { return get(path)->writer.status(); }

  fs::path folder_, root_;
  io::Loop loop_;
  io::Offload offload_{loop_, 2};
  NotingLog log_;
  LoopRunner runner_{loop_};
  std::unique_ptr<StaticFiles> files_;
};

TEST_F(StaticFilesTest, AnswersWithTheFile) {
  auto exchange = get("/static/app.css");
  EXPECT_EQ(exchange->writer.status(), 200);
  EXPECT_EQ(exchange->writer.content, "body{}");
  EXPECT_TRUE(exchange->writer.finished);
  EXPECT_EQ(exchange->writer.pieces.size(), 1u);  // one send
  EXPECT_EQ(exchange->writer.content_length, 6u);
  EXPECT_EQ(exchange->writer.header("Content-Type"), "text/css; charset=utf-8");
  EXPECT_EQ(exchange->writer.header("Cache-Control"), "no-cache");
  EXPECT_EQ(exchange->writer.header("Accept-Ranges"), "bytes");
  EXPECT_FALSE(exchange->writer.header("ETag").empty());
  EXPECT_FALSE(exchange->writer.header("Last-Modified").empty());
  EXPECT_EQ(get("/static/sub/a b.txt")->writer.content, "space");
}

TEST_F(StaticFilesTest, RedirectsToTheFolderItself) {
  write("root/index.html", "<p>root");
  reset({"/static/", "index.html", std::nullopt});
  for (const char* method : {"GET", "HEAD"}) {
    const auto exchange = get("/static", {}, method);
    EXPECT_EQ(exchange->writer.status(), 301);
    EXPECT_EQ(exchange->writer.header("Location"), "/static/");
  }
  TestExchange asked("GET", "/static");
  asked.request.query = "a=/b?c";
  asked.start(*files_);
  if (!asked.done) runner_.until([&] { return asked.done; });
  EXPECT_EQ(asked.writer.header("Location"), "/static/?a=/b?c");
  EXPECT_EQ(get("/static/")->writer.content, "<p>root");
  reset({"/", "index.html", std::nullopt});
  EXPECT_EQ(get("/")->writer.content, "<p>root");
  reset({"/static/", "", std::nullopt});
  EXPECT_EQ(status("/static"), 404);
}

TEST_F(StaticFilesTest, HashedNamesAreImmutable) {
  EXPECT_EQ(get("/static/app.55e7cbb9ba48.css")->writer.header("Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_TRUE(has_hashed_name("js/index-4f9a8c7d.js"));
  EXPECT_FALSE(has_hashed_name("report-20240101.pdf"));
  EXPECT_FALSE(has_hashed_name("deadbeef.css.map.deadbeef"));
  EXPECT_FALSE(has_hashed_name("a1b2c3d4"));
  reset({"/static/", "", std::chrono::hours(1)});
  EXPECT_EQ(get("/static/app.css")->writer.header("Cache-Control"), "public, max-age=3600");
}

TEST_F(StaticFilesTest, HeadHasNoBodyAndOtherMethodsAreRefused) {
  auto head = get("/static/app.css", {}, "HEAD");
  EXPECT_EQ(head->writer.status(), 200);
  EXPECT_EQ(head->writer.content_length, 6u);
  EXPECT_EQ(head->writer.content, "");
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get"}) {
    auto refused = get("/static/app.css", {}, method);
    EXPECT_EQ(refused->writer.status(), 405);
    EXPECT_EQ(refused->writer.header("Allow"), "GET, HEAD");
  }
}

TEST_F(StaticFilesTest, ConditionalRequests) {
  auto first = get("/static/app.css");
  const std::string etag = first->writer.header("ETag");
  const std::string date = first->writer.header("Last-Modified");
  auto unchanged = get("/static/app.css", {{"If-None-Match", etag}});
  EXPECT_EQ(unchanged->writer.status(), 304);
  EXPECT_EQ(unchanged->writer.header("ETag"), etag);
  EXPECT_EQ(unchanged->writer.content, "");
  EXPECT_EQ(get("/static/app.css", {{"If-Modified-Since", date}})->writer.status(), 304);
  EXPECT_EQ(get("/static/app.css", {{"If-None-Match", "\"other\""}})->writer.status(), 200);
  EXPECT_EQ(get("/static/app.css", {{"If-Match", "\"other\""}})->writer.status(), 412);
}

// As if it had not been changed for long.
void age(const fs::path& path) {
  fs::last_write_time(path, fs::last_write_time(path) - std::chrono::hours(1));
}

TEST_F(StaticFilesTest, TheTagOfWhatWasChangedJustNowIsWeak) {
  const std::string weak = get("/static/app.css")->writer.header("ETag");
  EXPECT_TRUE(weak.starts_with("W/\"")) << weak;
  EXPECT_EQ(get("/static/app.css", {{"If-None-Match", weak}})->writer.status(), 304);
  EXPECT_EQ(get("/static/app.css", {{"If-Match", weak}})->writer.status(), 412);
  EXPECT_EQ(get("/static/app.css", {{"Range", "bytes=1-3"}, {"If-Range", weak}})->writer.status(), 200);
  age(root_ / "app.css");
  const std::string strong = get("/static/app.css")->writer.header("ETag");
  EXPECT_TRUE(strong.starts_with("\"")) << strong;
  EXPECT_EQ(get("/static/app.css", {{"If-Match", strong}})->writer.status(), 200);
  EXPECT_EQ(get("/static/app.css", {{"Range", "bytes=1-3"}, {"If-Range", strong}})->writer.status(), 206);
}

TEST_F(StaticFilesTest, AFileWrittenOverHasAnotherTagAtOnce) {
  for (const size_t size : {size_t{100}, size_t{5000}}) {
    const std::string name = std::to_string(size);
    write("root/" + name, std::string(size, 'a'));
    age(root_ / name);
    const auto before = get("/static/" + name);
    EXPECT_EQ(before->writer.content, std::string(size, 'a'));
    const auto time = fs::last_write_time(root_ / name);
    std::fstream(root_ / name, std::ios::in | std::ios::out) << std::string(size, 'b');
    fs::last_write_time(root_ / name, time);  // as cp -p does
    const auto after = get("/static/" + name);
    EXPECT_EQ(before->writer.header("ETag") == after->writer.header("ETag"),
              before->writer.content == after->writer.content);
  }
}

TEST_F(StaticFilesTest, SingleRanges) {
  auto part = get("/static/app.css", {{"Range", "bytes=1-3"}});
  EXPECT_EQ(part->writer.status(), 206);
  EXPECT_EQ(part->writer.content, "ody");
  EXPECT_EQ(part->writer.header("Content-Range"), "bytes 1-3/6");
  EXPECT_EQ(part->writer.content_length, 3u);
  EXPECT_EQ(part->writer.header("Content-Type"), "text/css; charset=utf-8");
  EXPECT_EQ(get("/static/app.css", {{"Range", "bytes=-2"}})->writer.content, "{}");
  auto outside = get("/static/app.css", {{"Range", "bytes=6-"}});
  EXPECT_EQ(outside->writer.status(), 416);
  EXPECT_EQ(outside->writer.header("Content-Range"), "bytes */6");
  EXPECT_EQ(get("/static/app.css", {{"Range", "bytes=5-1"}})->writer.status(), 200);
  EXPECT_EQ(get("/static/app.css", {{"Range", "bytes=0-0,2-2"}})->writer.status(), 200);
  EXPECT_EQ(get("/static/app.css", {{"Range", "bytes=1-3"}, {"If-Range", "\"old\""}})->writer.status(), 200);
}

TEST_F(StaticFilesTest, WhatIsNoPlainVisibleFileIs404) {
  write("root/.env", "x");
  write("root/views.py", "x");
  write("root/views.PYC", "x");
  write("root/app.css~", "x");
  fs::create_directories(root_ / ".git");
  write("root/.git/config", "x");
  fs::create_directories(root_ / ".well-known");
  write("root/.well-known/security.txt", "x");
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0644), 0);
  base::FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  (root_ / "socket").string().copy(name.sun_path, sizeof name.sun_path - 1);
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  for (const char* path : {"/static/.env", "/static/views.py", "/static/views.PYC", "/static/app.css~",
                           "/static/.git/config", "/static/fifo", "/static/socket", "/static/sub", "/static/sub/",
                           "/static/", "/static", "/static/none", "/static/app.css/", "/static/app.css/x"}) {
    EXPECT_EQ(status(path), 404) << path;
  }
  EXPECT_EQ(status("/static/.well-known/security.txt"), 200);
}

TEST_F(StaticFilesTest, EncodedSlashesAre404) {
  TestExchange exchange("GET", "/static/sub/index.html");
  exchange.request.path_had_encoded_slash = true;
  exchange.start(*files_);
  EXPECT_EQ(exchange.writer.status(), 404);
}

TEST_F(StaticFilesTest, LinksStayBelowTheRoot) {
  fs::create_symlink("../secret", root_ / "out.txt");
  fs::create_symlink(folder_ / "secret", root_ / "absolute.txt");
  fs::create_symlink("..", root_ / "up");
  fs::create_symlink("/proc/self/fd", root_ / "magic");
  fs::create_symlink("app.css", root_ / "inside.css");
  fs::create_symlink("loop", root_ / "loop");
  for (const char* path : {"/static/out.txt", "/static/absolute.txt", "/static/up/secret", "/static/magic/0",
                           "/static/loop", "/static/../secret", "/static/sub/../../secret"}) {
    EXPECT_EQ(status(path), 404) << path;
  }
  EXPECT_EQ(get("/static/inside.css")->writer.content, "body{}");
}

TEST_F(StaticFilesTest, FoldersWithAnIndex) {
  reset({"/static/", "index.html", std::nullopt});
  EXPECT_EQ(get("/static/sub/")->writer.content, "<p>index</p>");
  auto redirect = get("/static/sub");
  EXPECT_EQ(redirect->writer.status(), 301);
  EXPECT_EQ(redirect->writer.header("Location"), "/static/sub/");
  EXPECT_EQ(status("/static/"), 404);
  fs::create_directories(root_ / "a\r\nSet-Cookie: x");
  TestExchange odd("GET", "/static/a\r\nSet-Cookie: x");
  odd.request.query = "q=1";
  odd.start(*files_);
  if (!odd.done) runner_.until([&] { return odd.done; });
  EXPECT_EQ(odd.writer.header("Location"), "/static/a%0D%0ASet-Cookie%3A%20x/?q=1");
}

TEST_F(StaticFilesTest, UnreadableFilesAre403AndLoggedOnce) {
  write("root/closed.txt", "x");
  ASSERT_EQ(chmod((root_ / "closed.txt").c_str(), 0), 0);
  chmod(folder_.c_str(), 0755);
  const bool was_root = geteuid() == 0;
  if (was_root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  const uint16_t first = status("/static/closed.txt");
  const uint16_t second = status("/static/closed.txt");
  if (was_root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  EXPECT_EQ(first, 403);
  EXPECT_EQ(second, 403);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_NE(log_.lines[0].find("CW0401"), std::string::npos);
  EXPECT_NE(log_.lines[0].find("root/closed.txt"), std::string::npos);
}

TEST_F(StaticFilesTest, ReplacedFilesAreSeenAfterASecondAndOldOnesStreamOn) {
  write("root/page.txt", "old");
  EXPECT_EQ(get("/static/page.txt")->writer.content, "old");
  TestExchange slow("GET", "/static/page.txt");
  slow.writer.held = true;
  slow.start(*files_);
  fs::remove(root_ / "page.txt");
  write("root/page.txt", "newer");
  EXPECT_EQ(get("/static/page.txt")->writer.status(), 200);
  EXPECT_EQ(files_->active(), 1u);
  slow.writer.release();
  EXPECT_TRUE(slow.done);
  runner_.turns(std::chrono::milliseconds(1050));
  auto later = get("/static/page.txt");
  EXPECT_EQ(later->writer.content, "newer");
  EXPECT_EQ(later->writer.content_length, 5u);
  fs::remove(root_ / "page.txt");
  runner_.turns(std::chrono::milliseconds(1050));
  EXPECT_EQ(status("/static/page.txt"), 404);
}

TEST_F(StaticFilesTest, LargeFilesGoBySendfileAndEmptyOnesByTheHead) {
  const std::string content(300'000, 'x');
  write("root/large.bin", content);
  write("root/empty.txt", "");
  auto large = get("/static/large.bin");
  EXPECT_EQ(large->writer.content, content);
  EXPECT_GE(large->writer.file_writes, 1);
  EXPECT_EQ(large->writer.header("Content-Type"), "application/octet-stream");
  auto empty = get("/static/empty.txt");
  EXPECT_EQ(empty->writer.status(), 200);
  EXPECT_EQ(empty->writer.content_length, 0u);
  EXPECT_TRUE(empty->writer.finished);
}

TEST_F(StaticFilesTest, TruncatedFileIsCutNotPadded) {
  write("root/shrinks.bin", std::string(300'000, 'x'));
  TestExchange cut("GET", "/static/shrinks.bin");
  cut.writer.held = true;
  cut.start(*files_);
  if (!cut.writer.waits()) runner_.until([&] { return cut.writer.waits(); });  // the head is on its way
  fs::resize_file(root_ / "shrinks.bin", 100);
  cut.writer.release();
  if (!cut.done) runner_.until([&] { return cut.done; });
  EXPECT_EQ(cut.writer.content_length, 300'000u);
  EXPECT_LT(cut.writer.content.size(), 300'000u);
  EXPECT_TRUE(cut.writer.aborted);
}

TEST_F(StaticFilesTest, SettledSmallFilesAreKeptAndAChangeIsSeen) {
  write("root/small.txt", "first");
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(root_ / "small.txt", long_ago);
  EXPECT_EQ(get("/static/small.txt")->writer.content, "first");
  EXPECT_EQ(get("/static/small.txt")->writer.content, "first");
  write("root/small.txt", "again");  // in place, of the same length
  runner_.turns(std::chrono::milliseconds(1050));
  EXPECT_EQ(get("/static/small.txt")->writer.content, "again");
  write("root/small.txt", "third");  // touched just now: not kept, so seen at once
  EXPECT_EQ(get("/static/small.txt")->writer.content, "third");
}

TEST(OpenFile, WasNeverChangedLaterThanNow) {
  FileIdentity identity;
  identity.modified_seconds = 2'000'000'000;
  EXPECT_EQ(OpenFile({}, identity, 784'111'777, "a", "").last_modified(), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(OpenFile({}, identity, 2'000'000'001, "a", "").last_modified(), "Wed, 18 May 2033 03:33:20 GMT");
}

TEST(OpenFile, KeepsOnlyWhatIsSmallAndSettled) {
  const std::string path = testing::TempDir() + "open-file-content";
  auto opened = [&](size_t size) {
    std::ofstream(path) << std::string(size, 'x');
    base::FileDescriptor descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status;
    EXPECT_EQ(fstat(descriptor.get(), &status), 0);
    return FileReference(
        new OpenFile(std::move(descriptor), FileIdentity::of(status), std::time(nullptr) + 60, "a", ""));
  };
  const auto small = opened(4096);
  const int64_t modified = small->identity().modified_seconds;
  EXPECT_EQ(small->content(modified + 2), "");
  EXPECT_EQ(small->content(modified - 1000), "");  // its time lies in the future
  EXPECT_EQ(small->content(modified + 3).size(), 4096u);
  EXPECT_EQ(opened(4097)->content(modified + 1000), "");
  const auto grown = opened(100);
  std::ofstream(path, std::ios::app) << "more";
  EXPECT_EQ(grown->content(modified + 1000), "");
  fs::remove(path);
}

TEST(OpenFileCache, KeepsTheMostRecentlyUsed) {
  OpenFileCache cache(2);
  base::Instant now{1};
  auto file = [] { return FileReference(new OpenFile({}, {}, 60, "a", "")); };
  cache.put("a", file(), now);
  cache.put("b", file(), now);
  EXPECT_TRUE(cache.find("a", now).fresh);
  cache.put("c", file(), now);
  EXPECT_FALSE(cache.find("b", now).file);
  EXPECT_TRUE(cache.find("a", now).file);
  EXPECT_FALSE(cache.find("a", now + std::chrono::seconds(1)).fresh);
  cache.confirm("a", now + std::chrono::seconds(1));
  EXPECT_TRUE(cache.find("a", now + std::chrono::seconds(1)).fresh);
  cache.remove("a");
  cache.remove("a");
  EXPECT_EQ(cache.size(), 1u);
}

// How many files that were deleted this process still has open.
size_t open_though_deleted() {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const fs::path target = fs::read_symlink(entry.path(), gone);
    if (!gone && target.native().ends_with("(deleted)")) ++count;
  }
  return count;
}

TEST_F(StaticFilesTest, ClosesWhatNobodyAsksFor) {
  const size_t before = open_though_deleted();
  write("root/kept.txt", "kept");
  write("root/left.txt", "left");
  EXPECT_EQ(status("/static/kept.txt"), 200);
  EXPECT_EQ(status("/static/left.txt"), 200);
  fs::remove(root_ / "left.txt");
  EXPECT_EQ(open_though_deleted(), before + 1);
  const auto ten_seconds_pass = [this] { loop_.timers().fire_due(base::monotonic_now() + std::chrono::seconds(11)); };
  ten_seconds_pass();  // both were asked for since
  EXPECT_EQ(open_though_deleted(), before + 1);
  EXPECT_EQ(status("/static/kept.txt"), 200);
  ten_seconds_pass();
  EXPECT_EQ(open_though_deleted(), before);
  fs::remove(root_ / "kept.txt");
  EXPECT_EQ(open_though_deleted(), before + 1);
  ten_seconds_pass();
  EXPECT_EQ(open_though_deleted(), before);
  EXPECT_EQ(loop_.timers().next(), base::kNever);  // nothing is open: nobody looks any more
}

TEST(MimeTypes, ByEnding) {
  EXPECT_EQ(content_type_of("a/b.HTML"), "text/html; charset=utf-8");
  EXPECT_EQ(content_type_of("app.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(content_type_of("x.woff2"), "font/woff2");
  EXPECT_EQ(content_type_of("archive.tar.gz"), "application/gzip");
  EXPECT_EQ(content_type_of("noending"), "application/octet-stream");
  EXPECT_EQ(content_type_of("a."), "application/octet-stream");
  EXPECT_EQ(content_type_of("a.averyveryverylongending"), "application/octet-stream");
}

}  // namespace
}  // namespace cutwater::handler

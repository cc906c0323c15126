// X-Accel-Redirect and X-Sendfile: what the client gets, and what nobody gets (faults.md 46).
#include "handler/named_files.h"

#include <fcntl.h>

#include <filesystem>
#include <fstream>

#include "handler/handler_test_support.h"
#include "handler/kept_head.h"

namespace cutwater::handler {
namespace {

namespace fs = std::filesystem;

class NamedFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "named-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const char* each : {"media/a", "media/inner", "private"}) fs::create_directories(folder_ / each);
    write("media/a/b c.txt", "0123456789");
    write("media/100%25.txt", "raw");
    write("media/inner/x", "by the outer");
    write("private/x", "private");
    write("secret", "secret");
    fs::create_symlink("../secret", folder_ / "media/link");
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "media")) {
      if (!entry.is_regular_file() || entry.is_symlink()) continue;
      fs::last_write_time(entry, entry.last_write_time() - std::chrono::hours(1));  // for a strong ETag
    }
    std::vector<NamedFolder> folders;
    folders.push_back({"/protected/", folder_ / "media", opened("media")});
    folders.push_back({"/protected/inner/", folder_ / "private", opened("private")});
    files_ = std::make_unique<NamedFiles>("app web", std::move(folders), loop_, offload_, log_);
  }
  void TearDown() override {
    files_.reset();
    fs::remove_all(folder_);
  }
  void write(const std::string& name, std::string_view content) { std::ofstream(folder_ / name) << content; }
  SharedFolder opened(const std::string& name) const {
    return share(base::FileDescriptor(open((folder_ / name).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
  }

  class Asking final : public message::Handler {
   public:
    Asking(NamedFiles& files, const message::Response& head) : files_(files), head_(head) {}
    base::Task<void> handle(message::Exchange& exchange) override { return files_.answer(exchange, head_); }

   private:
    NamedFiles& files_;
    const message::Response& head_;
  };
  std::unique_ptr<TestExchange> ask(std::vector<message::HeaderField> said,
                                    std::vector<message::HeaderField> asked = {}, std::string_view method = "GET",
                                    uint16_t status = 200) {
    message::Response head;
    head.status = status;
    for (const auto& field : said) head.headers.add(field.name, field.value);
    EXPECT_TRUE(names_a_file(head));
    Asking asking(*files_, head);
    auto exchange = std::make_unique<TestExchange>(method, "/view");
    for (const auto& field : asked) exchange->request.headers.add(field.name, field.value);
    exchange->start(asking);
    if (!exchange->done) runner_.until([&] { return exchange->done; });
    return exchange;
  }
  std::string by_url(const std::string& target) {
    auto exchange = ask({{"X-Accel-Redirect", target}});
    return exchange->writer.status() == 200 ? exchange->writer.content : std::to_string(exchange->writer.status());
  }
  std::string by_path(const std::string& target) {
    auto exchange = ask({{"x-sendfile", target}});
    return exchange->writer.status() == 200 ? exchange->writer.content : std::to_string(exchange->writer.status());
  }

  fs::path folder_;
  io::Loop loop_;
  io::Offload offload_{loop_, 1};
  NotingLog log_;
  LoopRunner runner_{loop_};
  std::unique_ptr<NamedFiles> files_;
};

constexpr const char* kUrl = "/protected/a/b%20c.txt";

TEST_F(NamedFilesTest, TheFileWithWhatElseTheAnswerSays) {
  auto exchange = ask({{"Content-Type", "application/pdf"},
                       {"X-Accel-Redirect", kUrl},
                       {"X-Sendfile", "/etc/passwd"},
                       {"Set-Cookie", "a=1"},
                       {"Set-Cookie", "b=2"},
                       {"Cache-Control", "private"},
                       {"Content-Range", "bytes 0-0/1"},
                       {"Accept-Ranges", "none"}});
  const NotingWriter& got = exchange->writer;
  EXPECT_EQ(got.status(), 200);
  EXPECT_EQ(got.content, "0123456789");
  EXPECT_EQ(got.content_length, 10u);
  EXPECT_TRUE(got.finished);
  EXPECT_EQ(got.header("Content-Type"), "application/pdf");
  EXPECT_EQ(got.header("Cache-Control"), "private");
  EXPECT_EQ(got.header("Accept-Ranges"), "bytes");
  EXPECT_NE(got.header("ETag"), "");
  EXPECT_NE(got.header("Last-Modified"), "");
  EXPECT_EQ(got.headers.count("Set-Cookie"), 1u);
  for (const char* name : {"X-Accel-Redirect", "X-Sendfile", "Content-Range"}) EXPECT_EQ(got.header(name), "") << name;
}

TEST_F(NamedFilesTest, TypeAndNothingElseComesFromTheName) {
  auto exchange = ask({{"X-Accel-Redirect", kUrl}});
  EXPECT_EQ(exchange->writer.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(exchange->writer.header("Cache-Control"), "");
}

TEST_F(NamedFilesTest, WhatIsFound) {
  EXPECT_EQ(by_url("/protected/a/b%20c.txt?query"), "0123456789");
  EXPECT_EQ(by_url("/protected//a/./b c.txt"), "0123456789");
  EXPECT_EQ(by_url("/protected/100%2525.txt"), "raw");
  EXPECT_EQ(by_url("/protected/inner/x"), "private");
  EXPECT_EQ(by_path((folder_ / "media/100%25.txt").string()), "raw");
  EXPECT_EQ(by_path((folder_ / "media/inner/x").string()), "by the outer");
  EXPECT_EQ(by_path((folder_ / "media//a/b c.txt").string()), "0123456789");
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(NamedFilesTest, WhatLiesOutsideOrIsNotThere) {
  for (const char* url :
       {"/secret", "/protected", "/protected/", "/protected/a", "/protected/../secret", "/protected/%2e%2e/secret",
        "/protected/a%2fb%20c.txt", "/protected/a/b", "/protected/link", "/protectedness/x", "protected/a", "",
        "@named", "http://127.0.0.1/protected/a/b%20c.txt", "/protected/%zz", "/protected/%00"}) {
    EXPECT_EQ(by_url(url), "404") << url;
  }
  for (const std::string path : {"/media/../secret", "/secret", "/media", "/media/", "/mediax", "/media/link",
                                 "/media/a/../../secret", "/media/a"}) {
    EXPECT_EQ(by_path(folder_.string() + path), "404") << path;
  }
  EXPECT_EQ(by_path("a/b c.txt"), "404");
  EXPECT_EQ(by_path("/etc/passwd"), "404");
  ASSERT_FALSE(log_.lines.empty());
  EXPECT_TRUE(log_.lines.front().starts_with("CW0515 app web: the answer to GET /view names the file /secret, "));
}

TEST_F(NamedFilesTest, ConditionsAndRanges) {
  const std::string etag = ask({{"X-Accel-Redirect", kUrl}})->writer.header("ETag");
  auto same = ask({{"X-Accel-Redirect", kUrl}, {"Content-Type", "x/y"}, {"Content-Language", "de"}, {"Vary", "Cookie"}},
                  {{"If-None-Match", etag}});
  EXPECT_EQ(same->writer.status(), 304);
  EXPECT_EQ(same->writer.content, "");
  EXPECT_EQ(same->writer.header("Vary"), "Cookie");
  EXPECT_EQ(same->writer.header("ETag"), etag);
  EXPECT_EQ(same->writer.header("Content-Type") + same->writer.header("Content-Language"), "");
  EXPECT_FALSE(same->writer.content_length.has_value());
  EXPECT_EQ(ask({{"X-Accel-Redirect", kUrl}}, {{"If-Match", "\"other\""}})->writer.status(), 412);

  auto part = ask({{"X-Accel-Redirect", kUrl}}, {{"Range", "bytes=2-4"}, {"If-Range", etag}});
  EXPECT_EQ(part->writer.status(), 206);
  EXPECT_EQ(part->writer.content, "234");
  EXPECT_EQ(part->writer.header("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(part->writer.content_length, 3u);
  auto outside = ask({{"X-Accel-Redirect", kUrl}}, {{"Range", "bytes=10-"}});
  EXPECT_EQ(outside->writer.status(), 416);
  EXPECT_EQ(outside->writer.header("Content-Range"), "bytes */10");

  auto head = ask({{"X-Accel-Redirect", kUrl}}, {}, "HEAD");
  EXPECT_EQ(head->writer.content_length, 10u);
  EXPECT_EQ(head->writer.content, "");
}

TEST_F(NamedFilesTest, ItsOwnValidatorsWin) {
  const std::vector<message::HeaderField> said = {
      {"X-Accel-Redirect", kUrl}, {"ETag", "\"mine\""}, {"Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"}};
  auto whole = ask(said);
  EXPECT_EQ(whole->writer.header("ETag"), "\"mine\"");
  EXPECT_EQ(whole->writer.header("Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(ask(said, {{"If-None-Match", "\"mine\""}})->writer.status(), 304);
  EXPECT_EQ(ask(said, {{"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}})->writer.status(), 304);
  EXPECT_EQ(ask(said, {{"If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"}})->writer.status(), 200);
}

TEST_F(NamedFilesTest, OtherMethodsAndStatusesGetItWhole) {
  const std::vector<message::HeaderField> asked = {{"Range", "bytes=0-0"}, {"If-None-Match", "*"}};
  auto posted = ask({{"X-Accel-Redirect", kUrl}}, asked, "POST");
  EXPECT_EQ(posted->writer.status(), 200);
  EXPECT_EQ(posted->writer.content, "0123456789");
  auto refused = ask({{"X-Accel-Redirect", kUrl}}, asked, "GET", 403);
  EXPECT_EQ(refused->writer.status(), 403);
  EXPECT_EQ(refused->writer.content, "0123456789");
  message::Response none;
  none.status = 304;
  none.headers.add("X-Accel-Redirect", kUrl);
  EXPECT_FALSE(names_a_file(none));
}

TEST_F(NamedFilesTest, LargeFilesToo) {
  const std::string content(3 << 20, 'x');
  write("media/large", content);
  EXPECT_TRUE(by_url("/protected/large") == content);
}

TEST(KeptHead, LivesByItself) {
  ResponseHeadPool::Pointer kept;
  {
    const std::string name = "X-Name", value(100, 'v'), reason = "Fine";
    message::Response response;
    response.status = 203;
    response.reason = reason;
    response.content_length = 7;
    response.headers.add(name, value);
    kept = copy_head(response);
  }
  EXPECT_EQ(kept->response.status, 203);
  EXPECT_EQ(kept->response.reason, "Fine");
  EXPECT_EQ(kept->response.content_length, 7u);
  EXPECT_EQ(kept->response.headers.get("x-name"), std::string(100, 'v'));
}

}  // namespace
}  // namespace cutwater::handler

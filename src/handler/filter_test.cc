// Files that go through a FastCGI program in the filter role (specification section 6.4).
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "handler/gateway_test_support.h"
#include "handler/static_files.h"

namespace cutwater::handler {
namespace {

// Answers a request once it has had all its data; or at once.
class FakeFilter final : public FakeProgram {
 public:
  FakeFilter(io::Loop& loop, base::LogSink& log) : FakeProgram(loop, log) { output = "\nfiltered"; }
  std::string input, data, order;
  bool answers_at_once = false;

 private:
  bool take(const Event& event) override {
    switch (event.kind) {
      case Event::kRequest:
        return answers_at_once;
      case Event::kStdin:
        input += event.piece;
        return false;
      case Event::kStdinEnd:
        order += "stdin ";
        return false;
      case Event::kData:
        data += event.piece;
        return dies;
      default:
        order += "data";
        return true;
    }
  }
};

struct FilterTest : GatewayTest {
  FilterTest() {
    options.protocol = GatewayProtocol::kFastcgi;
    options.role = codec::fastcgi::Role::kFilter;
    options.buffer = true;
    peer_options.keepalive = 0;
    add_peer(program.address);
    std::string name = testing::TempDir() + "filter-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    folder = name;
    files = std::make_unique<StaticFiles>(
        share(base::FileDescriptor(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))),
        StaticOptions{"/", "", std::nullopt, {}}, loop, offload, log);
    files->filter_with(gateway());
  }
  ~FilterTest() override { std::filesystem::remove_all(folder); }
  void write(std::string_view content, const std::string& name = "page.txt") {
    std::ofstream(folder / name) << content;
  }
  void answer(TestExchange& exchange) {
    exchange.start(*files);
    runner.until([&] { return exchange.done; });
  }
  int status_of_page() {
    TestExchange exchange("GET", "/page.txt");
    answer(exchange);
    return exchange.writer.status();
  }
  // Found as it is, and written over before the program could be asked.
  int status_of_page_written_over(std::string_view content) {
    TestExchange exchange("GET", "/page.txt");
    exchange.start(*files);
    write(content);
    runner.until([&] { return exchange.done; });
    return exchange.writer.status();
  }

  FakeFilter program{loop, log};
  std::filesystem::path folder;
  std::unique_ptr<StaticFiles> files;
};

TEST_F(FilterTest, GetsTheFileAndAnswers) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{65'535}, size_t{65'536}, size_t{1'000'000}}) {
    const std::string content(size, 'f');
    const std::string name = "page" + std::to_string(size);
    write(content, name);
    program.data = program.order = "";
    program.variables.clear();
    TestExchange exchange("GET", "/" + name);
    exchange.request.headers.add("If-None-Match", "*");
    exchange.request.headers.add("Range", "bytes=0-0");
    answer(exchange);
    EXPECT_EQ(exchange.writer.status(), 200);
    EXPECT_EQ(exchange.writer.content, "filtered");
    EXPECT_EQ(exchange.writer.header("ETag"), "");
    EXPECT_TRUE(program.data == content);
    EXPECT_EQ(program.order, "stdin data");
    EXPECT_EQ(program.role, codec::fastcgi::Role::kFilter);
    EXPECT_EQ(program.variables["FCGI_DATA_LENGTH"], std::to_string(size));
    struct stat status;
    ASSERT_EQ(stat((folder / name).c_str(), &status), 0);
    EXPECT_EQ(program.variables["FCGI_DATA_LAST_MOD"], std::to_string(status.st_mtim.tv_sec));
    EXPECT_EQ(program.variables["HTTP_RANGE"], "bytes=0-0");
  }
}

TEST_F(FilterTest, TheBodyComesFirst) {
  write("file");
  TestExchange exchange("POST", "/page.txt");
  exchange.with_body({"he", "llo"});
  answer(exchange);
  EXPECT_EQ(exchange.writer.content, "filtered");
  EXPECT_EQ(program.input, "hello");
  EXPECT_EQ(program.data, "file");
  EXPECT_EQ(program.variables["CONTENT_LENGTH"], "5");
}

TEST_F(FilterTest, OnlyWhatIsThereGoesThere) {
  write("file");
  for (const char* path : {"/other.txt", "/", "/.hidden"}) {
    TestExchange exchange("GET", path);
    answer(exchange);
    EXPECT_EQ(exchange.writer.status(), 404) << path;
  }
  TestExchange exchange("PUT", "/page.txt");
  answer(exchange);
  EXPECT_EQ(exchange.writer.status(), 405);
  EXPECT_EQ(exchange.writer.header("Allow"), "GET, HEAD, POST");
  EXPECT_EQ(program.order, "");
}

TEST_F(FilterTest, AnAnswerBeforeTheDataWasRead) {
  write(std::string(8 << 20, 'f'));
  program.answers_at_once = true;
  TestExchange exchange("GET", "/page.txt");
  answer(exchange);
  EXPECT_EQ(exchange.writer.status(), 200);
  EXPECT_EQ(exchange.writer.content, "filtered");
}

TEST_F(FilterTest, AFileThatBecameShorterIsNotPadded) {
  write("a long file");
  EXPECT_EQ(status_of_page_written_over("short"), 502);
  EXPECT_TRUE(logged("CW0609"));
  EXPECT_FALSE(logged("CW0604"));
}

TEST_F(FilterTest, AFileThatGrewIsSentAsItWasAnnounced) {
  write("file");
  EXPECT_EQ(status_of_page_written_over("file and more"), 200);
  EXPECT_EQ(program.data, "file");
}

TEST_F(FilterTest, OneThatDies) {
  write(std::string(1 << 20, 'f'));
  program.dies = true;
  EXPECT_EQ(status_of_page(), 502);
  EXPECT_TRUE(logged("CW0604"));
}

}  // namespace
}  // namespace cutwater::handler

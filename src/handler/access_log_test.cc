#include "handler/access_log.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

const LogTime kTime{"10/Oct/2026:13:55:36 +0200", "2026-10-10T11:55:36Z"};

message::Request browser_request() {
  message::Request request;
  request.method = "GET";
  request.raw_target = "/a?b=%22";
  request.authority = "example.com";
  request.scheme = "https";
  request.remote_address = "192.0.2.1";
  request.headers.add("User-Agent", "Mozilla/5.0");
  request.headers.add("Referer", "https://example.com/");
  return request;
}

serve::ExchangeObserver::Summary summary(uint16_t status, uint64_t bytes, const char* refused = nullptr) {
  return {status, bytes, {}, false, refused, 0x2a};
}

std::string combined(const message::Request& request, const serve::ExchangeObserver::Summary& summary) {
  std::string line;
  append_combined(line, kTime, {request, "10.0.0.1", summary});
  return line;
}
std::string json(const message::Request& request, const serve::ExchangeObserver::Summary& summary) {
  std::string line;
  append_json(line, kTime, {request, "10.0.0.1", summary, std::chrono::microseconds(1234)});
  return line;
}

TEST(AccessLogLine, CombinedIsApaches) {
  EXPECT_EQ(combined(browser_request(), summary(200, 2326)),
            "192.0.2.1 - - [10/Oct/2026:13:55:36 +0200] \"GET /a?b=%22 HTTP/1.1\" 200 2326 "
            "\"https://example.com/\" \"Mozilla/5.0\"\n");
  message::Request bare = browser_request();
  bare.headers.clear();
  bare.version_minor = 0;
  EXPECT_EQ(combined(bare, summary(304, 0)),
            "192.0.2.1 - - [10/Oct/2026:13:55:36 +0200] \"GET /a?b=%22 HTTP/1.0\" 304 - \"-\" \"-\"\n");
}

TEST(AccessLogLine, RefusedHeadsAndLeavers) {
  message::Request none;
  EXPECT_EQ(combined(none, summary(400, 150, "bare LF")),
            "10.0.0.1 - - [10/Oct/2026:13:55:36 +0200] \"-\" 400 150 \"-\" \"-\"\n");
  EXPECT_NE(combined(browser_request(), summary(0, 0)).find("\" 499 - "), std::string::npos);
  auto parsed = nlohmann::json::parse(json(none, summary(400, 150, "bare LF")));
  EXPECT_EQ(parsed["refused"], "bare LF");
  EXPECT_EQ(parsed["remote"], "10.0.0.1");
  EXPECT_FALSE(parsed.contains("method"));
}

TEST(AccessLogLine, NothingBreaksOutOfItsLine) {
  message::Request request = browser_request();
  request.headers.clear();
  request.headers.add("User-Agent", "a\"b\\c\x1b[2J\r\nGET /forged\x7f\xff\xc3\xa9");
  std::string line = combined(request, summary(200, 1));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_NE(line.find("\"a\\x22b\\x5cc\\x1b[2J\\x0d\\x0aGET /forged\\x7f\\xff\xc3\xa9\"\n"), std::string::npos) << line;
  line = json(request, summary(200, 1));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["agent"], "a\"b\\c\x1b[2J\r\nGET /forged\x7f\xc3\xbf\xc3\xa9");
}

TEST(AccessLogLine, Json) {
  EXPECT_EQ(json(browser_request(), summary(200, 5)),
            "{\"time\":\"2026-10-10T11:55:36Z\",\"id\":\"0000002a\",\"remote\":\"192.0.2.1\",\"peer\":\"10.0.0.1\","
            "\"method\":\"GET\",\"target\":\"/a?b=%22\",\"protocol\":\"HTTP/"
            "1.1\",\"host\":\"example.com\",\"scheme\":\"https\","
            "\"status\":200,\"bytes\":5,\"ms\":1.234,\"referer\":\"https://example.com/\","
            "\"agent\":\"Mozilla/5.0\"}\n");
}

TEST(AccessLogLine, JsonStringsAreAlwaysUtf8) {
  for (const char* raw :
       {"\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x98", "\x80", "\xfe"}) {
    std::string text;
    append_json_string(text, raw);
    EXPECT_TRUE(nlohmann::json::accept(text)) << text;
    EXPECT_NE(text.find("\\u00"), std::string::npos);
  }
  std::string text;
  append_json_string(text, "\xf0\x9f\x98\x80 \xe2\x82\xac");
  EXPECT_EQ(text, "\"\xf0\x9f\x98\x80 \xe2\x82\xac\"");
}

TEST(AccessLogLine, JsonStringsSteerNoTerminalAndEndNoLine) {
  std::string text;
  append_json_string(text,
                     "\x1b[31m \xc2\x9b"
                     "31m \xc2\x85 \xe2\x80\xa8 \xe2\x80\xa9 \xe2\x80\xae \xe2\x81\xa6 \xc2\xa0");
  EXPECT_EQ(text, "\"\\u001b[31m \\u009b31m \\u0085 \\u2028 \\u2029 \\u202e \\u2066 \xc2\xa0\"");
  EXPECT_TRUE(nlohmann::json::accept(text)) << text;
}

TEST(AccessLogLine, LongFieldsAreCutWhereLinesMustBeShort) {
  message::Request request = browser_request();
  request.headers.clear();
  const std::string long_name(12'000, 'u');
  request.headers.add("User-Agent", long_name);
  std::string line;
  append_line(line, LogFormat::kCombined, kTime, {request, "10.0.0.1", summary(200, 5)}, 4096);
  EXPECT_TRUE(line.size() > 3500 && line.size() <= 4096 && line.ends_with("uuu...\"\n")) << line;
  for (const char* byte : {"\"", "\xff", "\xf0\x9f\x98\x80"}) {
    std::string text;
    while (text.size() < 8000) text += byte;
    request.method = request.raw_target = request.authority = text;
    request.headers.clear();
    request.headers.add("Referer", text);
    request.headers.add("User-Agent", text);
    for (const auto format : {LogFormat::kCombined, LogFormat::kJson}) {
      line.clear();
      append_line(line, format, kTime, {request, "10.0.0.1", summary(200, 5)}, 4096);
      EXPECT_LE(line.size(), 4096u);
      EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    }
    const auto parsed = nlohmann::json::parse(line);
    EXPECT_TRUE(parsed["agent"].get<std::string>().ends_with("..."));
    EXPECT_EQ(parsed["status"], 200);
    line.clear();
    append_line(line, LogFormat::kJson, kTime, {request, "10.0.0.1", summary(200, 5)}, std::string::npos);
    EXPECT_GT(line.size(), 40'000u);
  }
}

TEST(AccessLogLine, TimeIsLocalInCombinedAndUtcInJson) {
  setenv("TZ", "UTC-2", 1);
  tzset();
  LogTime time = make_log_time(1791633336);
  unsetenv("TZ");
  tzset();
  EXPECT_EQ(time.combined, "10/Oct/2026:13:55:36 +0200");
  EXPECT_EQ(time.rfc3339, "2026-10-10T11:55:36Z");
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}
base::FileDescriptor log_file(const std::string& path) {
  return base::FileDescriptor(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
}
LogWriter::Lost no_loss() {
  return [](uint64_t lines, std::string_view why) { ADD_FAILURE() << lines << " lines lost: " << why; };
}

TEST(AccessLog, WritesOneLineAnExchangeAndReopens) {
  const std::string path = testing::TempDir() + "access-" + std::to_string(getpid());
  unlink(path.c_str());
  {
    io::Loop loop;
    AccessLog log(loop, LogFormat::kCombined, log_file(path), no_loss());
    for (int i = 0; i < 1000; ++i) log.on_exchange_end(browser_request(), "10.0.0.1", summary(200, 1));
    log.end_of_turn();
    rename(path.c_str(), (path + ".1").c_str());
    log.reopen(log_file(path));
    log.on_exchange_end(browser_request(), "10.0.0.1", summary(201, 1));
  }
  std::string both = content_of(path + ".1") + content_of(path);
  EXPECT_EQ(std::count(both.begin(), both.end(), '\n'), 1001);
  unlink(path.c_str());
  unlink((path + ".1").c_str());
}

TEST(LogWriter, DropsWholeLinesWhenNobodyReads) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  base::FileDescriptor reader(ends[0]);
  std::atomic<uint64_t> lost{0};
  const std::string line = std::string(99, 'x') + "\n";
  constexpr uint64_t kLines = 20'000;
  {
    LogWriterOptions options;
    options.queue_bytes = 256 * 1024;
    options.give_up_milliseconds = 50;
    LogWriter writer(
        base::FileDescriptor(ends[1]), [&](uint64_t lines, std::string_view) { lost += lines; }, options);
    std::string lines;
    for (uint64_t i = 0; i < kLines; ++i) {
      lines += line;
      if (lines.size() < 1000 * line.size()) continue;
      writer.write(lines);
      lines.clear();
    }
  }  // does not hang on the full pipe
  EXPECT_GT(lost, 0u);
  uint64_t read_lines = 0;
  std::string rest;
  char buffer[4096];
  for (ssize_t count; (count = read(reader.get(), buffer, sizeof buffer)) > 0;)
    rest.append(buffer, static_cast<size_t>(count));
  for (size_t at = 0; at + line.size() <= rest.size(); at += line.size()) {
    ASSERT_EQ(rest.substr(at, line.size()), line);
    ++read_lines;
  }
  EXPECT_LE(rest.size() - read_lines * line.size(), line.size());
  EXPECT_EQ(read_lines + lost, kLines);  // what was begun of one is lost
}

TEST(LogWriter, ThoseWhoShareAPipeTearNoLines) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const base::FileDescriptor reader(ends[0]);
  constexpr size_t kLines = 400;
  std::string all;
  {
    LogWriter first(base::FileDescriptor(ends[1]), no_loss());
    LogWriter second(base::FileDescriptor(fcntl(ends[1], F_DUPFD_CLOEXEC, 3)), no_loss());
    for (size_t line = 0; line < kLines; ++line) {
      first.write(std::string(line * 10 % 4096, 'a') + "\n");
      second.write(std::string(line * 7 % 4096, 'b') + "\n");
    }
    char buffer[3000];
    while (std::count(all.begin(), all.end(), '\n') < static_cast<ptrdiff_t>(2 * kLines)) {
      const ssize_t count = read(reader.get(), buffer, sizeof buffer);
      ASSERT_GT(count, 0);
      all.append(buffer, static_cast<size_t>(count));
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  EXPECT_EQ(all.find("ab"), std::string::npos);
  EXPECT_EQ(all.find("ba"), std::string::npos);
}

TEST(LogWriter, TellsOfWhatItDropsWhileNobodyReads) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const base::FileDescriptor reader(ends[0]);
  std::atomic<unsigned> told{0};
  LogWriterOptions options;
  options.queue_bytes = 64 * 1024;
  options.give_up_milliseconds = 1;
  LogWriter writer(
      base::FileDescriptor(ends[1]), [&](uint64_t, std::string_view) { ++told; }, options);
  const base::Instant patience = base::monotonic_now() + std::chrono::seconds(10);
  while (told < 4 && base::monotonic_now() < patience) writer.write(std::string(99, 'x') + "\n");
  EXPECT_GE(told, 4u);
}

size_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

TEST(LogWriter, ItsThreadComesWithALineAndGoesWhenNoneFollows) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  base::FileDescriptor reader(ends[0]);
  LogWriterOptions options;
  options.pause_milliseconds = 1;
  options.rest_milliseconds = 20;
  const size_t before = threads_of_this_process();
  LogWriter writer(base::FileDescriptor(ends[1]), no_loss(), options);
  EXPECT_EQ(threads_of_this_process(), before);
  for (const std::string line : {"one\n", "two\n"}) {
    writer.write(line);
    std::string read(line.size(), ' ');
    ASSERT_EQ(::read(reader.get(), read.data(), read.size()), static_cast<ssize_t>(line.size()));
    EXPECT_EQ(read, line);
    while (threads_of_this_process() > before) std::this_thread::yield();
  }
}

TEST(LogWriter, FullDiskIsCountedNotFatal) {
  base::FileDescriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  if (!full.valid()) GTEST_SKIP();
  std::atomic<uint64_t> lost{0};
  {
    LogWriter writer(std::move(full), [&](uint64_t lines, std::string_view why) {
      lost += lines;
      EXPECT_EQ(why, "No space left on device");
    });
    writer.write("one\ntwo\n");
  }
  EXPECT_EQ(lost, 2u);
}

TEST(LogWriter, ReaderThatGoesAwayIsNoSignal) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  std::atomic<uint64_t> lost{0};
  {
    LogWriter writer(base::FileDescriptor(ends[1]), [&](uint64_t lines, std::string_view) { lost += lines; });
    writer.write("one\n");
  }
  EXPECT_EQ(lost, 1u);
}

}  // namespace
}  // namespace cutwater::handler

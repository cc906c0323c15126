// Cgi with a spawner that the test plays: it gets what a script would, and says what a script says.
#include "handler/cgi.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

using testing::Contains;
using testing::HasSubstr;

std::string read_file(int descriptor) {
  std::string text;
  char buffer[65536];
  for (ssize_t size; (size = read(descriptor, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

// One script as the spawner was asked for it.
struct Played {
  control::StartScript start;
  base::FileDescriptor script, input, output, errors;

  void say(std::string_view text) {
    EXPECT_EQ(write(output.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string variable(const std::string& name) const {
    for (const std::string& each : start.variables) {
      if (each.starts_with(name + "=")) return each.substr(name.size() + 1);
    }
    return "(none)";
  }
};

class CgiTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "cgi-" + std::to_string(getpid());
    std::filesystem::create_directories(root_ + "/sub");
    for (const char* name : {"/a.cgi", "/sub/b.cgi", "/nph-c.cgi"}) std::ofstream(root_ + name) << "#!";
    auto pair = control::Channel::make_pair();
    ASSERT_TRUE(pair.ok());
    spawner_.emplace(std::move(pair->first));
    runner_.connect(pair->second.release());
    options_.who = "cgi /x/*";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Cgi& cgi() {
    if (!cgi_) {
      ScriptOptions scripts{root_, "", {}, "/x", false, "", true};
      base::FileDescriptor folder(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      cgi_ = std::make_unique<Cgi>(options_,
                                   std::make_unique<ScriptFolder>(share(std::move(folder)), scripts, offload_, loop_),
                                   runner_, loop_, spool_, log_);
      cgi_->redirect_within(*cgi_);
    }
    return *cgi_;
  }
  control::Message message() {
    control::Message received;
    turns_.until([&] { return spawner_->receive(received) == control::Channel::Outcome::kMessage; });
    return received;
  }
  Played played() {
    control::Message received = message();
    EXPECT_EQ(received.type(), control::StartScript::kType);
    EXPECT_EQ(received.descriptors.size(), control::StartScript::kDescriptors);
    auto start = control::decode<control::StartScript>(received.body);
    EXPECT_TRUE(start.ok());
    return {*start, std::move(received.descriptors[0]), std::move(received.descriptors[1]),
            std::move(received.descriptors[2]), std::move(received.descriptors[3])};
  }
  void end(Played& script, int code = 0, int signal = 0) {
    script.output.reset();
    script.errors.reset();
    control::ScriptEnded ended;
    ended.script = script.start.script;
    ended.code = code;
    ended.signal = signal;
    spawner_->send(control::encode(ended));
  }
  void refuse(Played& script, const std::string& reason) {
    script.output.reset();
    script.errors.reset();
    control::ScriptRefused refused;
    refused.script = script.start.script;
    refused.reason = reason;
    refused.text = "why\nfix: how";
    spawner_->send(control::encode(refused));
  }
  void until_done(TestExchange& exchange) {
    turns_.until([&] { return exchange.done; });
  }
  bool logged(std::string_view text) {
    for (const std::string& line : log_.lines) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }

  std::string root_;
  io::Loop loop_;
  LoopRunner turns_{loop_};
  NotingLog log_;
  io::Offload offload_{loop_, 1};
  SpoolArea spool_{offload_, ""};
  std::optional<control::Channel> spawner_;
  ScriptRunner runner_{loop_};
  CgiOptions options_;
  std::unique_ptr<Cgi> cgi_;
};

TEST_F(CgiTest, AsksForAScriptAndPassesItsAnswerOn) {
  options_.entry = 3;
  TestExchange exchange("GET", "/x/sub/b.cgi/more");
  exchange.request.query = "-s";
  exchange.start(cgi());
  Played script = played();
  EXPECT_EQ(script.start.entry, 3u);
  EXPECT_EQ(script.start.path, "sub/b.cgi");
  struct stat asked, there;
  fstat(script.script.get(), &asked);
  stat((root_ + "/sub/b.cgi").c_str(), &there);
  EXPECT_EQ(asked.st_ino, there.st_ino);
  EXPECT_EQ(script.variable("SCRIPT_NAME"), "/x/sub/b.cgi");
  EXPECT_EQ(script.variable("PATH_INFO"), "/more");
  EXPECT_EQ(script.variable("PATH_TRANSLATED"), root_ + "/more");
  EXPECT_EQ(script.variable("QUERY_STRING"), "-s");
  EXPECT_EQ(script.variable("CONTENT_LENGTH"), "(none)");
  EXPECT_EQ(script.variable("HTTP_CDN_LOOP"), "(none)");
  EXPECT_EQ(read_file(script.input.get()), "");
  EXPECT_FALSE(fcntl(script.output.get(), F_GETFL) & O_NONBLOCK);
  script.say("Status: 201 Made\nX-Sendfile: /etc/passwd\n\nbo");
  script.say("dy");
  end(script);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 201);
  EXPECT_EQ(exchange.writer.content, "body");
  EXPECT_EQ(exchange.writer.header("X-Sendfile"), "");
  EXPECT_TRUE(exchange.writer.finished);
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(CgiTest, ABodyIsAFileOfItsLength) {
  for (size_t size : {size_t{5}, size_t{300'000}}) {
    TestExchange exchange("POST", "/x/a.cgi");
    exchange.request.framing = message::BodyFraming::kChunked;
    exchange.body.pieces = {std::string(size - 1, 'x'), "y"};
    exchange.start(cgi());
    Played script = played();
    EXPECT_EQ(script.variable("CONTENT_LENGTH"), std::to_string(size));
    EXPECT_EQ(read_file(script.input.get()), std::string(size - 1, 'x') + "y");
    EXPECT_EQ(write(script.input.get(), "z", 1), -1);
    script.say("Status: 204\n\n");
    end(script);
    until_done(exchange);
    EXPECT_EQ(exchange.writer.status(), 204);
  }
}

TEST_F(CgiTest, RefusalsOfTheSpawner) {
  for (const auto& [reason, status, code] :
       {std::tuple("not_there", 404, "CW0701"), std::tuple("not_executable", 403, "CW0701"),
        std::tuple("no_interpreter", 500, "CW0701"), std::tuple("identity", 500, "CW0702"),
        std::tuple("no_room", 503, "CW0703"), std::tuple("unsafe", 500, "CW0709"),
        std::tuple("failed", 500, "CW0701")}) {
    log_.lines.clear();
    cgi_.reset();  // the log of a new one is not held back
    TestExchange exchange("GET", "/x/a.cgi");
    exchange.start(cgi());
    Played script = played();
    refuse(script, reason);
    until_done(exchange);
    EXPECT_EQ(exchange.writer.status(), status) << reason;
    EXPECT_THAT(log_.lines, Contains(HasSubstr(std::string(code) + " cgi /x/*: why; answered"))) << reason;
  }
}

TEST_F(CgiTest, AnEndWithoutAnAnswerIsExplained) {
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  end(script, 127);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_TRUE(logged("a.cgi exited with status 127 without an answer"));
}

TEST_F(CgiTest, AnEndWithinTheHeadIsExplained) {
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  script.say("Content-Type: text/plain\n");
  end(script, 0, SIGSEGV);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_TRUE(logged("a.cgi was killed by SIGSEGV within the head of its answer"));
}

TEST_F(CgiTest, AnOutputThatEndsBeforeItsScript) {
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  script.output.reset();
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_EQ(message().type(), control::EndScript::kType);
}

TEST_F(CgiTest, TimeIsOver) {
  options_.timeout = std::chrono::milliseconds(50);
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  EXPECT_EQ(message().type(), control::EndScript::kType);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 504);
  EXPECT_TRUE(logged("CW0705"));
  end(script, 0, SIGTERM);
}

TEST_F(CgiTest, TimeIsOverInTheMiddleOfTheAnswer) {
  options_.timeout = std::chrono::milliseconds(50);
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  script.say("Content-Type: text/plain\n\nhalf");
  until_done(exchange);
  EXPECT_TRUE(exchange.writer.aborted);
  EXPECT_FALSE(exchange.writer.finished);
}

TEST_F(CgiTest, AScriptThatLivesOnKeepsItsPlaceUntilItsTimeIsOver) {
  options_.timeout = std::chrono::milliseconds(100);
  options_.most = 1;
  TestExchange exchange("GET", "/x/a.cgi"), next("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  script.say("Content-Type: text/plain\n\nall");
  script.output.reset();
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "all");
  next.start(cgi());
  EXPECT_EQ(message().type(), control::EndScript::kType);
  EXPECT_TRUE(logged("ran on after its answer"));
  end(script, 0, SIGTERM);
  Played other = played();
  other.say("Content-Type: text/plain\n\nnext");
  end(other);
  until_done(next);
  EXPECT_EQ(next.writer.content, "next");
}

// By something that no spawner can know of.
TEST_F(CgiTest, AnOutputThatOthersHoldIsNotWaitedForForEver) {
  options_.most = 1;
  TestExchange exchange("GET", "/x/a.cgi"), next("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  const base::FileDescriptor held(dup(script.output.get()));
  const base::Instant ended = base::monotonic_now();
  end(script);
  next.start(cgi());
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 504);
  EXPECT_GE(base::monotonic_now() - ended, CgiRun::kHeldOutput);
  EXPECT_TRUE(logged("exited with status 0, but others held its output open"));
  Played other = played();  // only now: it counted for `max`
  other.say("Content-Type: text/plain\n\nnext");
  end(other);
  until_done(next);
  EXPECT_EQ(next.writer.content, "next");
}

TEST_F(CgiTest, ThatOutputCountsWithinTheTimeOfTheScript) {
  options_.timeout = std::chrono::milliseconds(100);
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  script.say("Content-Type: text/plain\n\nhalf");
  const base::FileDescriptor held(dup(script.output.get()));
  end(script);
  until_done(exchange);
  EXPECT_TRUE(exchange.writer.aborted);
}

TEST_F(CgiTest, MaxThenQueueThen503) {
  options_.most = 1;
  options_.queue = 1;
  options_.queue_timeout = std::chrono::milliseconds(50);
  TestExchange first("GET", "/x/a.cgi"), second("GET", "/x/a.cgi"), third("GET", "/x/a.cgi");
  first.start(cgi());
  Played script = played();
  second.start(cgi());
  third.start(cgi());
  until_done(third);
  EXPECT_EQ(third.writer.status(), 503);
  EXPECT_EQ(third.writer.header("Retry-After"), "10");
  until_done(second);
  EXPECT_EQ(second.writer.status(), 503);
  EXPECT_FALSE(first.done);
  script.say("Status: 200\n\n");
  end(script);
  until_done(first);
}

TEST_F(CgiTest, WhoLeavesInTheQueueIsForgotten) {
  options_.most = 1;
  TestExchange first("GET", "/x/a.cgi"), second("GET", "/x/a.cgi"), third("GET", "/x/a.cgi");
  first.start(cgi());
  Played script = played();
  second.start(cgi());
  turns_.turns(std::chrono::milliseconds(5));
  third.start(cgi());
  turns_.turns(std::chrono::milliseconds(5));
  second.leave(true);
  until_done(second);
  EXPECT_FALSE(second.writer.head_sent());
  script.say("Status: 200\n\n");
  end(script);
  until_done(first);
  Played other = played();
  other.say("Status: 200\n\n");
  end(other);
  until_done(third);
  EXPECT_EQ(third.writer.status(), 200);
}

TEST_F(CgiTest, WhoLeavesTakesTheScriptAlong) {
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  exchange.leave(true);
  EXPECT_EQ(message().type(), control::EndScript::kType);
  until_done(exchange);
  EXPECT_FALSE(exchange.writer.head_sent());
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(CgiTest, ARequestThatIsCancelledEndsItsScript) {
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  exchange.cancel();
  EXPECT_EQ(message().type(), control::EndScript::kType);
}

TEST_F(CgiTest, TheSpawnersEndIs502) {
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();  // its output stays open: a child of the script may have it
  spawner_.reset();
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_TRUE(logged("CW0708"));
}

TEST_F(CgiTest, TheErrorStreamIsReadAlsoWhenItFloods) {
  TestExchange exchange("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  const std::string flood(60'000, 'e');
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(write(script.errors.get(), flood.data(), flood.size()), static_cast<ssize_t>(flood.size()));
    turns_.turns(std::chrono::milliseconds(1));
  }
  script.say("Status: 200\n\n");
  end(script);
  until_done(exchange);
  turns_.until([&] { return logged("CW0707 cgi /x/*: request 00000007 GET /x/a.cgi: eee"); });
  EXPECT_TRUE(logged("2991808 bytes more"));
}

TEST_F(CgiTest, OnlyAnNphScriptWritesHttp) {
  options_.nph = true;
  TestExchange exchange("GET", "/x/nph-c.cgi"), other("GET", "/x/a.cgi");
  exchange.start(cgi());
  Played script = played();
  script.say(
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  end(script);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "abc");
  other.start(cgi());
  Played plain = played();
  plain.say("HTTP/1.1 200 OK\r\n\r\n");
  end(plain);
  until_done(other);
  EXPECT_EQ(other.writer.status(), 502);
  EXPECT_TRUE(logged("an HTTP status line where"));
}

TEST_F(CgiTest, ALocalRedirectIsAnsweredHere) {
  TestExchange exchange("POST", "/x/a.cgi");
  exchange.with_body({"body"});
  exchange.start(cgi());
  Played script = played();
  script.say("Location: /x/sub/b.cgi?q\n\n");
  end(script);
  Played next = played();
  EXPECT_EQ(next.variable("REQUEST_METHOD"), "GET");
  EXPECT_EQ(next.variable("QUERY_STRING"), "q");
  EXPECT_EQ(next.variable("REDIRECT_URL"), "/x/a.cgi");
  next.say("Content-Type: text/plain\n\nthere");
  end(next);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.content, "there");
}

TEST_F(CgiTest, VariablesThatFitNoMessageAre431) {
  TestExchange exchange("GET", "/x/a.cgi");
  const std::string large(70'000, 'x');
  exchange.request.headers.add("X-Large", large);
  exchange.start(cgi());
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 431);
}

TEST_F(CgiTest, WhatIsNoScriptIs404) {
  for (const char* path : {"/x", "/x/", "/x/none.cgi", "/x/sub", "/y/a.cgi", "/x/a.cgi~", "/x/.a"}) {
    TestExchange exchange("GET", path);
    exchange.start(cgi());
    until_done(exchange);
    EXPECT_EQ(exchange.writer.status(), 404) << path;
  }
}

}  // namespace
}  // namespace cutwater::handler

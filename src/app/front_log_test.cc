#include "app/front_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <vector>

namespace cutwater::app {
namespace {

class Notes final : public base::LogSink {
 public:
  void write(base::Severity, std::string_view, std::string_view text) override { texts.emplace_back(text); }
  std::vector<std::string> texts;
};

class LostLinesTest : public testing::Test {
 protected:
  void turn() {
    loop_.post([this] { loop_.stop(); });
    loop_.run();
  }
  void ten_seconds_pass() { loop_.timers().fire_due(base::monotonic_now() + std::chrono::seconds(11)); }
  io::Loop loop_;
  Notes log_;
  std::optional<LostLines> lost_{std::in_place, loop_, log_};
};

TEST_F(LostLinesTest, AreToldAtOnceThenEveryTenSecondsAndInTheEnd) {
  lost_->add(1, "Broken pipe");
  turn();
  std::vector<std::string> told{"1 line of the access log was lost: Broken pipe"};
  EXPECT_EQ(log_.texts, told);
  lost_->add(20, "Broken pipe");
  lost_->add(33, "nobody reads it");
  turn();
  EXPECT_EQ(log_.texts, told);
  ten_seconds_pass();  // nothing more is lost meanwhile
  told.push_back("53 more lines of the access log were lost: nobody reads it");
  EXPECT_EQ(log_.texts, told);
  lost_->add(2, "Broken pipe");
  turn();
  lost_.reset();
  told.push_back("2 more lines of the access log were lost: Broken pipe");
  EXPECT_EQ(log_.texts, told);
}

TEST_F(LostLinesTest, AfterAQuietTimeAreToldAtOnceAgain) {
  lost_->add(1, "Broken pipe");
  turn();
  ten_seconds_pass();
  EXPECT_EQ(loop_.timers().next(), base::kNever);
  lost_->add(5, "Broken pipe");
  turn();
  EXPECT_EQ(log_.texts.size(), 2u);
  lost_.reset();
  EXPECT_EQ(log_.texts.size(), 2u);
}

TEST(FrontLog, LinesForAPipeFitIntoOnePiece) {
  for (const bool json : {false, true}) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const base::FileDescriptor reader(ends[0]);
    {
      FrontLog log(base::Severity::kInfo, base::FileDescriptor(ends[1]), json);
      log.write(base::Severity::kError, "CW0608", std::string(20'000, '"') + "\nlast");
    }
    std::string all(65'536, ' ');
    all.resize(static_cast<size_t>(read(reader.get(), all.data(), all.size())));
    EXPECT_LE(all.size(), json ? 4096u : 4400u);
    EXPECT_LE(all.find('\n'), 4096u);
    EXPECT_NE(all.find("..."), std::string::npos);
  }
}

}  // namespace
}  // namespace cutwater::app

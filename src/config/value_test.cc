#include "config/value.h"

#include <gtest/gtest.h>

#include "config/address.h"
#include "config/closest.h"

namespace cutwater::config {
namespace {

using namespace std::chrono_literals;

TEST(Duration, Units) {
  EXPECT_EQ(parse_duration("500ms"), base::Duration(500ms));
  EXPECT_EQ(parse_duration("30s"), base::Duration(30s));
  EXPECT_EQ(parse_duration("2m"), base::Duration(2min));
  EXPECT_EQ(parse_duration("1h"), base::Duration(1h));
  EXPECT_EQ(parse_duration("7d"), base::Duration(168h));
  EXPECT_EQ(parse_duration("1y"), base::Duration(8760h));
  EXPECT_EQ(parse_duration("1.5s"), base::Duration(1500ms));
  EXPECT_EQ(parse_duration("0.25h"), base::Duration(15min));
  EXPECT_EQ(parse_duration("0"), base::Duration(0));
}

TEST(Duration, Refused) {
  for (const char* text : {"", "30", "s", "-1s", "1 s", " 1s", "1s ", "1e3s", "1..5s", ".5s", "5.s", "1.5.1s", "30sec",
                           "99999999999999999999s", "9999999y", "0x1s", "1s1s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Size, Units) {
  EXPECT_EQ(parse_size("500B"), 500u);
  EXPECT_EQ(parse_size("64KB"), 65536u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("10mb"), 10u << 20);
  EXPECT_EQ(parse_size("1.5GB"), 3ull << 29);
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("500B/s", true), 500u);
  EXPECT_EQ(parse_size("500B", true), 500u);
}

TEST(Size, Refused) {
  for (const char* text : {"", "10", "MB", "-1B", "10 MB", "10M", "1.5B", "99999999TB", "500B/s", "iB", "1iB2"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Value, TextsReadBackTheSame) {
  for (const char* text : {"500ms", "30s", "2m", "1h", "1y", "90s", "0"}) {
    EXPECT_EQ(to_duration_text(*parse_duration(text)), text);
  }
  for (const char* text : {"500B", "32KB", "100MB", "1GB", "0"}) EXPECT_EQ(to_size_text(*parse_size(text)), text);
}

TEST(Value, OctalMode) {
  EXPECT_EQ(parse_octal_mode("660"), 0660u);
  EXPECT_EQ(parse_octal_mode("0600"), 0600u);
  for (const char* text : {"", "8", "1777", "00660", "6 0", "-6"}) EXPECT_FALSE(parse_octal_mode(text)) << text;
}

TEST(Value, Networks) {
  for (const char* text : {"127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "*", "unix", "0.0.0.0/0"}) {
    EXPECT_TRUE(is_network(text)) << text;
  }
  for (const char* text : {"", "10.0.0.0/33", "10.0.0", "::1/129", "localhost", "10.0.0.0/", "/8", "10.0.0.0/-1", "**",
                           "10.0.0.0/08x", " 10.0.0.1"}) {
    EXPECT_FALSE(is_network(text)) << text;
  }
}

TEST(Value, ListenAddresses) {
  for (const char* text : {":8000", "127.0.0.1:0", "[::1]:8000", "[::]:80", "localhost:65535", "unix:/run/x.sock",
                           "unix:x.sock", "fd:3"}) {
    EXPECT_EQ(listen_address_problem(text), "") << text;
  }
  for (const char* text :
       {"", "8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:http", "::1:8000", "[::1:8000", "[]:1",
        "[x]:1", "[", "unix:", "fd:", "fd:x", "http://127.0.0.1:8000", "a b:1"}) {
    EXPECT_NE(listen_address_problem(text), "") << text;
  }
  EXPECT_EQ(listen_address_problem("http://127.0.0.1:8000"), "write it without \"http://\"");
  EXPECT_TRUE(listen_address_problem("[::1]").starts_with("the port is missing"));
  EXPECT_NE(listen_address_problem("unix:/" + std::string(107, 'x')), "");
}

TEST(Closest, Suggestions) {
  const std::vector<std::string> words = {"workers", "timeout", "watch", "queue", "queue_timeout", "warning"};
  EXPECT_EQ(closest("worker", words), "workers");
  EXPECT_EQ(closest("wrokers", words), "workers");
  EXPECT_EQ(closest("time", words), "timeout");
  EXPECT_EQ(closest("warn", words), "warning");
  EXPECT_EQ(closest("queu", words), "queue");
  EXPECT_EQ(closest("x", words), "");
  EXPECT_EQ(closest("certificate", words), "");
  EXPECT_EQ(closest(std::string(10000, 'w'), words), "");
}

TEST(Closest, Distance) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("ab", "ba"), 1u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

}  // namespace
}  // namespace cutwater::config

#include "message/target.h"

#include <gtest/gtest.h>

#include "message/authority.h"

namespace cutwater::message {
namespace {

std::string decoded(std::string_view raw) {
  std::string path;
  DecodedPath result = decode_path(raw, path);
  return result.error != nullptr ? "refused" : path;
}

TEST(Target, SplitsOriginForm) {
  auto target = split_target("GET", "/a/b?c=d?e");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->form, TargetForm::kOrigin);
  EXPECT_EQ(target->path, "/a/b");
  EXPECT_EQ(target->query, "c=d?e");
  EXPECT_TRUE(target->path_is_plain);
}

TEST(Target, KnowsWhichPathsNeedDecoding) {
  for (const char* plain : {"/", "/a", "/a/b.html", "/a../b", "/a?/../%41"}) {
    EXPECT_TRUE(split_target("GET", plain)->path_is_plain) << plain;
  }
  for (const char* other : {"/%41", "//", "/a//", "/.", "/a/..", "/./a", "/.hidden"}) {
    EXPECT_FALSE(split_target("GET", other)->path_is_plain) << other;
  }
}

TEST(Target, SplitsTheOtherForms) {
  auto absolute = split_target("GET", "http://u@b:8?q");
  ASSERT_TRUE(absolute);
  EXPECT_EQ(absolute->authority, "u@b:8");
  EXPECT_EQ(absolute->path, "/");
  EXPECT_EQ(absolute->query, "q");
  EXPECT_EQ(split_target("OPTIONS", "*")->path, "*");
  EXPECT_EQ(split_target("CONNECT", "a:1")->authority, "a:1");
  for (const char* bad : {"", "a", "*", "ws://a/", "http://", "http:///a", "/a b", "/#", "/\x80", "/\x7f"}) {
    EXPECT_FALSE(split_target("GET", bad)) << bad;
  }
}

TEST(DecodePath, AppendsBehindWhatIsThere) {
  std::string to = "kept/../";
  EXPECT_EQ(decode_path("/../%61/./b//c", to).error, nullptr);
  EXPECT_EQ(to, "kept/..//a/b/c");
}

TEST(DecodePath, DecodesOnceThenRemovesDots) {
  EXPECT_EQ(decoded("/%252e%252e/"), "/%2e%2e/");
  EXPECT_EQ(decoded("/a/%2e%2E/b"), "/b");
  EXPECT_EQ(decoded("/a%2f%2e%2e%2fb"), "/b");
  EXPECT_EQ(decoded("/../../.."), "/");
  EXPECT_EQ(decoded("/a/b/../../c/"), "/c/");
  EXPECT_EQ(decoded("/a/b/../.."), "/");
  EXPECT_EQ(decoded("/..."), "/...");
}

TEST(DecodePath, RefusesBadEncodingAndControlBytes) {
  for (const char* bad : {"", "a", "/%", "/%4", "/%zz", "/%u0041", "/%00", "/%0a", "/%1F", "/%7f", "/.%%32%65"}) {
    EXPECT_EQ(decoded(bad), "refused") << bad;
  }
}

TEST(DecodePath, TellsOfEncodedSlashes) {
  std::string path;
  EXPECT_TRUE(decode_path("/a%2Fb", path).had_encoded_slash);
  EXPECT_FALSE(decode_path("/a%252Fb", path).had_encoded_slash);
}

TEST(PathPrefix, GoesByWholeSegments) {
  EXPECT_TRUE(path_has_prefix("/files/a", "/files"));
  EXPECT_TRUE(path_has_prefix("/files/a", "/files/"));
  EXPECT_TRUE(path_has_prefix("/files", "/files"));
  EXPECT_TRUE(path_has_prefix("/files", "/files/"));
  EXPECT_TRUE(path_has_prefix("/x", "/"));
  EXPECT_TRUE(path_has_prefix("/x", ""));
  EXPECT_FALSE(path_has_prefix("/filesystem", "/files"));
  EXPECT_FALSE(path_has_prefix("/files../etc", "/files"));
  EXPECT_FALSE(path_has_prefix("/file", "/files"));
  EXPECT_FALSE(path_has_prefix("/Files/a", "/files"));
}

TEST(Authority, SplitsHostAndPort) {
  auto authority = parse_authority("Example.com:8000");
  ASSERT_TRUE(authority);
  EXPECT_EQ(authority->host, "Example.com");
  EXPECT_EQ(authority->port, 8000);
  EXPECT_EQ(authority->text, "Example.com:8000");
  EXPECT_EQ(parse_authority("a:")->text, "a");
  EXPECT_EQ(parse_authority("a:")->port, std::nullopt);
  EXPECT_EQ(parse_authority("[::1]:65535")->host, "[::1]");
  EXPECT_EQ(parse_authority("a:0")->port, 0);
}

TEST(Authority, RefusesWhatNamesNoHost) {
  using namespace std::string_view_literals;
  for (std::string_view bad : {""sv, ":80"sv, "a,b"sv, "u@a"sv, "a/"sv, "a b"sv, ".."sv, "[]"sv, "[::1"sv, "[::1]]"sv,
                               "[::1]80"sv, "[::1%eth0]"sv, "[::1\0]"sv, "a:65536"sv, "a:-1"sv, "a:1:2"sv, "a\0"sv}) {
    EXPECT_FALSE(parse_authority(bad)) << bad;
  }
  EXPECT_FALSE(parse_authority(std::string(256, 'a')));
  EXPECT_FALSE(parse_authority("[" + std::string(50, ':') + "]"));
}

}  // namespace
}  // namespace cutwater::message

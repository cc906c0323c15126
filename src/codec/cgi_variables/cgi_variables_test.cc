#include "codec/cgi_variables/cgi_variables.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace cutwater::codec {
namespace {

message::Request sample() {
  message::Request request;
  request.method = "POST";
  request.raw_target = "/shop/a%20b?x=%41";
  request.path = "/shop/a b";
  request.query = "x=%41";
  request.scheme = "http";
  request.authority = "example.com:8000";
  request.server_name = "example.com";
  request.server_port = 8000;
  request.remote_address = "10.0.0.7";
  request.remote_port = 40123;
  request.headers.add("Host", "example.com:8000");
  return request;
}

std::map<std::string, std::string, std::less<>> build(const message::Request& request, std::string_view script = "",
                                                      std::optional<uint64_t> length = std::nullopt) {
  Variables variables;
  std::string storage;
  cgi_variables(request, split_path(request.path, script), request.raw_target, length, variables, storage);
  std::map<std::string, std::string, std::less<>> by_name;
  for (const auto& [name, value] : variables) {
    EXPECT_TRUE(by_name.emplace(name, value).second) << "twice: " << name;
  }
  return by_name;
}

std::string header_variable(std::string_view name) {
  std::string variable = "x";
  if (append_header_variable(name, variable)) return variable.substr(1);
  EXPECT_EQ(variable, "x");
  return "dropped";
}

TEST(CgiVariables, SaysAllOfRfc3875) {
  auto variables = build(sample(), "/shop", 5);
  std::map<std::string, std::string, std::less<>> expected = {{"REQUEST_METHOD", "POST"},
                                                              {"SCRIPT_NAME", "/shop"},
                                                              {"PATH_INFO", "/a b"},
                                                              {"QUERY_STRING", "x=%41"},
                                                              {"CONTENT_LENGTH", "5"},
                                                              {"SERVER_NAME", "example.com"},
                                                              {"SERVER_PORT", "8000"},
                                                              {"SERVER_PROTOCOL", "HTTP/1.1"},
                                                              {"REMOTE_ADDR", "10.0.0.7"},
                                                              {"REMOTE_PORT", "40123"},
                                                              {"REQUEST_URI", "/shop/a%20b?x=%41"},
                                                              {"HTTP_HOST", "example.com:8000"}};
  EXPECT_EQ(variables, expected);
}

TEST(CgiVariables, HttpsAndOldVersions) {
  message::Request request = sample();
  request.scheme = "https";
  request.version_minor = 0;
  auto variables = build(request);
  EXPECT_EQ(variables["HTTPS"], "on");
  EXPECT_EQ(variables["SERVER_PROTOCOL"], "HTTP/1.0");
  EXPECT_EQ(variables.count("CONTENT_LENGTH"), 0U);
}

TEST(CgiVariables, ContentFieldsHaveTheirOwnNames) {
  message::Request request = sample();
  request.headers.add("content-type", "text/plain");
  request.headers.add("content-length", "99");
  auto variables = build(request, "", 5);
  EXPECT_EQ(variables["CONTENT_TYPE"], "text/plain");
  EXPECT_EQ(variables["CONTENT_LENGTH"], "5");
  EXPECT_EQ(variables.count("HTTP_CONTENT_TYPE"), 0U);
  EXPECT_EQ(variables.count("HTTP_CONTENT_LENGTH"), 0U);
}

TEST(CgiVariables, DropsNamesThatCouldCollide) {
  EXPECT_EQ(header_variable("User-Agent"), "HTTP_USER_AGENT");
  EXPECT_EQ(header_variable("x-1"), "HTTP_X_1");
  for (const char* name : {"X_Forwarded_For", "Content_Length", "Transfer_Encoding", "X.Real.IP", "REMOTE_USER", "a b",
                           "x\xe4", "!", "", "Proxy", "pRoXy", "Content-Type", "CONTENT-LENGTH"}) {
    EXPECT_EQ(header_variable(name), "dropped") << name;
  }
  EXPECT_EQ(header_variable("Remote-User"), "HTTP_REMOTE_USER");  // never REMOTE_USER itself
  message::Request request = sample();
  request.headers.add("Proxy", "http://evil");
  request.headers.add("X-Real-IP", "1.1.1.1");
  request.headers.add("X_Real_IP", "6.6.6.6");
  auto variables = build(request);
  EXPECT_EQ(variables.count("HTTP_PROXY"), 0U);
  EXPECT_EQ(variables["HTTP_X_REAL_IP"], "1.1.1.1");
}

TEST(CgiVariables, JoinsRepeatedFields) {
  message::Request request = sample();
  for (auto [name, value] : {std::pair("Cookie", "a=1"),
                             {"Accept", "x"},
                             {"cookie", "b=2"},
                             {"ACCEPT", "y"},
                             {"Cookie", "c=3"},
                             {"X", ""},
                             {"X", ""}}) {
    request.headers.add(name, value);
  }
  auto variables = build(request);
  EXPECT_EQ(variables["HTTP_COOKIE"], "a=1; b=2; c=3");
  EXPECT_EQ(variables["HTTP_ACCEPT"], "x, y");
  EXPECT_EQ(variables["HTTP_X"], ", ");
}

TEST(CgiVariables, JoinsAsMuchAmongMany) {
  message::Request request = sample();
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back("X-" + std::to_string(i));
  for (auto [name, value] : {std::pair("Cookie", "a=1"), {"accept", "x"}}) request.headers.add(name, value);
  for (const std::string& name : names) request.headers.add(name, "own");
  for (auto [name, value] : {std::pair("cookie", "b=2"), {"ACCEPT", "y"}, {"Cookie", "c=3"}}) {
    request.headers.add(name, value);
  }
  auto variables = build(request);
  EXPECT_EQ(variables["HTTP_COOKIE"], "a=1; b=2; c=3");
  EXPECT_EQ(variables["HTTP_ACCEPT"], "x, y");
  EXPECT_EQ(variables["HTTP_X_99"], "own");
}

TEST(SplitPath, CutsAtWholeSegments) {
  auto split = [](std::string_view path, std::string_view prefix) {
    SplitPath parts = split_path(path, prefix);
    return std::string(parts.script_name) + "|" + std::string(parts.path_info);
  };
  EXPECT_EQ(split("/a/b", ""), "|/a/b");
  EXPECT_EQ(split("/a/b", "/"), "|/a/b");
  EXPECT_EQ(split("/a/b", "/a"), "/a|/b");
  EXPECT_EQ(split("/a/b", "/a/"), "/a|/b");
  EXPECT_EQ(split("/a", "/a"), "/a|");
  EXPECT_EQ(split("/a/", "/a"), "/a|/");
  EXPECT_EQ(split("/ab", "/a"), "|/ab");
  EXPECT_EQ(split("*", "/a"), "|");
}

}  // namespace
}  // namespace cutwater::codec

#include "codec/cgi_variables/variable_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "codec/cgi_variables/cgi_variables.h"
#include "message/grammar.h"

namespace cutwater::codec {
namespace {

// What nginx's uwsgi_params and fastcgi_params send for GET /shop/a%20b?x=%41.
Variables sample() {
  return {{"QUERY_STRING", "x=%41"},
          {"REQUEST_METHOD", "GET"},
          {"CONTENT_TYPE", ""},
          {"CONTENT_LENGTH", ""},
          {"REQUEST_URI", "/shop/a%20b?x=%41"},
          {"PATH_INFO", "/shop/a b"},
          {"DOCUMENT_ROOT", "/srv"},
          {"SERVER_PROTOCOL", "HTTP/1.1"},
          {"REQUEST_SCHEME", "http"},
          {"REMOTE_ADDR", "10.0.0.7"},
          {"REMOTE_PORT", "40123"},
          {"SERVER_PORT", "8000"},
          {"SERVER_NAME", "front.example"},
          {"HTTP_HOST", "Example.com:8000"},
          {"HTTP_USER_AGENT", " curl "},
          {"HTTP_X_2ND", "b"}};
}

struct Read {
  explicit Read(const Variables& given) : variables(given), result(read_variables(variables, request, storage)) {}
  Variables variables;
  message::Request request;
  std::string storage;
  VariablesResult result;
};

Variables with(std::string_view name, std::string_view value) {
  Variables variables = sample();
  for (Variable& variable : variables) {
    if (variable.name == name) {
      variable.value = value;
      return variables;
    }
  }
  variables.push_back({name, value});
  return variables;
}

TEST(VariableReaderTest, WhatNginxSends) {
  const Read read(sample());
  ASSERT_EQ(read.result.status, 0) << read.result.reason;
  const message::Request& request = read.request;
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/shop/a b");
  EXPECT_EQ(request.query, "x=%41");
  EXPECT_EQ(request.raw_target, "/shop/a%20b?x=%41");
  EXPECT_EQ(request.authority, "example.com:8000");
  EXPECT_EQ(request.server_name, "front.example");
  EXPECT_EQ(request.server_port, 8000);
  EXPECT_EQ(request.remote_address, "10.0.0.7");
  EXPECT_EQ(request.remote_port, 40123);
  EXPECT_EQ(request.scheme, "http");
  EXPECT_EQ(request.framing, message::BodyFraming::kNone);
  EXPECT_EQ(request.headers.get("User-Agent"), "curl");
  EXPECT_EQ(request.headers.get("X-2nd"), "b");
  EXPECT_EQ(request.headers.get("Host"), "Example.com:8000");
  EXPECT_EQ(request.headers.size(), 3u);
}

TEST(VariableReaderTest, ThereAndBackAgain) {
  const Read read(sample());
  Variables again;
  std::string storage;
  cgi_variables(read.request, split_path(read.request.path, ""), read.request.raw_target, std::nullopt, again, storage);
  std::map<std::string_view, std::string_view> by_name;
  for (const auto& [name, value] : again) by_name.emplace(name, value);
  for (const Variable& variable : sample()) {
    const std::string name(variable.name);
    if (name == "DOCUMENT_ROOT" || name == "REQUEST_SCHEME" || variable.value.empty()) continue;
    const std::string expected =
        name == "SERVER_NAME" ? "front.example" : std::string(base::trim_whitespace(variable.value));
    EXPECT_EQ(by_name[name], expected) << name;
  }
}

// SCRIPT_NAME, PATH_INFO, REQUEST_URI -> the path, and what of it is the application's name.
TEST(VariableReaderTest, WhereTheApplicationBegins) {
  struct Case {
    const char* script_name;
    const char* path_info;
    const char* asked;
    const char* path;
    const char* begins_behind;
    const char* by_others = nullptr;  // than FastCGI; nullptr: the same
  };
  constexpr Case kCases[] = {
      {"/app", "/x", "/app/x", "/app/x", "/app"},    // lighttpd's and Apache's mounts
      {"/app", "/", "/app/", "/app/", "/app"},       //
      {"/app/", "x", "/app/x", "/app/x", "/app"},    //
      {"/app", "/x", "/x", "/app/x", "/app"},        // mounted by the variables alone
      {"/a%b", "/x", "/a%25b/x", "/a%b/x", "/a%b"},  //
      {"/x", "", "/x", "/x", "", "/x"},              // nginx's fastcgi_params: the path as SCRIPT_NAME
      {"/x/", "", "/x/", "/x/", "", "/x"},
      {"/x", "", "/x/y?q=1", "/x/y", "/x"},             // nginx's scgi_params, and a line with SCRIPT_NAME
      {"/x", "", "/x/%20", "/x/ ", "/x"},               //
      {"/x", "", "/xy", "/x", ""},                      // another name: the path was rewritten
      {"/index.py", "", "/", "/index.py", ""},          //
      {"/x/y", "/x/y", "/x/y", "/x/y", "", "/x/y"},     // and as PATH_INFO, too
      {"/x y", "/x y", "/x%20y", "/x y", "", "/x y"},   //
      {"/sn", "/sn/x", "/sn/x?q=1", "/sn/x", "/sn"},    // uwsgi_params, and a line with SCRIPT_NAME
      {"/sn", "/sn/x", "/sn/sn/x", "/sn/sn/x", "/sn"},  // a path that has it twice
      {"/sn", "/snx", "/snx", "/sn/snx", "/sn"},        // another name
      {"/sn", "/sn/x", "", "/sn/sn/x", "/sn"},          // nobody says what was asked for
      {"/a/../b", "/x", "/b/x", "/b/x", ""},            // not as the path has it
      {"/", "/x", "/x", "/x", ""},                      //
      {"", "/x", "/x", "/x", ""},                       //
  };
  for (const Case& each : kCases) {
    Variables variables = with("SCRIPT_NAME", each.script_name);
    for (Variable& variable : variables) {
      if (variable.name == "PATH_INFO") variable.value = each.path_info;
      if (variable.name == "REQUEST_URI") variable.value = each.asked;
    }
    for (bool is_fastcgi : {false, true}) {
      if (is_fastcgi) variables.push_back({"FCGI_ROLE", "RESPONDER"});
      const Read read(variables);
      ASSERT_EQ(read.result.status, 0) << read.result.reason;
      EXPECT_EQ(read.request.path, each.path) << each.script_name << " " << each.path_info;
      const char* expected = is_fastcgi || each.by_others == nullptr ? each.begins_behind : each.by_others;
      EXPECT_EQ(read.request.script_name, expected) << each.script_name << " " << each.path_info;
    }
  }
}

// DOCUMENT_URI is the path as nginx has rewritten it: SCRIPT_NAME, DOCUMENT_URI, REQUEST_URI -> the path.
TEST(VariableReaderTest, ThePathThatNginxHasRewritten) {
  struct Case {
    const char* script_name;
    const char* document_uri;
    const char* asked;
    const char* path;
    const char* begins_behind;
  };
  constexpr Case kCases[] = {
      {"", "/new/x", "/old/x", "/new/x", ""},                           // scgi_params
      {"", "/a%b", "/a%25b", "/a%b", ""},                               // decoded by the web server
      {"", "", "/old/x", "/old/x", ""},                                 //
      {"/shop", "/shop/new/x", "/shop/old/x", "/shop/new/x", "/shop"},  // and a line with SCRIPT_NAME
      {"/shop", "/x", "/shop/x", "/shop/x", "/shop"},                   // which was taken off by `rewrite`
      {"/shop", "/shop", "/shop", "/shop", "/shop"},                    //
  };
  for (const Case& each : kCases) {
    Variables variables = with("SCRIPT_NAME", each.script_name);
    for (Variable& variable : variables) {
      if (variable.name == "PATH_INFO") variable.value = "";
      if (variable.name == "REQUEST_URI") variable.value = each.asked;
    }
    variables.push_back({"DOCUMENT_URI", each.document_uri});
    const Read read(variables);
    ASSERT_EQ(read.result.status, 0) << read.result.reason;
    EXPECT_EQ(read.request.path, each.path) << each.asked;
    EXPECT_EQ(read.request.script_name, each.begins_behind) << each.asked;
    variables.push_back({"SERVER_SOFTWARE", "Apache/2.4.57 (Debian)"});  // where it is of the page around this one
    if (each.script_name[0] == '\0') {
      EXPECT_EQ(Read(variables).request.raw_target, each.asked);
    }
  }
}

Variables of_fastcgi_index(std::string_view script_name, std::string_view document_uri) {
  Variables variables = with("SCRIPT_NAME", script_name);
  for (Variable& variable : variables) {
    if (variable.name == "PATH_INFO") variable.value = "";
    if (variable.name == "REQUEST_URI") variable.value = document_uri;
  }
  variables.push_back({"DOCUMENT_URI", document_uri});
  variables.push_back({"FCGI_ROLE", "RESPONDER"});
  variables.push_back({"SERVER_SOFTWARE", "nginx/1.22.1"});
  return variables;
}

TEST(VariableReaderTest, TheIndexOfNginxIsNoPartOfThePath) {
  for (const char* path : {"/", "/admin/"}) {
    const std::string script_name = std::string(path) + "index.php";
    Variables variables = of_fastcgi_index(script_name, path);
    EXPECT_EQ(Read(variables).request.path, path);
    EXPECT_EQ(Read(variables).request.script_name, "");
    variables.push_back({"PATH_INFO", script_name});  // $fastcgi_script_name
    EXPECT_EQ(Read(variables).request.path, path);
    variables.push_back({"PATH_INFO", "/home"});
    EXPECT_EQ(Read(variables).request.path, script_name + "/home");
  }
  Variables said_again = of_fastcgi_index("/", "/");
  said_again.push_back({"SCRIPT_NAME", "/home"});
  EXPECT_EQ(Read(said_again).request.path, "/home");
  EXPECT_EQ(Read(of_fastcgi_index("/a/b", "/")).request.path, "/a/b");
  EXPECT_EQ(Read(of_fastcgi_index("/index.php", "/index.php")).request.path, "/index.php");
}

TEST(VariableReaderTest, ApachesScgiNamesWholePaths) {
  Variables variables = with("SCRIPT_NAME", "/shop/a b");
  variables.push_back({"SERVER_SOFTWARE", "Apache/2.4.57 (Debian)"});
  for (Variable& variable : variables) {
    if (variable.name == "PATH_INFO") variable.value = "";
  }
  const Read read(variables);
  EXPECT_EQ(read.request.path, "/shop/a b");
  EXPECT_EQ(read.request.script_name, "");
}

TEST(VariableReaderTest, OneOfUsNamesThePlaceOfTheApplicationByFastcgiToo) {
  Variables variables = with("SCRIPT_NAME", "/shop/a b");
  variables.push_back({"SERVER_SOFTWARE", "cutwater"});
  variables.push_back({"FCGI_ROLE", "RESPONDER"});
  for (Variable& variable : variables) {
    if (variable.name == "PATH_INFO") variable.value = "";
  }
  EXPECT_EQ(Read(variables).request.script_name, "/shop/a b");
}

TEST(VariableReaderTest, WhereTheApplicationBeginsIsNotLighttpdsToSay) {
  Variables variables = with("SCRIPT_NAME", "/shop");
  variables.push_back({"SERVER_SOFTWARE", "lighttpd/1.4.69"});
  for (Variable& variable : variables) {
    if (variable.name == "PATH_INFO") variable.value = "/a b";
  }
  const Read read(variables);
  EXPECT_EQ(read.request.path, "/shop/a b");
  EXPECT_EQ(read.request.script_name, "");
  for (Variable& variable : variables) {  // url.rewrite-once = ( "^/(.*)$" => "/shop.fcgi/$1" )
    if (variable.name == "SCRIPT_NAME") variable.value = "/shop.fcgi";
    if (variable.name == "REQUEST_URI") variable.value = "/a%20b?x=1";
  }
  const Read rewritten(variables);
  EXPECT_EQ(rewritten.request.path, "/a b");
  EXPECT_EQ(rewritten.request.script_name, "");
}

TEST(VariableReaderTest, PathsAreNormalisedAndSplitAnywhere) {
  Variables variables = with("PATH_INFO", "/a/../b//c/./%2e");
  EXPECT_EQ(Read(variables).request.path, "/b/c/%2e");  // decoded once, by the web server
  variables.push_back({"SCRIPT_NAME", "/app"});
  EXPECT_EQ(Read(variables).request.path, "/app/b/c/%2e");
  EXPECT_EQ(Read(with("PATH_INFO", "")).request.path, "/shop/a b");
  const Read without(with("REQUEST_URI", ""));
  EXPECT_EQ(without.request.raw_target, "/shop/a%20b?x=%41");
}

// What follows a zero byte would be variables of their own for a server behind us that is asked by SCGI.
TEST(VariableReaderTest, ControlBytesNowhereInTheTarget) {
  for (const char control : {'\0', '\n', '\x7f'}) {
    const std::string end(1, control);
    EXPECT_EQ(Read(with("REQUEST_URI", "http://a:8" + end + "b/x")).result.status, 400);
    EXPECT_TRUE(message::is_field_value(Read(with("REQUEST_URI", "/x?a" + end)).request.raw_target));
  }
  EXPECT_EQ(Read(with("REQUEST_URI", "http://a:8000/x")).result.status, 0);
}

TEST(VariableReaderTest, SchemeAndPort) {
  EXPECT_EQ(Read(with("HTTPS", "on")).request.scheme, "https");
  EXPECT_EQ(Read(with("HTTPS", "off")).request.scheme, "http");
  EXPECT_EQ(Read(with("REQUEST_SCHEME", "https")).request.scheme, "https");
  EXPECT_EQ(Read(with("UWSGI_SCHEME", "https")).request.scheme, "https");
  EXPECT_EQ(Read(with("UWSGI_SCHEME", "wss")).request.scheme, "http");
  EXPECT_EQ(Read(with("HTTP_HOST", "a.example")).request.server_port, 8000);
  EXPECT_EQ(Read(with("HTTP_HOST", "")).request.server_name, "front.example");
  EXPECT_EQ(Read(with("SERVER_PROTOCOL", "HTTP/1.0")).request.version_minor, 0);
  for (const char* no_name : {"", "_", "~^www", "*.example.com"}) {
    Variables variables = with("SERVER_NAME", no_name);
    EXPECT_EQ(Read(variables).request.server_name, "example.com") << no_name;
    for (Variable& variable : variables) {
      if (variable.name == "HTTP_HOST") variable.value = "";
    }
    const Read read(variables);
    EXPECT_EQ(read.result.status, 0) << no_name;
    EXPECT_EQ(read.request.server_name, "") << no_name;
    EXPECT_EQ(read.request.server_port, 8000) << no_name;
  }
}

TEST(VariableReaderTest, NoClientSaysWhatTheServerIsCalled) {
  const Read read(with("HTTP_HOST", "evil.example:81"));
  EXPECT_EQ(read.request.authority, "evil.example:81");
  EXPECT_EQ(read.request.server_name, "front.example");
  EXPECT_EQ(read.request.server_port, 8000);
  EXPECT_EQ(Read(with("SERVER_PORT", "")).request.server_port, 8000);
}

TEST(VariableReaderTest, Body) {
  EXPECT_EQ(Read(with("CONTENT_LENGTH", "12")).request.content_length, 12u);
  EXPECT_EQ(Read(with("CONTENT_LENGTH", "12")).request.framing, message::BodyFraming::kLength);
  EXPECT_EQ(Read(with("CONTENT_LENGTH", "-1")).result.status, 400);
  EXPECT_EQ(Read(with("CONTENT_LENGTH", "1x")).result.status, 400);
  EXPECT_EQ(Read(with("HTTP_CONTENT_LENGTH", "3")).result.status, 400);
  Variables twice = with("CONTENT_LENGTH", "3");
  twice.push_back({"CONTENT_LENGTH", "3"});
  EXPECT_EQ(Read(twice).request.content_length, 3u);
  twice.push_back({"CONTENT_LENGTH", "4"});
  EXPECT_EQ(Read(twice).result.status, 400);
  EXPECT_EQ(Read(with("CONTENT_TYPE", "a/b")).request.headers.get("Content-Type"), "a/b");
}

TEST(VariableReaderTest, ABodyOfUnknownLength) {
  EXPECT_EQ(Read(with("HTTP_TRANSFER_ENCODING", "Chunked")).request.framing, message::BodyFraming::kChunked);
  EXPECT_EQ(Read(with("HTTP_TRANSFER_ENCODING", "")).request.framing, message::BodyFraming::kNone);
  EXPECT_EQ(Read(with("HTTP_TRANSFER_ENCODING", "gzip, chunked")).result.status, 501);
  Variables both = with("HTTP_TRANSFER_ENCODING", "chunked");  // taken in whole by the web server
  both.push_back({"CONTENT_LENGTH", "7"});
  std::erase_if(both,
                [](const Variable& variable) { return variable.name == "CONTENT_LENGTH" && variable.value.empty(); });
  EXPECT_EQ(Read(both).request.framing, message::BodyFraming::kLength);
  EXPECT_EQ(Read(both).request.content_length, 7u);
}

TEST(VariableReaderTest, HopByHopAndHttpoxyAreLeftOut) {
  for (const char* name : {"HTTP_PROXY", "HTTP_CONNECTION", "HTTP_UPGRADE", "HTTP_TRANSFER_ENCODING", "HTTP_TE"})
    EXPECT_EQ(Read(with(name, "x")).request.headers.size(), 3u) << name;
}

// As a field of that name has no variable when it comes by HTTP.
TEST(VariableReaderTest, FieldsWithoutAVariableAreLeftOut) {
  for (const char* name : {"HTTP_a", "HTTP_X.FOO", "HTTP_X-Real-IP", "HTTP_X!"}) {
    const Read read(with(name, "x"));
    EXPECT_EQ(read.result.status, 0) << name;
    EXPECT_EQ(read.request.headers.size(), 3u) << name;
    EXPECT_FALSE(read.request.variables.get(name)) << name;
  }
}

TEST(VariableReaderTest, Refused) {
  const std::pair<const char*, std::string_view> cases[] = {
      {"REQUEST_METHOD", ""},
      {"REQUEST_METHOD", "GET /"},
      {"REQUEST_METHOD", "CONNECT"},
      {"PATH_INFO", "no-slash"},
      {"PATH_INFO", "*"},
      {"PATH_INFO", "/a\nb"},
      {"PATH_INFO", std::string_view("/a\0b", 4)},
      {"HTTP_HOST", "two hosts"},
      {"HTTP_X", "a\r\nSet: b"},
      {"HTTP_X", std::string_view("a\0b", 3)},
      {"HTTP_", "x"},
      {"HTTP_A:B", "x"},
      {"HTTP_X.Y", "a\nb"},
      {"SERVER_PORT", "99999"},
      {"SERVER_PORT", "-1"},
      {"QUERY_STRING", "a\nb"},
      {"CONTENT_TYPE", "a\nb"},
      {"REMOTE_ADDR", "1\n2"},
  };
  for (const auto& [name, value] : cases) {
    const Read read(with(name, value));
    EXPECT_GE(read.result.status, 400) << name << "=" << value;
    EXPECT_STRNE(read.result.reason, "");
  }
  Variables nothing = with("PATH_INFO", "");
  nothing = {nothing.begin(), nothing.begin() + 2};
  EXPECT_EQ(Read(nothing).result.status, 400);
}

TEST(VariableReaderTest, WhatElseIsSaidIsForTheApp) {
  Variables variables = sample();
  for (auto [name, value] : {std::pair("REMOTE_USER", "ann"),
                             {"SSL_CLIENT_CERT", "-----\nx\n"},
                             {"LD_PRELOAD", "/x"},
                             {"wsgi.input", "x"},
                             {"", "x"},
                             {"HTTPS", "off"},
                             {"SCGI", "1"},
                             {"UWSGI_SCHEME", "http"},
                             {"DOCUMENT_URI", "/shop/a b"},
                             {"X-Real-IP", "192.0.2.1"},
                             {"HTTP_X-Y", "x"},
                             {"a b", "x"}}) {
    variables.push_back({name, value});
  }
  variables.push_back({"X", std::string_view("a\0b", 3)});
  const Read read(variables);
  ASSERT_EQ(read.result.status, 0);
  std::vector<std::string> names;
  for (const message::HeaderField& field : read.request.variables) names.emplace_back(field.name);
  EXPECT_EQ(names, (std::vector<std::string>{"DOCUMENT_ROOT", "REMOTE_USER", "SSL_CLIENT_CERT", "LD_PRELOAD",
                                             "UWSGI_SCHEME", "DOCUMENT_URI", "X-Real-IP"}));
  EXPECT_EQ(read.request.variables.get("SSL_CLIENT_CERT"), "-----\nx\n");
}

TEST(VariableReaderTest, TheLastOfANameCounts) {
  Variables variables = sample();
  variables.push_back({"REQUEST_METHOD", "POST"});
  variables.push_back({"SERVER_PORT", "443"});
  variables.push_back({"HTTP_HOST", ""});
  variables.erase(std::find_if(variables.begin(), variables.end(),
                               [](const Variable& variable) { return variable.name == "HTTP_HOST"; }));
  EXPECT_EQ(Read(variables).request.method, "POST");
  EXPECT_EQ(Read(variables).request.server_port, 443);
}

TEST(VariableReaderTest, AnEncodedSlashIsSeenInWhatTheClientSent) {
  EXPECT_FALSE(Read(sample()).request.path_had_encoded_slash);
  EXPECT_TRUE(Read(with("REQUEST_URI", "/shop%2Fa%20b")).request.path_had_encoded_slash);
  EXPECT_TRUE(Read(with("REQUEST_URI", "/shop%2fa%20b")).request.path_had_encoded_slash);
  EXPECT_FALSE(Read(with("REQUEST_URI", "/shop/a%20b?c=%2F")).request.path_had_encoded_slash);
}

TEST(VariableReaderTest, FieldsMayRepeat) {
  Variables variables = sample();
  variables.push_back({"HTTP_X_2ND", "c"});
  const Read read(variables);
  ASSERT_EQ(read.result.status, 0);
  EXPECT_EQ(read.request.headers.get("X-2nd"), "b");
  EXPECT_EQ(read.request.headers.count("X-2nd"), 2u);
  for (const char* once : {"HTTP_HOST", "HTTP_AUTHORIZATION"}) {
    variables = sample();
    variables.push_back({once, "a"});
    variables.push_back({once, "a"});
    EXPECT_EQ(Read(variables).result.status, 400) << once;
  }
}

}  // namespace
}  // namespace cutwater::codec

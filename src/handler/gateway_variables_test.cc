// The request as servers behind us get it by FastCGI, SCGI and uwsgi.
#include "handler/gateway_variables.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "codec/cgi_variables/variable_reader.h"
#include "handler/gateway_protocol.h"

namespace cutwater::handler {
namespace {

message::Request sample(std::string_view path) {
  message::Request request;
  request.method = "GET";
  request.path = path;
  request.raw_target = "/raw?q";
  request.query = "q";
  request.scheme = "https";
  request.authority = request.server_name = "a.example";
  request.server_port = 443;
  request.remote_address = "192.0.2.1";
  return request;
}

std::string value_of(const GatewayVariables& variables, std::string_view name) {
  int found = 0;
  std::string value = "none";
  for (const codec::Variable& variable : variables.list()) {
    if (variable.name != name) continue;
    ++found;
    value = variable.value;
  }
  EXPECT_LE(found, 1) << name;
  return value;
}

TEST(GatewayVariables, WithoutAScript) {
  message::Request request = sample("/shop/a b");
  request.headers.add("Expect", "100-continue");
  request.headers.add("Proxy", "evil");
  request.headers.add("CDN-Loop", "other");
  request.headers.add("x-sendfile-type", "X-Accel-Redirect");
  request.headers.add("X-Accel-Mapping", "/=/x/");
  const GatewayVariables variables(request, 5, {"/shop", "cutwater-1", nullptr});
  EXPECT_EQ(value_of(variables, "SCRIPT_NAME"), "/shop");
  EXPECT_EQ(value_of(variables, "PATH_INFO"), "/a b");
  EXPECT_EQ(value_of(variables, "DOCUMENT_URI"), "/shop/a b");
  EXPECT_EQ(value_of(variables, "CONTENT_LENGTH"), "5");
  EXPECT_EQ(value_of(variables, "HTTPS"), "on");
  EXPECT_EQ(value_of(variables, "REQUEST_SCHEME"), "https");
  EXPECT_EQ(value_of(variables, "HTTP_CDN_LOOP"), "other, cutwater-1");
  for (const char* name : {"HTTP_EXPECT", "HTTP_PROXY", "HTTP_X_SENDFILE_TYPE", "HTTP_X_ACCEL_MAPPING",
                           "SCRIPT_FILENAME", "DOCUMENT_ROOT", "PATH_TRANSLATED"}) {
    EXPECT_EQ(value_of(variables, name), "none") << name;
  }
}

// Which may decide by who the client is.
TEST(GatewayVariables, AnAuthorizerIsNotToldWhatAStrangerSaysOfItself) {
  message::Request request = sample("/a");
  for (const char* name : {"X-Forwarded-For", "x-real-ip", "Forwarded", "Via", "Accept"}) {
    request.headers.add(name, "said");
  }
  request.has_unbelieved_forwarding = true;
  VariableOptions options{"", "cutwater-1", nullptr};
  const GatewayVariables of_responder(request, std::nullopt, options);
  options.authorizer = true;
  const GatewayVariables of_authorizer(request, std::nullopt, options);
  for (const char* name : {"HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA"}) {
    EXPECT_EQ(value_of(of_responder, name), "said") << name;
    EXPECT_EQ(value_of(of_authorizer, name), "none") << name;
  }
  EXPECT_EQ(value_of(of_authorizer, "HTTP_ACCEPT"), "said");
}

TEST(GatewayVariables, WhereAWebServerInFrontHasSaidThatTheApplicationBegins) {
  message::Request request = sample("/app/x");
  request.script_name = request.path.substr(0, 4);
  const GatewayVariables said(request, 5, {"", "cutwater-1", nullptr});
  EXPECT_EQ(value_of(said, "SCRIPT_NAME"), "/app");
  EXPECT_EQ(value_of(said, "PATH_INFO"), "/x");
  const GatewayVariables stripped(request, 5, {"/app/x", "cutwater-1", nullptr});
  EXPECT_EQ(value_of(stripped, "SCRIPT_NAME"), "/app/x");
  EXPECT_EQ(value_of(stripped, "PATH_INFO"), "");
}

TEST(GatewayVariables, TheTargetOfAProxysClient) {
  message::Request request = sample("/a");
  for (const auto& [raw, seen] : {std::pair("http://b.example/a?q", "/a?q"),
                                  {"http://b.example?", "/?"},
                                  {"http://b.example", "/"},
                                  {"/raw?q", "/raw?q"}}) {
    request.raw_target = raw;
    EXPECT_EQ(value_of(GatewayVariables(request, 5, {"", "cutwater-1", nullptr}), "REQUEST_URI"), seen);
  }
}

TEST(GatewayVariables, WithAScript) {
  const message::Request request = sample("/app/dir/");
  const Script script{"/srv/php", "/app/dir/index.php", "/dir/index.php", ""};
  const GatewayVariables variables(request, std::nullopt, {"/app", "cutwater-1", &script});
  EXPECT_EQ(value_of(variables, "SCRIPT_NAME"), "/app/dir/index.php");
  EXPECT_EQ(value_of(variables, "PATH_INFO"), "");
  EXPECT_EQ(value_of(variables, "SCRIPT_FILENAME"), "/srv/php/dir/index.php");
  EXPECT_EQ(value_of(variables, "DOCUMENT_ROOT"), "/srv/php");
  EXPECT_EQ(value_of(variables, "REQUEST_URI"), "/raw?q");
  EXPECT_EQ(value_of(variables, "CONTENT_LENGTH"), "none");
  EXPECT_EQ(value_of(variables, "PATH_TRANSLATED"), "none");
}

TEST(GatewayVariables, WithAScriptAndMoreBehindIt) {
  const message::Request request = sample("/a.php/x/y");
  const Script script{"/srv/php", "/a.php", "/a.php", "/x/y"};
  const GatewayVariables variables(request, std::nullopt, {"", "cutwater-1", &script});
  EXPECT_EQ(value_of(variables, "SCRIPT_NAME"), "/a.php");
  EXPECT_EQ(value_of(variables, "PATH_INFO"), "/x/y");
  EXPECT_EQ(value_of(variables, "PATH_TRANSLATED"), "/srv/php/x/y");
}

// Another Cutwater behind us reads the same request out of them.
TEST(GatewayVariables, AreReadBack) {
  message::Request request = sample("/a b/%");
  request.headers.add("Host", "a.example");
  request.headers.add("X-Mine", "1");
  const GatewayVariables variables(request, std::nullopt, {"", "cutwater-1", nullptr});
  message::Request read;
  std::string storage;
  const codec::VariablesResult result = codec::read_variables(variables.list(), read, storage);
  ASSERT_EQ(result.status, 0) << result.reason;
  EXPECT_EQ(read.path, "/a b/%");
  EXPECT_EQ(read.scheme, "https");
  EXPECT_EQ(read.headers.get("X-Mine"), "1");
  EXPECT_EQ(read.headers.get("CDN-Loop"), "cutwater-1");
  EXPECT_EQ(read.remote_address, "192.0.2.1");
}

// faults.md 112: what makes a netstring of the variables does not count.
TEST(GatewayVariables, ScgiSays65535BytesOfThem) {
  constexpr std::string_view kOfEachRequest("CONTENT_LENGTH\0000\0SCGI\0001\0", 24);
  const auto fits = [&](size_t bytes) {
    const std::string value(bytes - kOfEachRequest.size() - 3, 'x');  // with its name and two zero bytes
    const auto head =
        variables_head(GatewayProtocol::kScgi, {{"A", value}}, 0, codec::fastcgi::Role::kResponder, false);
    if (head) {
      EXPECT_TRUE(head->starts_with(std::to_string(bytes) + ":"));
    }
    return head.has_value();
  };
  EXPECT_TRUE(fits(65535));
  EXPECT_FALSE(fits(65536));
}

}  // namespace
}  // namespace cutwater::handler

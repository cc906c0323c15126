#include "codec/cgi_variables/known_variables.h"

#include <gtest/gtest.h>

#include <string>

namespace cutwater::codec {
namespace {

TEST(KnownVariables, FindsEachByItsName) {
  EXPECT_EQ(known_variable("REQUEST_METHOD"), KnownVariable::kRequestMethod);
  EXPECT_EQ(known_variable("REQUEST_URI"), KnownVariable::kRequestUri);
  EXPECT_EQ(known_variable("REQUEST_SCHEME"), KnownVariable::kRequestScheme);
  EXPECT_EQ(known_variable("DOCUMENT_URI"), KnownVariable::kDocumentUri);
  EXPECT_EQ(known_variable("UWSGI_SCHEME"), KnownVariable::kUwsgiScheme);
  EXPECT_EQ(known_variable("SCRIPT_NAME"), KnownVariable::kScriptName);
  EXPECT_EQ(known_variable("PATH_INFO"), KnownVariable::kPathInfo);
  EXPECT_EQ(known_variable("QUERY_STRING"), KnownVariable::kQueryString);
  EXPECT_EQ(known_variable("CONTENT_TYPE"), KnownVariable::kContentType);
  EXPECT_EQ(known_variable("CONTENT_LENGTH"), KnownVariable::kContentLength);
  EXPECT_EQ(known_variable("SERVER_NAME"), KnownVariable::kServerName);
  EXPECT_EQ(known_variable("SERVER_PORT"), KnownVariable::kServerPort);
  EXPECT_EQ(known_variable("SERVER_PROTOCOL"), KnownVariable::kServerProtocol);
  EXPECT_EQ(known_variable("SERVER_SOFTWARE"), KnownVariable::kServerSoftware);
  EXPECT_EQ(known_variable("REMOTE_ADDR"), KnownVariable::kRemoteAddr);
  EXPECT_EQ(known_variable("REMOTE_PORT"), KnownVariable::kRemotePort);
  EXPECT_EQ(known_variable("HTTPS"), KnownVariable::kHttps);
  EXPECT_EQ(known_variable("SCGI"), KnownVariable::kScgi);
  EXPECT_EQ(known_variable("HTTP_HOST"), KnownVariable::kHost);
  EXPECT_EQ(known_variable("HTTP_AUTHORIZATION"), KnownVariable::kAuthorization);
  EXPECT_EQ(known_variable("HTTP_SEC_WEBSOCKET_KEY"), KnownVariable::kWebSocketKey);
  EXPECT_EQ(known_variable("HTTP_TRANSFER_ENCODING"), KnownVariable::kTransferEncoding);
  EXPECT_EQ(known_variable("HTTP_CONTENT_LENGTH"), KnownVariable::kHttpContentLength);
}

TEST(KnownVariables, LeavesOutTheFieldsBetweenClientAndWebServer) {
  for (const char* name : {"HTTP_CONNECTION", "HTTP_PROXY_CONNECTION", "HTTP_KEEP_ALIVE", "HTTP_TE", "HTTP_TRAILER",
                           "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE", "HTTP_PROXY", "HTTP_EXPECT", "HTTP_CONTENT_TYPE",
                           "HTTP_CONTENT_LENGTH"}) {
    EXPECT_TRUE(is_left_out(known_variable(name))) << name;
  }
  for (const char* name : {"HTTP_HOST", "HTTP_AUTHORIZATION", "HTTP_ACCEPT", "DOCUMENT_ROOT"}) {
    EXPECT_FALSE(is_left_out(known_variable(name))) << name;
  }
}

// What falls on the place of a known name, or nearly is one.
TEST(KnownVariables, KnowsNoOtherName) {
  const std::string known = "REQUEST_METHOD";
  for (size_t i = 0; i < known.size(); ++i) {
    std::string other = known;
    other.at(i) = static_cast<char>(other.at(i) ^ 1);
    EXPECT_EQ(known_variable(other), KnownVariable::kOther) << other;
    EXPECT_EQ(known_variable(known.substr(0, i)), KnownVariable::kOther);
    EXPECT_EQ(known_variable(known + known.substr(i)), KnownVariable::kOther);
  }
  EXPECT_EQ(known_variable("request_method"), KnownVariable::kOther);
  EXPECT_EQ(known_variable(""), KnownVariable::kOther);
}

TEST(KnownVariables, TheLastOfAName) {
  KnownVariables variables;
  for (const Variable& variable : {Variable{"HTTPS", "on"}, {"X", "1"}, {"HTTPS", "off"}}) variables.note(variable);
  EXPECT_EQ(variables.last(KnownVariable::kHttps), "off");
  EXPECT_EQ(variables.count(KnownVariable::kHttps), 2U);
  EXPECT_EQ(variables.last(KnownVariable::kHost), "");
  EXPECT_EQ(variables.count(KnownVariable::kHost), 0U);
}

}  // namespace
}  // namespace cutwater::codec

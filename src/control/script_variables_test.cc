#include "control/script_variables.h"

#include <gtest/gtest.h>

namespace cutwater::control {
namespace {

TEST(ScriptVariables, OfAnyRequestAreThoseThatWebServersGiveScripts) {
  for (const char* name : {"REMOTE_USER", "AUTH_TYPE", "SSL_CLIENT_S_DN", "HTTP_X_PROXY", "HTTPS", "PATH_INFO"})
    EXPECT_TRUE(is_request_variable(name)) << name;
  for (const char* name : {"X_ROLE", "remote_user", "HTTP_A-B", "HTTP_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "PATH",
                           "LD_PRELOAD", "PYTHONPATH", ""})
    EXPECT_FALSE(is_request_variable(name)) << name;
}

TEST(ScriptVariables, WhatIsObeyed) {
  for (const char* name :
       {"LD_PRELOAD", "PATH",    "IFS",          "ENV",       "BASH_ENV",         "BASH_FUNC_ls", "PYTHONPATH",
        "PERL5LIB",   "RUBYOPT", "NODE_OPTIONS", "PHPRC",     "PHP_INI_SCAN_DIR", "GCONV_PATH",   "GLIBC_TUNABLES",
        "TMPDIR",     "HOME",    "https_proxy",  "ALL_PROXY", "_JAVA_OPTIONS",    "OPENSSL_CONF", "ld_preload"})
    EXPECT_TRUE(is_obeyed_variable(name)) << name;
  for (const char* name : {"REMOTE_USER", "X_ROLE", "TENANT", "TERMS_ACCEPTED", "USER_ID", "HOMEPAGE", "X_PROXY", ""})
    EXPECT_FALSE(is_obeyed_variable(name)) << name;
}

}  // namespace
}  // namespace cutwater::control

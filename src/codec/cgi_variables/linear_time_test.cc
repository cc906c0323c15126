// Fields made to be dear (faults.md 41, 42): twice as many take at most twice the time, from a request to variables and
// back.
#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "base/linear_time_test_support.h"
#include "codec/cgi_variables/cgi_variables.h"
#include "codec/cgi_variables/variable_reader.h"

namespace cutwater::codec {
namespace {

enum class Names { kDifferent, kEqual, kHalf };

std::string name_of(Names names, size_t number, std::string_view begin) {
  const bool own = names == Names::kDifferent || (names == Names::kHalf && number % 2 == 0);
  return std::string(begin) + (own ? std::to_string(number) : "A");
}

struct ManyFields {
  ManyFields(size_t count, Names kind) {
    for (size_t i = 0; i < count; ++i) names.push_back(name_of(kind, i, "X-Field-"));
    for (const std::string& name : names) request.headers.add(name, "value");
    request.method = "GET";
    request.path = request.raw_target = "/";
    request.server_name = "a";
  }
  std::deque<std::string> names;
  message::Request request;
};

TEST(LinearTime, FieldsToVariables) {
  for (Names kind : {Names::kDifferent, Names::kEqual, Names::kHalf}) {
    auto make = [kind](size_t count) { return ManyFields(count, kind); };
    auto write = [](const ManyFields& fields) {
      Variables variables;
      std::string storage;
      cgi_variables(fields.request, {}, {}, std::nullopt, variables, storage);
      size_t bytes = 0;
      for (const Variable& variable : variables) bytes += variable.value.size();
      if (bytes < fields.names.size() * 5) ADD_FAILURE();
    };
    EXPECT_LT(base::growth_when_doubled(2'500, make, write), base::kLinear) << static_cast<int>(kind);
  }
}

struct ManyVariables {
  ManyVariables(size_t count, Names kind) {
    for (size_t i = 0; i < count; ++i) names.push_back(name_of(kind, i, "HTTP_X_"));
    variables = {{"REQUEST_METHOD", "GET"}, {"PATH_INFO", "/"}, {"HTTP_HOST", "a"}};
    for (const std::string& name : names) variables.push_back({name, "value"});
  }
  std::deque<std::string> names;
  Variables variables;
};

TEST(LinearTime, VariablesToFields) {
  for (Names kind : {Names::kDifferent, Names::kEqual, Names::kHalf}) {
    auto make = [kind](size_t count) { return ManyVariables(count, kind); };
    auto read = [](const ManyVariables& many) {
      message::Request request;
      std::string storage;
      if (read_variables(many.variables, request, storage).status != 0) ADD_FAILURE();
    };
    EXPECT_LT(base::growth_when_doubled(2'500, make, read), base::kLinear) << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace cutwater::codec

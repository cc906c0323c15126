#include "app/front_routes.h"

#include <gtest/gtest.h>

#include "message/grammar.h"

namespace cutwater::app {
namespace {

// Two in containers of one pod have the same host name and process number: either would take what comes from the other
// for its own.
TEST(InstanceName, IsATokenThatNoOtherHas) {
  const std::string name = make_instance_name();
  EXPECT_TRUE(message::is_token(name)) << name;
  EXPECT_NE(name, make_instance_name());
}

}  // namespace
}  // namespace cutwater::app

#include "supervise/python_command.h"

#include <gtest/gtest.h>

namespace cutwater::supervise {
namespace {

constexpr std::string_view kPath = "/nowhere:/bin:/usr/bin";

TEST(PythonCommand, OfFirstLines) {
  using Words = PythonCommand;
  EXPECT_EQ(python_of_line("#!/usr/bin/python3", kPath), Words{"/usr/bin/python3"});
  EXPECT_EQ(python_of_line("#! /srv/venv/bin/python3.12 ", kPath), Words{"/srv/venv/bin/python3.12"});
  EXPECT_EQ(python_of_line("#!/usr/bin/python3 -u", kPath), (Words{"/usr/bin/python3", "-u"}));
  EXPECT_EQ(python_of_line("#!/usr/bin/python -EsB", kPath), (Words{"/usr/bin/python", "-EsB"}));
  EXPECT_EQ(python_of_line("#!/usr/bin/python -IWignore::DeprecationWarning", kPath),
            (Words{"/usr/bin/python", "-IWignore::DeprecationWarning"}));
  EXPECT_EQ(python_of_line("#!/usr/bin/python -Xutf8", kPath), (Words{"/usr/bin/python", "-Xutf8"}));
}

TEST(PythonCommand, ByEnv) {
  const auto found = python_of_line("#!/usr/bin/env python3", kPath);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size(), 1U);
  EXPECT_TRUE(found->front().ends_with("/python3"));
  const auto split = python_of_line("#!/usr/bin/env -S python3 -u", kPath);
  ASSERT_TRUE(split);
  EXPECT_EQ(split->back(), "-u");
  EXPECT_FALSE(python_of_line("#!/usr/bin/env python3 -u", kPath));
  EXPECT_FALSE(python_of_line("#!/usr/bin/env -S A=b python3", kPath));
  EXPECT_FALSE(python_of_line("#!/usr/bin/env -S python3 -u -B", kPath));
  EXPECT_FALSE(python_of_line("#!/usr/bin/env python3", "/nowhere"));
}

TEST(PythonCommand, WhatIsNone) {
  for (std::string_view line : {"", "python3", "#!", "#!/bin/sh", "#!/usr/bin/python2", "#!/usr/bin/python3-config",
                                "#!/usr/bin/pypy3", "#!python3", "#!/usr/bin/python3 -m cgi", "#!/usr/bin/python3 -i",
                                "#!/usr/bin/python3 -x", "#!/usr/bin/python3 -", "#!/usr/bin/python3 -W",
                                "#!/usr/bin/python3 -u -B", "#!/usr/bin/python3 script", "#!/usr/bin/python3\r"}) {
    EXPECT_FALSE(python_of_line(line, kPath)) << line;
  }
}

}  // namespace
}  // namespace cutwater::supervise

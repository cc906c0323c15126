#include "config/interpreter.h"

#include <gtest/gtest.h>

#include "config/test_folder.h"
#include "config/virtual_environment.h"

namespace cutwater::config {
namespace {

class FindInterpreter : public testing::Test {
 protected:
  FindInterpreter() : environment_(folder_.path()) {
    folder_.program("bin/python3").file("site/app.py");
    app_.name = "web";
    app_.root = folder_.at("site");
  }

  // The path below the folder, or the first error.
  std::string find(const std::string& setting = "") {
    Reporter reporter;
    app_.python_setting = setting;
    auto found = find_interpreter(app_, folder_.path(), reporter);
    if (found) return found->path.substr(folder_.path().size() + 1);
    Diagnostic diagnostic = reporter.take().at(0);
    return diagnostic.code + " " + diagnostic.text;
  }

  TestFolder folder_;
  TestEnvironment environment_;
  App app_;
};

TEST_F(FindInterpreter, Order) {
  EXPECT_EQ(find(), "bin/python3");
  folder_.program("home/.pyenv/versions/3.12.1/bin/python").program("home/.pyenv/versions/3.12.9/bin/python");
  folder_.program("home/.pyenv/versions/3.12.10/bin/python").file("site/.python-version", "# x\n3.12\n");
  EXPECT_EQ(find(), "home/.pyenv/versions/3.12.10/bin/python");
  folder_.program("conda/bin/python");
  environment_.set("CONDA_PREFIX", folder_.at("conda"));
  EXPECT_EQ(find(), "conda/bin/python");
  folder_.environment("site/uvenv");
  environment_.set("UV_PROJECT_ENVIRONMENT", "uvenv");
  EXPECT_EQ(find(), "site/uvenv/bin/python");
  folder_.environment("active");
  environment_.set("VIRTUAL_ENV", folder_.at("active"));
  EXPECT_EQ(find(), "active/bin/python");
  folder_.environment(".venv");
  EXPECT_EQ(find(), ".venv/bin/python") << "in a parent, up to the repository's root";
  folder_.environment("site/env");
  EXPECT_EQ(find(), "site/env/bin/python");
  folder_.environment("site/venv");
  EXPECT_EQ(find(), "site/venv/bin/python");
  folder_.environment("site/.venv");
  EXPECT_EQ(find(), "site/.venv/bin/python");
}

TEST_F(FindInterpreter, Setting) {
  folder_.environment("special").environment("site/own");
  EXPECT_EQ(find("special"), "special/bin/python");
  EXPECT_EQ(find("own"), "site/own/bin/python");
  EXPECT_EQ(find(folder_.at("special")), "special/bin/python");
  EXPECT_EQ(find("special/bin/python"), "special/bin/python");
  EXPECT_EQ(find("python3"), "bin/python3");
  EXPECT_EQ(find("none"), "CW0202 app.web.python: " + folder_.at("none") +
                              " is neither a virtual environment nor an interpreter\n"
                              "  fix: correct it, or remove it to let Cutwater discover the interpreter");
}

TEST_F(FindInterpreter, Version) {
  folder_.program("home/.pyenv/versions/3.12.1/bin/python").program("bin/python3.13");
  EXPECT_EQ(find("3.12"), "home/.pyenv/versions/3.12.1/bin/python");
  EXPECT_EQ(find("3.12.1"), "home/.pyenv/versions/3.12.1/bin/python");
  EXPECT_EQ(find("3.13"), "bin/python3.13");
  EXPECT_TRUE(find("3.14").starts_with("CW0202 app.web.python: no Python 3.14 under"));
  EXPECT_TRUE(find("3.12.2").starts_with("CW0202"));
  EXPECT_TRUE(find("3.8").starts_with("CW0204 app.web.python: 3.8 is too old"));
}

TEST_F(FindInterpreter, LinksAreKept) {
  folder_.program("usr/python3.11").environment("site/.venv");
  std::filesystem::remove(folder_.at("site/.venv/bin/python"));
  std::filesystem::create_symlink(folder_.at("usr/python3.11"), folder_.at("site/.venv/bin/python"));
  EXPECT_EQ(find(), "site/.venv/bin/python");
}

TEST_F(FindInterpreter, BrokenEnvironmentIsNotSkipped) {
  folder_.file("site/.venv/pyvenv.cfg", "home = /opt/py3.11-gone/bin\nversion_info = 3.11.4\r\n");
  std::filesystem::create_directories(folder_.at("site/.venv/bin"));
  std::filesystem::create_symlink("/opt/py3.11-gone/bin/python3", folder_.at("site/.venv/bin/python"));
  EXPECT_EQ(find(), "CW0203 " + folder_.at("site/.venv") +
                        " is broken: made with /opt/py3.11-gone/bin, which no longer exists\n"
                        "  fix: python3 -m venv --clear site/.venv");
  folder_.file("site/uv.lock");
  EXPECT_NE(find().find("fix: uv venv --clear && uv sync"), std::string::npos);
  EXPECT_EQ(environment_version(folder_.at("site/.venv")), "3.11.4");
}

TEST_F(FindInterpreter, TooOldEnvironment) {
  folder_.environment("site/.venv", "3.8.10");
  EXPECT_TRUE(find().starts_with("CW0204 site/.venv has Python 3.8.10; Cutwater needs 3.9 or newer"));
}

TEST_F(FindInterpreter, ShimsAreSeenThrough) {
  environment_.set("PATH", folder_.at("home/.pyenv/shims") + ":relative:" + folder_.at("bin"));
  folder_.program("home/.pyenv/shims/python3");
  EXPECT_EQ(find(), "bin/python3");
  folder_.file("home/.pyenv/version", "3.10.4\n").program("home/.pyenv/versions/3.10.4/bin/python");
  EXPECT_EQ(find(), "home/.pyenv/versions/3.10.4/bin/python");
}

TEST_F(FindInterpreter, PathIsTheLastResortAndSaysWhatWasPassedOver) {
  folder_.file("site/.python-version", "3.12\n");
  environment_.set("VIRTUAL_ENV", folder_.at("gone"));
  Reporter reporter;
  auto found = find_interpreter(app_, folder_.path(), reporter);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, folder_.at("bin/python3"));
  const std::vector<Diagnostic> told = reporter.take();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_FALSE(told[0].is_error);
  EXPECT_EQ(told[0].code + " " + told[0].text,
            "CW0207 app.web: no virtual environment in site; python3 on PATH is used\n"
            "  $VIRTUAL_ENV is " +
                folder_.at("gone") +
                ", where no Python is\n"
                "  site/.python-version asks for 3.12, which is not under " +
                folder_.at("home/.pyenv/versions") +
                "\n"
                "  fix: python3 -m venv .venv, or set python");
}

TEST_F(FindInterpreter, VersionFileThatAsksForAnOldOne) {
  folder_.program("home/.pyenv/versions/3.7.16/bin/python").file("site/.python-version", "3.7.16\n");
  EXPECT_TRUE(
      find().starts_with("CW0204 site/.python-version asks for Python 3.7.16; Cutwater needs 3.9 or newer\n  fix: "));
}

TEST_F(FindInterpreter, NoneAtAll) {
  environment_.set("PATH", "/nonexistent");
  EXPECT_TRUE(find().starts_with("CW0201 no Python for the app web"));
}

TEST(VirtualEnvironment, Versions) {
  for (const char* old : {"2.7.18", "3.8", "3.8.18"}) EXPECT_TRUE(is_too_old(old)) << old;
  for (const char* fine : {"3.9", "3.13.0", "3.14.0a1", "4.0", "", "3", "pypy3.9-7.3"})
    EXPECT_FALSE(is_too_old(fine)) << fine;
}

}  // namespace
}  // namespace cutwater::config

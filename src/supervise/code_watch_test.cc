#include "supervise/code_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "supervise/app_test_support.h"

namespace cutwater::supervise {
namespace {

using std::chrono::milliseconds;

class CodeWatchTest : public AppTest {
 protected:
  CodeWatchTest() : watch_(loop, log, [this](const std::string& path, base::Instant) { changes_.push_back(path); }) {}
  void write(const std::string& path) {
    std::filesystem::create_directories(std::filesystem::path(spec.root + "/" + path).parent_path());
    std::ofstream(spec.root + "/" + path) << "text";
  }
  std::vector<std::string> changes_after(base::Duration span) {
    changes_.clear();
    run_for(span);
    return changes_;
  }
  using Paths = std::vector<std::string>;
  static constexpr base::Duration kLong = milliseconds(1300);

  std::vector<std::string> changes_;
  CodeWatch watch_;
};

TEST_F(CodeWatchTest, TellsOnceAfterQuiet) {
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root});
  for (int i = 0; i < 4; ++i) {
    write("views.py");
    EXPECT_EQ(changes_after(milliseconds(400)), Paths{});
  }
  EXPECT_EQ(changes_after(kLong), Paths{"views.py"});
  EXPECT_EQ(changes_after(kLong), Paths{});
}

TEST_F(CodeWatchTest, IgnoresWhatIsNoCode) {
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root});
  for (const char* name :
       {"db.sqlite3", "db.sqlite3-journal", ".views.py.swp", "views.pyc", "upload.png", ".env", "notes.txt"}) {
    write(name);
  }
  EXPECT_EQ(changes_after(kLong), Paths{});
}

TEST_F(CodeWatchTest, SeesMailTemplates) {
  std::filesystem::create_directories(spec.root + "/shop/templates/mail");
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root + "/shop/templates/mail"});
  write("shop/templates/mail/welcome.txt");
  EXPECT_EQ(changes_after(kLong), Paths{"shop/templates/mail/welcome.txt"});
}

TEST_F(CodeWatchTest, AnyTextIsATemplateWhereTemplatesAre) {
  std::filesystem::create_directories(spec.root + "/pages");
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root + "/pages"}, {spec.root + "/pages"});
  for (const char* name : {"pages/feed.xml", "pages/theme.css", "pages/home.pt", "pages/new/notes.md"}) {
    write(name);
    EXPECT_EQ(changes_after(kLong), Paths{name});
  }
  for (const char* name :
       {"pages/upload.png", "pages/4913", "pages/feed.xml~", "pages/.feed.xml.swp", "pages2/a.txt"}) {
    write(name);
  }
  EXPECT_EQ(changes_after(kLong), Paths{});
}

TEST_F(CodeWatchTest, OnlyWholeNamesBelowTheRootMeanTemplates) {
  spec.root = folder_ + "/templates/shop";
  std::filesystem::create_directories(spec.root + "/templates_old");
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root, spec.root + "/templates_old"});
  write("orders.txt");
  write("templates_old/orders.txt");
  EXPECT_EQ(changes_after(kLong), Paths{});
  write("templates/mail.txt");
  EXPECT_EQ(changes_after(kLong), Paths{"templates/mail.txt"});
}

TEST_F(CodeWatchTest, ADeploymentIsWrittenOrTouchedNotRemoved) {
  std::filesystem::create_directories(spec.root + "/tmp");
  const std::string path = spec.root + "/tmp/restart.txt";
  write("tmp/restart.txt");
  watch_.watch(CodeWatch::Mode::kDeploy, spec.root, {});
  chmod(path.c_str(), 0600);
  EXPECT_EQ(changes_after(kLong), Paths{});
  utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
  watch_.watch(CodeWatch::Mode::kDeploy, spec.root, {});  // a reload, before that is seen
  EXPECT_EQ(changes_after(kLong), Paths{"tmp/restart.txt"});
  chmod(path.c_str(), 0644);
  std::filesystem::rename(path, path + "~");
  std::filesystem::remove(path + "~");
  EXPECT_EQ(changes_after(kLong), Paths{});
  write("tmp/restart.txt");
  EXPECT_EQ(changes_after(kLong), Paths{"tmp/restart.txt"});
  std::filesystem::remove(path);
  EXPECT_EQ(changes_after(kLong), Paths{});
}

TEST_F(CodeWatchTest, WhatIsLeftOutIsToldOnce) {
  watch_.watch(CodeWatch::Mode::kDeploy, spec.root, {});
  watch_.tell_left_out(spec.root + "/data/1");
  EXPECT_TRUE(log.lines.empty());
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {});
  watch_.tell_left_out(spec.root + "/data/1");
  watch_.tell_left_out(spec.root + "/data/2");
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_TRUE(log.has("CW0530 not every change of code is seen")) << log.all();
  EXPECT_TRUE(log.has("one folder that is left out is " + spec.root + "/data/1")) << log.all();
}

TEST_F(CodeWatchTest, SeesEditorsThatReplaceFiles) {
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root}, {}, {spec.root + "/page.html"});
  write("new~");
  std::filesystem::rename(spec.root + "/new~", spec.root + "/page.html");
  EXPECT_EQ(changes_after(kLong), Paths{"page.html"});
  std::filesystem::remove(spec.root + "/page.html");
  EXPECT_EQ(changes_after(kLong), Paths{"page.html"});
}

// They may be what the app writes; who adds a template changes code that uses it.
TEST_F(CodeWatchTest, OfPagesThoseThatWereThereMatterAndAmongTemplatesAll) {
  write("pages/there.html");
  write("shop/templates/there.html");
  write("signs/there.html");
  const std::string pages = spec.root + "/pages";
  watch_.watch(CodeWatch::Mode::kCode, spec.root,
               {spec.root, pages, spec.root + "/shop/templates", spec.root + "/signs"}, {},
               {pages + "/there.html", spec.root + "/signs/"});
  write("pages/new.html");
  write("new.html");
  write("job-1/out.html");
  EXPECT_EQ(changes_after(kLong), Paths{});
  write("pages/there.html");
  EXPECT_EQ(changes_after(kLong), Paths{"pages/there.html"});
  write("signs/new.html");
  EXPECT_EQ(changes_after(kLong), Paths{"signs/new.html"});
  write("shop/templates/new.html");
  EXPECT_EQ(changes_after(kLong), Paths{"shop/templates/new.html"});
}

TEST_F(CodeWatchTest, SeesNewPackages) {
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root});
  write("cart/admin/models.py");
  EXPECT_EQ(changes_after(kLong), Paths{"cart/admin/models.py"});
  write("cart/admin/models.py");
  EXPECT_EQ(changes_after(kLong), Paths{"cart/admin/models.py"});
}

TEST_F(CodeWatchTest, LeavesOutForeignFolders) {
  for (const char* folder : {"node_modules/x", ".venv/lib", "static", "media", "shop"}) {
    std::filesystem::create_directories(spec.root + "/" + folder);
  }
  watch_.watch(CodeWatch::Mode::kCode, spec.root,
               {spec.root, spec.root + "/node_modules/x", spec.root + "/.venv/lib", spec.root + "/static", "/usr",
                spec.root + "/media", spec.root + "/shop", spec.root + "/../outside", spec.root + "/nowhere"});
  EXPECT_EQ(watch_.folders().size(), 2u);
}

TEST_F(CodeWatchTest, PackagesMayBeCalledAsEnvironmentsAre) {
  std::filesystem::create_directories(spec.root + "/env");
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root, spec.root + "/env"});
  write("env/models.py");
  EXPECT_EQ(changes_after(kLong), Paths{"env/models.py"});
  write("venv/models.py");  // new, and no environment
  EXPECT_EQ(changes_after(kLong), Paths{"venv/models.py"});
}

TEST_F(CodeWatchTest, LeavesOutEnvironmentsWhateverTheirName) {
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root});
  std::filesystem::create_directories(spec.root + "/python/bin");
  run_for(milliseconds(50));
  write("python/pyvenv.cfg");
  run_for(milliseconds(50));
  write("python/bin/tool.py");
  EXPECT_EQ(changes_after(kLong), Paths{});
  std::filesystem::create_directories(folder_ + "/made/bin");
  std::ofstream(folder_ + "/made/pyvenv.cfg");
  std::ofstream(folder_ + "/made/bin/tool.py");
  std::filesystem::rename(folder_ + "/made", spec.root + "/moved");
  EXPECT_EQ(changes_after(kLong), Paths{});
  EXPECT_EQ(watch_.folders(), Paths{spec.root});
}

TEST_F(CodeWatchTest, SeesAnotherRootByTheSameLink) {
  const std::string link = folder_ + "/link";
  std::filesystem::create_directories(folder_ + "/other/tmp");
  std::ofstream(folder_ + "/other/tmp/restart.txt");
  std::filesystem::create_directory_symlink("root", link);
  for (const auto mode : {CodeWatch::Mode::kCode, CodeWatch::Mode::kDeploy}) {
    watch_.watch(mode, link, {});
    std::filesystem::remove(link);
    std::filesystem::create_directory_symlink("other", link);
    EXPECT_EQ(changes_after(kLong), mode == CodeWatch::Mode::kDeploy ? Paths{link} : Paths{});  // it holds no code
    EXPECT_EQ(watch_.folders().front(), folder_ + "/other");
    std::filesystem::remove(link);
    std::filesystem::create_directory_symlink("root", link);
    run_for(kLong);
  }
}

TEST_F(CodeWatchTest, DeployModeKnowsItsFiles) {
  watch_.watch(CodeWatch::Mode::kDeploy, spec.root, {});
  write("views.py");
  EXPECT_EQ(changes_after(kLong), Paths{});
  write("tmp/restart.txt");  // the folder is new as well
  run_for(milliseconds(50));
  write("tmp/restart.txt");
  EXPECT_EQ(changes_after(kLong), Paths{"tmp/restart.txt"});
}

TEST_F(CodeWatchTest, ATimeAloneIsADeployButNoChangeOfCode) {
  for (const char* name : {"tmp/restart.txt", "restart.txt", "views.py"}) write(name);
  const auto touch = [this](const char* name) {
    EXPECT_EQ(utimensat(AT_FDCWD, (spec.root + "/" + name).c_str(), nullptr, 0), 0);
  };
  for (const char* name : {"restart.txt", "tmp/restart.txt"}) {
    watch_.watch(CodeWatch::Mode::kDeploy, spec.root, {});
    touch("views.py");
    EXPECT_EQ(changes_after(kLong), Paths{});
    touch(name);
    EXPECT_EQ(changes_after(kLong), Paths{name});
  }
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root});  // some watches stay as they are
  touch("views.py");
  std::filesystem::permissions(spec.root + "/views.py", std::filesystem::perms::owner_read);
  EXPECT_EQ(changes_after(kLong), Paths{});
}

TEST_F(CodeWatchTest, OffIsOff) {
  watch_.watch(CodeWatch::Mode::kCode, spec.root, {spec.root});
  watch_.watch(CodeWatch::Mode::kOff, spec.root, {spec.root});
  write("views.py");
  EXPECT_EQ(changes_after(kLong), Paths{});
  EXPECT_EQ(watch_.folders(), Paths{});
}

}  // namespace
}  // namespace cutwater::supervise

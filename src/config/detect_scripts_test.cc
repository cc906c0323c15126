// Folders of scripts, and the site that each is.
#include "config/detect_scripts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/test_folder.h"

namespace cutwater::config {
namespace {

constexpr char kCgi[] = "#!/usr/bin/env python3\nprint('Content-Type: text/plain')\nprint()\n";

class DetectScripts : public testing::Test {
 protected:
  void executable(const std::string& name, const std::string& text) {
    folder_.file(name, text);
    chmod((folder_.path() + "/" + name).c_str(), 0755);
  }
  bool detect() {
    auto found = detect_scripts(folder_.path(), path_);
    if (found) site_ = std::move(*found);
    return found.has_value();
  }
  bool says(const std::string& text) const {
    for (const std::string& choice : site_.choices) {
      if (choice.find(text) != std::string::npos) return true;
    }
    return false;
  }

  TestFolder folder_;
  std::string path_;
  ScriptSite site_;
};

TEST_F(DetectScripts, NothingOfTheKind) {
  folder_.file("index.html", "x").file("notes.txt", "Content-Type: x").file("tool.sh", "echo hello\n");
  executable("run.py", "#!/usr/bin/env python3\nheaders = {'Content-Type': 'x'}\n");
  EXPECT_FALSE(detect());
}

TEST_F(DetectScripts, CgiBinAndFilesBesideIt) {
  executable("cgi-bin/form.py", kCgi);
  folder_.file("index.html", "x");
  ASSERT_TRUE(detect());
  ASSERT_EQ(site_.routes.size(), 2u);
  EXPECT_EQ(site_.routes[0].path, "/cgi-bin/");
  EXPECT_EQ(site_.routes[0].cgi.root, folder_.path() + "/cgi-bin");
  EXPECT_TRUE(site_.routes[0].cgi.interpreters.empty());
  EXPECT_EQ(site_.routes[1].kind, Route::Kind::kStatic);
  EXPECT_EQ(site_.static_routes.at(0).root, folder_.path());
  EXPECT_TRUE(says("form.py"));
}

TEST_F(DetectScripts, InCgiBinTheEndingSaysWhatRunsAScriptThatCannotStartItself) {
  executable("cgi-bin/one.pl", "#!/usr/bin/perl\n");
  executable("cgi-bin/four.py", "#!/opt/old/python2\nprint 'Content-Type: x'\n");
  executable("cgi-bin/five.py", "print('Content-Type: x')\n");
  folder_.file("cgi-bin/two.py", kCgi).file("cgi-bin/three.txt", "").file("cgi-bin/tool.py", "print(secret)");
  ASSERT_TRUE(detect());
  ASSERT_EQ(site_.routes.size(), 3u);  // without an index.html nothing else is sent
  const std::map<std::string, std::string> python = {{".py", "python3"}};
  EXPECT_EQ(site_.routes[0].path, "/cgi-bin/five.py/");
  EXPECT_EQ(site_.routes[0].cgi.interpreters, python);
  EXPECT_EQ(site_.routes[0].cgi.suffixes, TextList{".py"});
  EXPECT_EQ(site_.routes[1].path, "/cgi-bin/two.py/");
  EXPECT_EQ(site_.routes[1].cgi.interpreters, python);
  EXPECT_EQ(site_.routes[2].path, "/cgi-bin/");
  EXPECT_TRUE(site_.routes[2].cgi.interpreters.empty()) << "not of the whole folder";
  EXPECT_TRUE(site_.routes[2].cgi.suffixes.empty());
  EXPECT_TRUE(says("five.py, two.py by python3, not executable or without a first line #!"));
}

TEST_F(DetectScripts, SaysAtOnceWhatCannotRunAndWhy) {
  executable("cgi-bin/fine.sh", "#!/bin/sh\n");
  executable("cgi-bin/windows.sh", "#!/bin/sh\r\necho\r\n");
  executable("cgi-bin/lost.pl", "#! /no/such/perl -w\n");
  executable("cgi-bin/text.cgi", "just text\n");
  folder_.file("cgi-bin/plain.cgi", "#!/bin/sh\n");
  ASSERT_EQ(symlink("/bin/sh", (folder_.path() + "/cgi-bin/shell").c_str()), 0);
  executable("own.py", "#!/no/such/python3\nprint('Content-Type: text/plain')\n");
  ASSERT_TRUE(detect());
  EXPECT_TRUE(says(
      "scripts: cannot run as they are: lost.pl (its first line names /no/such/perl, which is not there), plain.cgi "
      "(not executable: chmod +x), shell (a link that leads out of the folder), text.cgi (has no first line such as "
      "#!/bin/sh), windows.sh (its first line ends as on Windows: sed -i 's/\\r$//'), own.py (its first line names "
      "/no/such/python3, which is not there)"));
}

TEST_F(DetectScripts, SaysWhatTheUserMayNotRun) {
  if (geteuid() != 0) GTEST_SKIP() << "only as root";
  executable("cgi-bin/mine.sh", "#!/bin/sh\n");
  chmod((folder_.path() + "/cgi-bin/mine.sh").c_str(), 0711);
  ASSERT_TRUE(detect());
  EXPECT_TRUE(says("mine.sh (not for www-data: chmod o+rx)"));
}

TEST_F(DetectScripts, ScriptsInTheFolderItself) {
  executable("index.py", kCgi);
  executable("old.cgi", "#!/bin/sh\n");
  folder_.file("library.py", "x = 1\n").file("later.py", "print('Content-Type: x')\n");
  ASSERT_TRUE(detect());
  ASSERT_EQ(site_.routes.size(), 4u);
  EXPECT_EQ(site_.routes[0].path, "/index.py/");
  EXPECT_EQ(site_.routes[0].cgi.suffixes, TextList{".py"});
  EXPECT_EQ(site_.routes[1].path, "/old.cgi/");
  EXPECT_EQ(site_.routes[2].path, "/");
  EXPECT_TRUE(site_.routes[2].exact);
  EXPECT_EQ(site_.routes[2].cgi.index, "index.py");
  EXPECT_EQ(site_.routes[3].kind, Route::Kind::kStatic);
  EXPECT_TRUE(says("index.py, old.cgi"));
  EXPECT_TRUE(says("later.py would be CGI"));
}

TEST_F(DetectScripts, PhpByAPool) {
  folder_.file("page.php", "<?php").file("index.html", "x");
  executable("bin/php-cgi", "#!/bin/sh\n");
  path_ = "/none:" + folder_.path() + "/bin";
  ASSERT_TRUE(detect());
  ASSERT_EQ(site_.routes.size(), 1u);
  EXPECT_EQ(site_.pools.at(0).command, TextList{folder_.path() + "/bin/php-cgi"});
  EXPECT_EQ(site_.pools[0].processes.min, 0u);
  const ProxyRoute& php = site_.routes[0].proxy;
  EXPECT_EQ(php.pool, "php");
  EXPECT_EQ(php.root, folder_.path());
  EXPECT_EQ(php.files, "true");
  EXPECT_EQ(php.fallback, "");
  EXPECT_TRUE(php.closed.empty());
  folder_.file("data/private/.htaccess", "Require all denied\n").file("open/.htaccess", "Options +Indexes\n");
  ASSERT_TRUE(detect());
  EXPECT_EQ(site_.routes[0].proxy.closed, TextList{"data/private"});
  executable("form.py", kCgi);
  ASSERT_TRUE(detect());
  ASSERT_EQ(site_.routes.size(), 2u);
  EXPECT_EQ(site_.routes[0].path, "/form.py/");
  EXPECT_EQ(site_.routes[1].path, "/");
}

TEST_F(DetectScripts, PhpIsNotRunWhereUploadsAndLibrariesLie) {
  executable("bin/php-cgi", "#!/bin/sh\n");
  path_ = folder_.path() + "/bin";
  folder_.file("index.php", "<?php").file("vendor/style.css", "p { }");
  ASSERT_TRUE(detect());
  const TextList names = {"uploads", "upload", "files", "media", "storage", "cache", "tmp", "vendor"};
  EXPECT_EQ(site_.routes.at(0).proxy.never_run, names);
  EXPECT_TRUE(site_.routes[0].proxy.closed.empty());
  EXPECT_TRUE(says("no script is run in folders of these names or below them"));
  EXPECT_TRUE(says("uploads, upload, files, media, storage, cache, tmp, vendor"));
  folder_.file("vendor/autoload.php", "<?php");
  ASSERT_TRUE(detect());
  EXPECT_EQ(site_.routes.at(0).proxy.closed, TextList{"vendor"});
  EXPECT_TRUE(says("nothing is run or sent of vendor, which is Composer's"));
}

TEST_F(DetectScripts, FrontControllers) {
  executable("bin/php-cgi", "#!/bin/sh\n");
  path_ = folder_.path() + "/bin";
  folder_.file("index.php", "<?php");
  ASSERT_TRUE(detect());
  EXPECT_EQ(site_.routes.at(0).proxy.fallback, "");
  folder_.file(".htaccess", "RewriteRule . /index.php [L]\n");
  ASSERT_TRUE(detect());
  EXPECT_EQ(site_.routes.at(0).proxy.fallback, "/index.php");
  folder_.file("public/index.php", "<?php").file("artisan.php", "<?php");
  ASSERT_TRUE(detect());
  EXPECT_EQ(site_.routes.at(0).proxy.root, folder_.path() + "/public");
  EXPECT_EQ(site_.routes[0].proxy.fallback, "/index.php");
}

TEST_F(DetectScripts, PhpWithoutPhp) {
  folder_.file("page.php", "<?php");
  ASSERT_TRUE(detect());
  EXPECT_TRUE(site_.routes.empty());
  EXPECT_TRUE(says("apt install php-cgi"));
}

TEST_F(DetectScripts, WhatReadsAsCgi) {
  EXPECT_TRUE(is_cgi_source("sys.stdout.write(\"content-type: text/html\\n\")"));
  EXPECT_TRUE(is_cgi_source("from wsgiref.handlers import CGIHandler"));
  EXPECT_TRUE(is_cgi_source("import os\nimport cgi\n"));
  EXPECT_TRUE(is_cgi_source("use CGI qw(:standard);"));
  EXPECT_FALSE(is_cgi_source("requests.get(url, headers={'Content-Type': 'x'})"));
  EXPECT_FALSE(is_cgi_source(""));
}

}  // namespace
}  // namespace cutwater::config

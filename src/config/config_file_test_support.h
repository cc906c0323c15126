// For tests of what a file may say: reads a text as cutwater.toml and gives the messages.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "config/config_file.h"
#include "config/environment.h"
#include "config/test_folder.h"

namespace cutwater::config {

class ConfigFile : public testing::Test {
 protected:
  ConfigFile() : environment_(folder_.path()) {}

  // Reads `text` as cutwater.toml; all messages, one below the other.
  std::string messages(const std::string& text) {
    Reporter reporter;
    config_ = {};
    Document document = parse_document("cutwater.toml", "/srv/shop", text, reporter);
    apply_file(document, document.root, default_listen(reporter), default_app(reporter), config_, reporter);
    failed_ = reporter.failed();
    std::string all;
    for (const Diagnostic& diagnostic : reporter.take()) all += "[" + diagnostic.code + "] " + diagnostic.text + "\n";
    return all;
  }

  TestFolder folder_;
  TestEnvironment environment_;
  Config config_;
  bool failed_ = false;  // more than warnings
};

}  // namespace cutwater::config

// For tests: a folder of made-up files that vanishes, and an environment without the variables Cutwater reads.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cutwater::config {

class TestFolder {
 public:
  TestFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "cutwater-config-XXXXXX";
    path_ = std::filesystem::canonical(::mkdtemp(pattern.data()));
    // Nothing above counts as part of the project.
    std::filesystem::create_directory(std::filesystem::path(path_) / ".git");
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string at(const std::string& name) const { return path_ + "/" + name; }

  TestFolder& file(const std::string& name, const std::string& text = "") {
    std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
    std::ofstream(at(name), std::ios::binary) << text;
    return *this;
  }
  TestFolder& program(const std::string& name) {
    file(name, "#!/bin/sh\n");
    std::filesystem::permissions(at(name), std::filesystem::perms::all);
    return *this;
  }
  // A virtual environment as far as files go.
  TestFolder& environment(const std::string& name, const std::string& version = "3.11.2") {
    return program(name + "/bin/python").file(name + "/pyvenv.cfg", "home = /usr/bin\nversion = " + version + "\n");
  }

 private:
  std::string path_;
};

// Current folder, PATH and every variable are put back at the end.
class TestEnvironment {
 public:
  explicit TestEnvironment(const std::string& folder) : old_folder_(std::filesystem::current_path()) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      std::string text = *entry;
      size_t equals = text.find('=');
      if (equals != std::string::npos) old_[text.substr(0, equals)] = text.substr(equals + 1);
    }
    ::clearenv();
    set("HOME", folder + "/home").set("PATH", folder + "/bin");
    std::filesystem::current_path(folder);
  }
  ~TestEnvironment() {
    ::clearenv();
    for (const auto& [name, value] : old_) ::setenv(name.c_str(), value.c_str(), 1);
    std::filesystem::current_path(old_folder_);
  }
  TestEnvironment(const TestEnvironment&) = delete;
  TestEnvironment& operator=(const TestEnvironment&) = delete;

  TestEnvironment& set(const std::string& name, const std::string& value) {
    ::setenv(name.c_str(), value.c_str(), 1);
    return *this;
  }

 private:
  std::filesystem::path old_folder_;
  std::map<std::string, std::string> old_;
};

}  // namespace cutwater::config

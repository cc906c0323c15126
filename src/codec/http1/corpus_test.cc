// Plays tests/corpora/http1/*.txt; the format is in the README there.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "codec/http1/connection_replay.h"
#include "message/grammar.h"

namespace cutwater::codec::http1 {
namespace {

struct Expectation {
  std::string name;
  std::string value;
};

struct Case {
  std::string name;
  std::string raw;
  std::string outcomes;
  uint64_t body_limit = 1024 * 1024;
  std::vector<Expectation> fields;
};

std::string unescape(std::string_view text) {
  std::string bytes;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      bytes += text[at];
      continue;
    }
    switch (text.at(++at)) {
      case 'r':
        bytes += '\r';
        break;
      case 'n':
        bytes += '\n';
        break;
      case 't':
        bytes += '\t';
        break;
      case '0':
        bytes += '\0';
        break;
      case '\\':
        bytes += '\\';
        break;
      case 'x':
        bytes += static_cast<char>(message::hex_value(text.at(at + 1)) * 16 + message::hex_value(text.at(at + 2)));
        at += 2;
        break;
      default:
        ADD_FAILURE() << "unknown escape in " << text;
    }
  }
  return bytes;
}

void add_line(std::vector<Case>& cases, const std::string& key, const std::string& value) {
  if (key == "case") {
    cases.emplace_back().name = value;
    return;
  }
  ASSERT_FALSE(cases.empty()) << "line before the first case: " << key;
  Case& current = cases.back();
  if (key == "raw") {
    current.raw += unescape(value);
  } else if (key.starts_with("raw*")) {
    std::string bytes = unescape(value);
    for (uint64_t left = base::parse_decimal(key.substr(4)).value(); left > 0; --left) current.raw += bytes;
  } else if (key == "expect") {
    current.outcomes = value;
  } else if (key == "limit-body") {
    current.body_limit = base::parse_decimal(value).value();
  } else {
    current.fields.push_back({key, unescape(value)});
  }
}

std::vector<Case> load(const std::filesystem::path& path) {
  std::vector<Case> cases;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    size_t colon = line.find(':');
    if (colon == std::string::npos) {
      ADD_FAILURE() << path << ": no colon in: " << line;
      continue;
    }
    add_line(cases, line.substr(0, colon), line.size() > colon + 2 ? line.substr(colon + 2) : "");
  }
  return cases;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

void check_fields(const Case& expected, const Transcript& transcript) {
  if (expected.fields.empty()) return;
  ASSERT_FALSE(transcript.requests.empty());
  std::string request = "\n" + transcript.requests.front();
  for (const Expectation& field : expected.fields) {
    if (field.name == "no-header") {
      EXPECT_EQ(request.find("\nheader: " + field.value + "="), std::string::npos) << request;
    } else {
      EXPECT_NE(request.find("\n" + field.name + ": " + field.value + "\n"), std::string::npos)
          << "expected " << field.name << ": " << field.value << "\ngot" << request;
    }
  }
}

// Small cases are cut at every offset; of the large ones, whose byte-by-byte run visits every offset too,
// some.
void check_cuts(const Case& played, const Transcript& whole) {
  size_t stride = played.raw.size() <= 2048 ? 1 : 1 + played.raw.size() / 64;
  for (size_t cut = 1; cut < played.raw.size(); cut += stride) {
    ASSERT_EQ(replay(played.raw, played.body_limit, cut, played.raw.size()), whole) << "cut at " << cut;
  }
}

class Corpus : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Corpus, GivesWhatItExpects) {
  std::vector<Case> cases = load(GetParam());
  ASSERT_FALSE(cases.empty());
  for (const Case& played : cases) {
    SCOPED_TRACE(played.name);
    Transcript whole = replay(played.raw, played.body_limit, played.raw.size(), 1);
    EXPECT_EQ(joined(whole.outcomes), played.outcomes);
    check_fields(played, whole);
    if (played.raw.size() <= 256 * 1024) {
      EXPECT_EQ(replay(played.raw, played.body_limit, 1, 1), whole) << "byte by byte";
    }
    check_cuts(played, whole);
  }
}

std::vector<std::filesystem::path> corpus_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(CUTWATER_SOURCE_DIRECTORY "/tests/corpora/http1")) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

INSTANTIATE_TEST_SUITE_P(Http1, Corpus, testing::ValuesIn(corpus_files()), [](const auto& file) {
  std::string name = file.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-'; }, '_');
  return name;
});

}  // namespace
}  // namespace cutwater::codec::http1

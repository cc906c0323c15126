#include "config/closest.h"

#include <algorithm>
#include <array>

namespace cutwater::config {
namespace {

struct OtherName {
  std::string_view name;
  std::string_view word;
};

// What other programs call protocols. "http" is what "proxy" of a route speaks.
constexpr auto kOtherNames = std::to_array<OtherName>({{"fcgi", "fastcgi"},
                                                       {"fast-cgi", "fastcgi"},
                                                       {"fast_cgi", "fastcgi"},
                                                       {"php", "fastcgi"},
                                                       {"fpm", "fastcgi"},
                                                       {"php-fpm", "fastcgi"},
                                                       {"php_fpm", "fastcgi"},
                                                       {"http1", "http"},
                                                       {"http/1", "http"},
                                                       {"http1.1", "http"},
                                                       {"http/1.1", "http"},
                                                       {"https", "http"},
                                                       {"http", "proxy"},
                                                       {"https", "proxy"},
                                                       {"http_proxy", "proxy"},
                                                       {"reverse_proxy", "proxy"}});

}  // namespace

size_t edit_distance(std::string_view left, std::string_view right) {
  const size_t width = right.size() + 1;
  std::vector<size_t> cost((left.size() + 1) * width);
  auto at = [&](size_t i, size_t j) -> size_t& { return cost[i * width + j]; };
  for (size_t i = 0; i <= left.size(); ++i) at(i, 0) = i;
  for (size_t j = 0; j <= right.size(); ++j) at(0, j) = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    for (size_t j = 1; j <= right.size(); ++j) {
      size_t replace = at(i - 1, j - 1) + (left[i - 1] == right[j - 1] ? 0 : 1);
      at(i, j) = std::min({replace, at(i - 1, j) + 1, at(i, j - 1) + 1});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
        at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
      }
    }
  }
  return at(left.size(), right.size());
}

std::string closest(std::string_view written, const std::vector<std::string>& words) {
  std::string best;
  const std::string_view plain = written.substr(0, written.find("://"));
  for (const OtherName& other : kOtherNames) {
    if (other.name == plain && std::find(words.begin(), words.end(), other.word) != words.end()) {
      return std::string(other.word);
    }
  }
  if (plain.size() < written.size() && std::find(words.begin(), words.end(), plain) != words.end()) {
    return std::string(plain);
  }
  // Nobody mistypes a word of 64 letters; the limit keeps the table small.
  if (written.size() > 64) return best;
  size_t best_distance = std::min<size_t>(3, std::max<size_t>(1, (written.size() + 1) / 3)) + 1;
  for (const std::string& word : words) {
    size_t distance = edit_distance(written, word);
    // "warn" for "warning": a beginning of at least three letters counts as one change.
    if (distance > 1 && written.size() >= 3 && word.starts_with(written)) distance = 1;
    if (distance < best_distance) {
      best_distance = distance;
      best = word;
    }
  }
  return best;
}

}  // namespace cutwater::config

#include "config/reporter.h"

#include <algorithm>

#include "config/error_codes.h"

namespace cutwater::config {
namespace {

// The written line and a caret below the column. Tabs stay tabs so that both lines move alike.
std::string excerpt(const std::string& line, Position position) {
  if (line.size() > 200) return "";
  std::string number = std::to_string(position.line);
  std::string text = "\n  " + number + " | " + line + "\n  " + std::string(number.size(), ' ') + " | ";
  size_t characters = 0;
  for (size_t i = 0; i < line.size() && characters + 1 < position.column; ++i) {
    if ((static_cast<unsigned char>(line[i]) & 0xc0) == 0x80) continue;  // the rest of a UTF-8 character
    text += line[i] == '\t' ? '\t' : ' ';
    ++characters;
  }
  return text + "^";
}

}  // namespace

Place place_of(const Source& source, Position position) {
  if (position.line == 0) return {source.name, "", 0};
  Place place{source.name + ":" + std::to_string(position.line) + ":" + std::to_string(position.column), "",
              position.line};
  if (source.lines != nullptr && position.line <= source.lines->size()) {
    place.excerpt = excerpt((*source.lines)[position.line - 1], position);
  }
  return place;
}

void Reporter::add(std::string_view code, std::string text, bool is_error, uint32_t line) {
  failed_ = failed_ || is_error;
  auto same = [&](const Reported& known) { return known.diagnostic.code == code && known.diagnostic.text == text; };
  if (std::any_of(reported_.begin(), reported_.end(), same)) return;
  reported_.push_back({{std::string(code), std::move(text), is_error}, line});
}

std::vector<Diagnostic> Reporter::take() {
  auto rank = [](const Reported& reported) { return reported.line == 0 ? UINT32_MAX : reported.line; };
  std::stable_sort(reported_.begin(), reported_.end(),
                   [&](const Reported& left, const Reported& right) { return rank(left) < rank(right); });
  std::vector<Diagnostic> diagnostics;
  for (Reported& reported : reported_) diagnostics.push_back(std::move(reported.diagnostic));
  reported_.clear();
  return diagnostics;
}

void Reporter::add_at(std::string_view code, const Place& place, const std::string& what, const std::string& fix,
                      bool is_error) {
  std::string text = place.name.empty() ? what : place.name + ": " + what;
  text += place.excerpt;
  if (!fix.empty()) text += "\n  fix: " + fix;
  add(code, std::move(text), is_error, place.line);
}

std::string to_text(const Diagnostic& diagnostic) {
  std::string text = diagnostic.is_error ? "error" : "warning";
  if (!diagnostic.code.empty()) text += "[" + diagnostic.code + "]";
  text += " " + diagnostic.text;
  if (std::string fix = missing_fix(diagnostic.code, diagnostic.text); !fix.empty()) text += "\n  " + fix;
  if (find_error_code(diagnostic.code) != nullptr) text += "\n  more: cutwater help " + diagnostic.code;
  return text;
}

}  // namespace cutwater::config

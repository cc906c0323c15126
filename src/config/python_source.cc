#include "config/python_source.h"

#include <algorithm>
#include <utility>

namespace cutwater::config {
namespace {

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Tokenizer {
 public:
  explicit Tokenizer(std::string_view source) : source_(source) {}

  std::vector<PythonLine> run() {
    while (at_ < source_.size()) {
      if (depth_ == 0 && line_.tokens.empty()) begin_line();
      read_token();
    }
    end_line();
    return std::move(lines_);
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  // Indentation counts only at the beginning of a physical line.
  void begin_line() {
    if (at_ != 0 && source_[at_ - 1] != '\n' && source_[at_ - 1] != '\r') return;
    size_t column = 0;
    for (; peek() == ' ' || peek() == '\t' || peek() == '\f'; ++at_) {
      column = peek() == '\t' ? (column / 8 + 1) * 8 : column + (peek() == ' ' ? 1 : 0);
    }
    line_.indent = column;
  }

  void end_line() {
    if (!line_.tokens.empty()) lines_.push_back(std::move(line_));
    line_ = {};
  }

  void read_token() {
    char c = peek();
    if (c == '\n') {
      ++at_;
      ++number_;
      if (depth_ == 0) end_line();
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\0') {
      ++at_;
    } else if (c == '#') {
      at_ = std::min(source_.find('\n', at_), source_.size());
    } else if (c == '\\' && (peek(1) == '\n' || (peek(1) == '\r' && peek(2) == '\n'))) {
      at_ += peek(1) == '\n' ? 2U : 3U;
      ++number_;
    } else if (c == '\'' || c == '"') {
      read_text("");
    } else if (is_name_start(c)) {
      read_name();
    } else if (is_digit(c)) {
      size_t begin = at_;
      while (is_digit(peek()) || is_name_start(peek()) || peek() == '.') ++at_;
      add(PythonToken::Type::kNumber, std::string(source_.substr(begin, at_ - begin)));
    } else {
      read_operator(c);
    }
  }

  void read_name() {
    size_t begin = at_;
    while (is_name_start(peek()) || is_digit(peek())) ++at_;
    std::string_view name = source_.substr(begin, at_ - begin);
    bool quote = peek() == '\'' || peek() == '"';
    if (quote && name.size() <= 2 && name.find_first_not_of("rRbBuUfFtT") == std::string_view::npos) {
      read_text(name);
    } else {
      add(PythonToken::Type::kName, std::string(name));
    }
  }

  void read_text(std::string_view prefix) {
    const char quote = peek();
    const bool triple = peek(1) == quote && peek(2) == quote;
    const bool raw = prefix.find_first_of("rR") != std::string_view::npos;
    const bool computed = prefix.find_first_of("fFtTbB") != std::string_view::npos;
    const unsigned begin = number_;
    at_ += triple ? 3 : 1;
    std::string text;
    while (at_ < source_.size()) {
      char c = peek();
      if (c == quote && (!triple || (peek(1) == quote && peek(2) == quote))) {
        at_ += triple ? 3 : 1;
        break;
      }
      if (c == '\n' && !triple) break;  // unfinished: broken code
      if (c == '\n') ++number_;
      if (c == '\\' && at_ + 1 < source_.size()) {
        if (peek(1) == '\n') ++number_;
        if (raw) text += c;
        if (raw || peek(1) != '\n') text += peek(1);
        at_ += 2;
        continue;
      }
      text += c;
      ++at_;
    }
    unsigned end = std::exchange(number_, begin);
    add(PythonToken::Type::kText, computed ? "" : text);
    number_ = end;
  }

  void read_operator(char c) {
    if (c == '(' || c == '[' || c == '{') ++depth_;
    if ((c == ')' || c == ']' || c == '}') && depth_ > 0) --depth_;
    if (c == ';' && depth_ == 0) {
      ++at_;
      size_t indent = line_.indent;
      end_line();
      line_.indent = indent;
      return;
    }
    // Two characters matter only where "=" must not be taken for an assignment.
    bool pair = peek(1) == '=' && std::string_view("=!<>+-*/%&|^@:").find(c) != std::string_view::npos;
    size_t length = pair ? 2 : 1;
    add(PythonToken::Type::kOperator, std::string(source_.substr(at_, length)));
    at_ += length;
  }

  void add(PythonToken::Type type, std::string text) {
    if (line_.tokens.empty()) line_.number = number_;
    line_.tokens.push_back({type, std::move(text)});
  }

  std::string_view source_;
  size_t at_ = 0;
  unsigned number_ = 1;
  unsigned depth_ = 0;
  PythonLine line_;
  std::vector<PythonLine> lines_;
};

}  // namespace

std::vector<PythonLine> read_python(std::string_view source) {
  return Tokenizer(source).run();
}

}  // namespace cutwater::config

#include "codec/cgi_variables/cgi_variables.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "message/target.h"

namespace cutwater::codec {
namespace {

constexpr char kNoVariable = 0;
constexpr std::string_view kPrefix = "HTTP_";

// '-' becomes '_', letters upper-case, digits stay. Any other byte would let two names become one variable.
constexpr char variable_byte(char c) {
  if (c >= 'a' && c <= 'z') return static_cast<char>(c - 32);
  if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return c;
  return c == '-' ? '_' : kNoVariable;
}

bool has_own_variable_or_none(std::string_view name) {
  switch (name.size()) {
    case 5:
      return base::equals_ignoring_case(name, "Proxy");
    case 12:
      return base::equals_ignoring_case(name, "Content-Type");
    case 14:
      return base::equals_ignoring_case(name, "Content-Length");
    default:
      return false;
  }
}

std::ptrdiff_t offset(size_t index) {
  return static_cast<std::ptrdiff_t>(index);
}

auto has_name(std::string_view name) {
  return [name](const message::HeaderField& field) { return base::equals_ignoring_case(field.name, name); };
}

// Which fields have the same name, ignoring case. Few are compared with each other, many are sorted: a request may
// bring 10,000, and their names are the client's choice.
class Repeats {
 public:
  explicit Repeats(const message::Headers& headers) : headers_(headers) {
    if (headers.size() > kFew) sort();
  }
  bool is_first(size_t index) const {
    if (!next_.empty()) return !later_[index];
    const std::string_view name = (headers_.begin() + offset(index))->name;
    return std::none_of(headers_.begin(), headers_.begin() + offset(index), has_name(name));
  }
  // The next field of the same name, or the number of all fields.
  size_t next(size_t index) const {
    if (!next_.empty()) return next_[index];
    const auto here = headers_.begin() + offset(index);
    return static_cast<size_t>(std::find_if(here + 1, headers_.end(), has_name(here->name)) - headers_.begin());
  }

 private:
  static constexpr size_t kFew = 32;

  void sort();

  const message::Headers& headers_;
  std::vector<size_t> next_;  // empty: few
  std::vector<bool> later_;   // another came before it
};

// Negative, 0 or positive. Any order will do, and length is the cheapest.
int compare_names(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
  for (size_t i = 0; i < left.size(); ++i) {
    const int difference = base::ascii_lower(left[i]) - base::ascii_lower(right[i]);
    if (difference != 0) return difference;
  }
  return 0;
}

void Repeats::sort() {
  const auto name = [this](size_t index) { return (headers_.begin() + offset(index))->name; };
  std::vector<size_t> order(headers_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&name](size_t left, size_t right) {
    const int compared = compare_names(name(left), name(right));
    return compared != 0 ? compared < 0 : left < right;
  });
  next_.assign(order.size(), order.size());
  later_.assign(order.size(), false);
  for (size_t i = 1; i < order.size(); ++i) {
    if (compare_names(name(order[i - 1]), name(order[i])) != 0) continue;
    next_[order[i - 1]] = order[i];
    later_[order[i]] = true;
  }
}

// Adds variables. What stands nowhere else is written behind each other into one piece of memory, which never moves.
class Writer {
 public:
  Writer(const message::Headers& headers, Variables& variables, std::string& storage)
      : headers_(headers), variables_(variables), storage_(storage) {
    size_t most = kMostNumbers * kMostDigits;
    for (const message::HeaderField& field : headers) {
      most += kPrefix.size() + field.name.size() + kMostSeparator + field.value.size();
    }
    storage_.clear();
    storage_.reserve(most);
  }

  void add(std::string_view name, std::string_view value) { variables_.push_back({name, value}); }
  // At most kMostNumbers times.
  void add_number(std::string_view name, uint64_t number) {
    const size_t begin = storage_.size();
    base::append_decimal(storage_, number);
    add(name, written_since(begin));
  }
  void add_fields();

 private:
  static constexpr size_t kMostNumbers = 3;
  static constexpr size_t kMostDigits = 20;
  static constexpr size_t kMostSeparator = 2;

  std::string_view written_since(size_t begin) const { return std::string_view(storage_).substr(begin); }
  std::string_view join(const Repeats& repeats, size_t index);

  const message::Headers& headers_;
  Variables& variables_;
  std::string& storage_;
};

// The value of the field at `index` and of all later fields of its name.
std::string_view Writer::join(const Repeats& repeats, size_t index) {
  const auto field = [this](size_t at) { return *(headers_.begin() + offset(at)); };
  size_t next = repeats.next(index);
  if (next == headers_.size()) return field(index).value;
  const size_t begin = storage_.size();
  storage_ += field(index).value;
  for (; next != headers_.size(); next = repeats.next(next)) {
    storage_ += repeated_field_separator(field(next).name);
    storage_ += field(next).value;
  }
  return written_since(begin);
}

void Writer::add_fields() {
  const Repeats repeats(headers_);
  size_t index = 0;
  for (const message::HeaderField& field : headers_) {
    const size_t at = index++;
    if (!repeats.is_first(at)) continue;
    const size_t begin = storage_.size();
    if (!append_header_variable(field.name, storage_)) continue;
    const std::string_view name = written_since(begin);
    add(name, join(repeats, at));
  }
}

}  // namespace

bool append_header_variable(std::string_view header_name, std::string& to) {
  if (header_name.empty() || has_own_variable_or_none(header_name)) return false;
  size_t before = to.size();
  to += kPrefix;
  for (char c : header_name) {
    char upper = variable_byte(c);
    if (upper == kNoVariable) {
      to.resize(before);
      return false;
    }
    to += upper;
  }
  return true;
}

std::string_view repeated_field_separator(std::string_view header_name) {
  return base::equals_ignoring_case(header_name, "Cookie") ? "; " : ", ";
}

void cgi_variables(const message::Request& request, const SplitPath& path, std::string_view target,
                   std::optional<uint64_t> content_length, Variables& variables, std::string& storage) {
  Writer writer(request.headers, variables, storage);
  writer.add("REQUEST_METHOD", request.method);
  writer.add("SCRIPT_NAME", path.script_name);
  writer.add("PATH_INFO", path.path_info);
  writer.add("QUERY_STRING", request.query);
  if (auto type = request.headers.get("Content-Type")) writer.add("CONTENT_TYPE", *type);
  if (content_length) writer.add_number("CONTENT_LENGTH", *content_length);
  writer.add("SERVER_NAME", request.server_name);
  writer.add_number("SERVER_PORT", request.server_port);
  writer.add("SERVER_PROTOCOL", request.version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1");
  writer.add("REMOTE_ADDR", request.remote_address);
  writer.add_number("REMOTE_PORT", request.remote_port);
  writer.add("REQUEST_URI", target);
  if (request.scheme == "https") writer.add("HTTPS", "on");
  writer.add_fields();
}

SplitPath split_path(std::string_view path, std::string_view prefix) {
  if (path == "*") return {};
  if (!prefix.empty() && prefix.back() == '/') prefix.remove_suffix(1);
  if (!message::path_has_prefix(path, prefix)) return {{}, path};
  return {path.substr(0, prefix.size()), path.substr(prefix.size())};
}

}  // namespace cutwater::codec

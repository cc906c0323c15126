#include "handler/static_files.h"

#include <algorithm>
#include <ctime>

#include "base/text.h"
#include "handler/error_pages.h"
#include "handler/file_sender.h"
#include "handler/gateway.h"
#include "handler/script_folder.h"
#include "message/range.h"

namespace cutwater::handler {

namespace {

constexpr std::string_view kNoBody;

struct Counted {
  explicit Counted(size_t& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  size_t& count_;
};

int64_t unix_now() {
  return static_cast<int64_t>(time(nullptr));
}

// The decoded path as it may stand in a Location field: everything but unreserved characters and '/' is encoded.
void append_percent_encoded(std::string& to, std::string_view path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (char c : path) {
    auto byte = static_cast<unsigned char>(c);
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '-' ||
                 c == '.' || c == '_' || c == '~';
    if (plain) {
      to += c;
    } else {
      to += '%';
      to += kHex[byte >> 4];
      to += kHex[byte & 15];
    }
  }
}

}  // namespace

bool is_hidden(std::string_view path) {
  if (path.starts_with(".well-known/")) path.remove_prefix(std::string_view(".well-known/").size());
  while (!path.empty()) {
    size_t slash = path.find('/');
    std::string_view segment = path.substr(0, slash);
    if (segment.starts_with('.') || segment.ends_with('~')) return true;
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return false;
  std::string_view ending = path.substr(dot + 1);
  return ending.size() >= 2 && ending.size() <= 3 && base::equals_ignoring_case(ending.substr(0, 2), "py");
}

StaticFiles::StaticFiles(SharedFolder root, StaticOptions options, io::Loop& loop, io::Offload& offload,
                         base::LogSink& log)
    : options_(std::move(options)), folder_(std::move(root), options_.cache, loop, offload, log), offload_(offload) {
  std::string_view prefix = options_.prefix;
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  prefix_length_ = prefix.size();
  folder_.never_find_below(options_.scripts.roots);
}

StaticFiles::~StaticFiles() = default;

base::Task<void> StaticFiles::handle(message::Exchange& exchange) {
  const Counted counted(active_);
  const message::Request& request = exchange.request;
  if (!takes(request.method)) {
    co_await answer_error(exchange, 405, "Allow", filter_ ? "GET, HEAD, POST" : "GET, HEAD");
    co_return;
  }
  std::string_view below = request.path.substr(std::min(prefix_length_, request.path.size()));
  if (below.empty() && !options_.index.empty()) {  // the folder itself, as any below it
    co_await redirect_to_folder(exchange);
    co_return;
  }
  while (below.starts_with('/')) below.remove_prefix(1);
  if (request.path_had_encoded_slash || is_hidden(below) || is_script(below)) {
    co_await answer_error(exchange, 404);
    co_return;
  }
  if (FileReference file = folder_.find_fresh(below); file && may_lack_ending(below)) {
    co_await answer_with(exchange, std::move(file));
    co_return;
  }
  std::string path(below);
  if (path.empty() || path.ends_with('/')) path += options_.index;
  if (is_script(path)) {
    co_await answer_error(exchange, 404);
    co_return;
  }
  FileFolder::Found found = co_await folder_.find(path);
  if (found.file && !may_lack_ending(path)) {
    co_await answer_error(exchange, 404);
  } else if (found.file) {
    co_await answer_with(exchange, std::move(found.file));
  } else if (found.is_folder && !options_.index.empty()) {
    co_await redirect_to_folder(exchange);
  } else {
    co_await answer_error(exchange, found.status);
  }
}

bool StaticFiles::takes(std::string_view method) const {
  return method == "GET" || method == "HEAD" || (filter_ && method == "POST");
}

bool StaticFiles::is_script(std::string_view path) const {
  const ScriptGuard& guard = options_.scripts;
  return std::any_of(guard.endings.begin(), guard.endings.end(),
                     [path](const std::string& ending) { return looks_like_script(path, ending); }) ||
         std::any_of(guard.copies.begin(), guard.copies.end(),
                     [path](const std::string& ending) { return looks_like_copy(path, ending); });
}

bool StaticFiles::may_lack_ending(std::string_view path) const {
  return options_.scripts.copies.empty() || path.starts_with(".well-known/") ||
         path.substr(path.rfind('/') + 1).find('.') != std::string_view::npos;
}

// The path begins with exactly one '/' and is encoded anew: it can name nothing but this origin (faults.md 59).
base::Task<void> StaticFiles::redirect_to_folder(message::Exchange& exchange) {
  std::string location;
  append_percent_encoded(location, exchange.request.path);
  location += '/';
  if (!exchange.request.query.empty()) location.append("?").append(exchange.request.query);
  message::Response response;
  response.status = 301;
  response.content_length = 0;
  response.headers.add("Location", location);
  co_await exchange.response.head(response, kNoBody, true);
}

base::Task<void> StaticFiles::answer_with(message::Exchange& exchange, FileReference file) {
  const message::Request& request = exchange.request;
  if (filter_) {
    const FilteredFile filtered{file->descriptor(), file->size(), file->identity().modified_seconds};
    auto filtering = filter_->filter(exchange, filtered);
    co_await filtering;
    co_return;
  }
  switch (message::evaluate_preconditions(request, file->validators(), unix_now())) {
    case message::Precondition::kNotModified:
      co_await exchange.response.head(file->not_modified(), kNoBody, true);
      co_return;
    case message::Precondition::kFailed:
      co_await answer_error(exchange, 412);
      co_return;
    case message::Precondition::kProceed:
      break;
  }
  if (request.method == "HEAD" || file->size() == 0) {
    co_await exchange.response.head(file->whole(), kNoBody, true);
    co_return;
  }
  const message::ByteRange range = message::select_range(request, file->validators(), file->size(), unix_now());
  if (range.kind == message::ByteRange::Kind::kUnsatisfiable) {
    std::string content_range;
    message::append_content_range(content_range, range, file->size());
    co_await answer_error(exchange, 416, "Content-Range", content_range);
  } else if (range.kind == message::ByteRange::Kind::kPart) {
    co_await answer_part(exchange, std::move(file), range.first, range.length);
  } else if (const std::string_view content = file->content(unix_now()); !content.empty()) {
    co_await exchange.response.head(file->whole(), content, true);
  } else {
    const FileRange whole{file->descriptor(), 0, file->size()};
    co_await send_file(exchange.response, file->whole(), offload_, whole);
  }
}

base::Task<void> StaticFiles::answer_part(message::Exchange& exchange, FileReference file, uint64_t first,
                                          uint64_t length) {
  std::string content_range;
  const message::ByteRange range{message::ByteRange::Kind::kPart, first, length};
  message::append_content_range(content_range, range, file->size());
  message::Response response;
  response.status = 206;
  response.content_length = length;
  response.headers.add("Content-Type", file->content_type());
  response.headers.add("Content-Range", content_range);
  file->add_validators(response.headers);
  const FileRange part{file->descriptor(), first, length};
  co_await send_file(exchange.response, response, offload_, part);
}

}  // namespace cutwater::handler

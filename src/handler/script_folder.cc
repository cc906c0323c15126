#include "handler/script_folder.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/text.h"
#include "handler/static_files.h"
#include "message/target.h"

namespace cutwater::handler {

namespace {

// A script that was a file a moment ago is not looked for again: who runs it opens it by its name anyway.
constexpr base::Duration kBelieved = std::chrono::seconds(1);
constexpr size_t kMostFiles = 1024;

bool is_hidden_segment(std::string_view segment) {
  return segment.starts_with('.') || segment.ends_with('~');
}

bool has_hidden_segment(std::string_view path) {
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (!segment.empty() && is_hidden_segment(segment)) return true;
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return false;
}

}  // namespace

bool looks_like_script(std::string_view name, std::string_view ending) {
  std::string lower = base::to_ascii_lower(name);
  constexpr std::string_view kStream = "::$data";
  if (lower.ends_with(kStream)) lower.resize(lower.size() - kStream.size());
  while (lower.ends_with('.') || lower.ends_with(' ')) lower.pop_back();
  return lower.ends_with(base::to_ascii_lower(ending));
}

ScriptFolder::ScriptFolder(base::FileDescriptor folder, ScriptOptions options, io::Offload& offload,
                           const io::Loop& loop)
    : folder_(std::make_shared<const base::FileDescriptor>(std::move(folder))),
      options_(std::move(options)),
      offload_(offload),
      loop_(loop) {
  while (options_.root.ends_with('/')) options_.root.pop_back();
}

ScriptFolder::Found ScriptFolder::found(std::string_view file, std::string_view path_info) const {
  Found result;
  result.script.root = options_.root;
  result.script.file = file;
  result.script.name = options_.strip + result.script.file;
  result.script.path_info = path_info;
  return result;
}

base::Task<ScriptFolder::Found> ScriptFolder::find(const message::Request& request) {
  Found nothing;
  nothing.status = 404;
  std::string_view path = request.path;
  if (!message::path_has_prefix(path, options_.strip)) co_return nothing;
  path.remove_prefix(options_.strip.size());
  if (!path.empty() && !path.starts_with('/')) co_return nothing;
  auto finding = find_script(request, path);
  Found script = co_await finding;
  if (script.status != 404) co_return script;
  if (request.path_had_encoded_slash) path = {};  // of no file
  auto looking = find_other(path);
  co_return co_await looking;
}

base::Task<ScriptFolder::Found> ScriptFolder::find_other(std::string_view path) {
  Found other;
  const bool may_be_file = options_.files && path.size() > 1 && !has_hidden_segment(path) && !is_hidden(path) &&
                           !looks_like_script(path, options_.ending);
  if (may_be_file) {
    auto looking = kind_of(std::string(path.substr(1)));
    other.is_file = co_await looking == Kind::kFile;
    if (other.is_file) co_return other;
  }
  other.status = 404;
  if (options_.fallback.empty()) co_return other;
  auto looking = kind_of(options_.fallback.substr(1));
  const Kind kind = co_await looking;
  if (kind == Kind::kFile) co_return found(options_.fallback, {});
  if (kind == Kind::kForbidden) other.status = 403;
  co_return other;
}

base::Task<ScriptFolder::Found> ScriptFolder::find_script(const message::Request& request, std::string_view path) {
  Found nothing;
  nothing.status = 404;
  if (request.path_had_encoded_slash) co_return nothing;
  for (size_t end = 0; end < path.size();) {
    const size_t slash = path.find('/', end + 1);
    end = slash == std::string_view::npos ? path.size() : slash;
    const std::string_view file = path.substr(0, end);
    if (!file.ends_with(options_.ending)) continue;
    if (has_hidden_segment(file)) co_return nothing;
    auto looking = kind_of(std::string(file.substr(1)));
    const Kind kind = co_await looking;
    if (kind == Kind::kFile) co_return found(file, path.substr(end));
    nothing.status = kind == Kind::kForbidden ? 403 : 404;
    if (kind != Kind::kFolder) co_return nothing;
  }
  if (has_hidden_segment(path)) co_return nothing;
  auto looking = find_index(path);
  co_return co_await looking;
}

base::Task<ScriptFolder::Found> ScriptFolder::find_index(std::string_view path) {
  Found nothing;
  nothing.status = 404;
  if (!options_.index.ends_with(options_.ending)) co_return nothing;
  const bool has_slash = path.ends_with('/');
  std::string file(path);
  if (!has_slash) file += '/';
  file += options_.index;
  auto looking = kind_of(file.substr(1));
  const Kind kind = co_await looking;
  if (kind == Kind::kForbidden) nothing.status = 403;
  if (kind != Kind::kFile) co_return nothing;
  if (has_slash) co_return found(file, {});
  nothing.status = 301;
  co_return nothing;
}

base::Task<ScriptFolder::Kind> ScriptFolder::kind_of(std::string path) {
  const auto known = files_.find(path);
  if (known != files_.end() && loop_.now() < known->second) co_return Kind::kFile;
  io::OpenOutcome outcome = io::find_beneath_cached(folder_->get(), path);
  if (outcome.error == EAGAIN) {
    auto slow = std::make_shared<io::OpenOutcome>();
    auto opening = offload_.run([folder = folder_, path, slow] { *slow = io::find_beneath(folder->get(), path); });
    co_await opening;
    outcome = std::move(*slow);
  }
  struct stat status;
  if (!outcome.file.valid() || fstat(outcome.file.get(), &status) != 0)
    co_return outcome.error == EACCES || outcome.error == EPERM ? Kind::kForbidden : Kind::kNothing;
  if (S_ISDIR(status.st_mode)) co_return Kind::kFolder;
  if (!S_ISREG(status.st_mode)) co_return Kind::kNothing;
  remember(std::move(path));
  co_return Kind::kFile;
}

void ScriptFolder::remember(std::string path) {
  if (files_.size() >= kMostFiles) files_.clear();
  files_.insert_or_assign(std::move(path), loop_.now() + kBelieved);
}

}  // namespace cutwater::handler

#include "handler/script_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "handler/file_folder.h"
#include "handler/static_files.h"
#include "message/target.h"

namespace cutwater::handler {

namespace {

constexpr size_t kMostFiles = 1024;
constexpr size_t kLongestRecalled = 256;  // of the path of a request
constexpr std::string_view kFolderFile = "index.html";

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

// Segment by segment; empty ones count for nothing.
bool is_below(std::string_view path, std::string_view folder) {
  const auto next = [](std::string_view& rest) {
    while (rest.starts_with('/')) rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    return segment;
  };
  while (true) {
    const std::string_view wanted = next(folder);
    if (wanted.empty()) return true;
    if (next(path) != wanted) return false;
  }
}

}  // namespace

bool looks_like_script(std::string_view name, std::string_view ending) {
  std::string lower = base::to_ascii_lower(name);
  constexpr std::string_view kStream = "::$data";
  if (lower.ends_with(kStream)) lower.resize(lower.size() - kStream.size());
  while (lower.ends_with('.') || lower.ends_with(' ')) lower.pop_back();
  return lower.ends_with(base::to_ascii_lower(ending));
}

bool looks_like_copy(std::string_view path, std::string_view ending) {
  const std::string name = base::to_ascii_lower(path.substr(path.rfind('/') + 1));
  for (size_t at = name.find(ending); at != std::string::npos; at = name.find(ending, at + 1)) {
    const size_t end = at + ending.size();
    const bool goes_on =
        end < name.size() && ((name[end] >= 'a' && name[end] <= 'z') || (name[end] >= '0' && name[end] <= '9'));
    if (!goes_on) return true;
  }
  return false;
}

ScriptFolder::ScriptFolder(SharedFolder folder, ScriptOptions options, io::Offload& offload, const io::Loop& loop)
    : folder_(std::move(folder)), options_(std::move(options)), offload_(offload), loop_(loop) {
  while (options_.root.ends_with('/')) options_.root.pop_back();
}

bool ScriptFolder::has_ending(std::string_view name) const {
  return options_.endings.empty() || std::any_of(options_.endings.begin(), options_.endings.end(),
                                                 [name](const std::string& ending) { return name.ends_with(ending); });
}

// However it is written: who makes a folder UPLOADS means the same.
bool ScriptFolder::may_run_in(std::string_view folder) const {
  while (!options_.never_run.empty() && !folder.empty()) {
    const size_t slash = folder.find('/');
    const std::string segment = base::to_ascii_lower(folder.substr(0, slash));
    const auto& names = options_.never_run;
    if (std::find(names.begin(), names.end(), segment) != names.end()) return false;
    folder.remove_prefix(slash == std::string_view::npos ? folder.size() : slash + 1);
  }
  return true;
}

// One that was removed since it was opened has no path.
std::string ScriptFolder::root_for_servers() const {
  if (!options_.real_root) return options_.root;
  std::string real = path_of(folder_->descriptor());
  if (!real.starts_with('/') || real.ends_with(" (deleted)")) return options_.root;
  return real == "/" ? std::string() : real;
}

ScriptFolder::Found ScriptFolder::found(std::string_view file, std::string_view path_info, Looked looked) const {
  Script script;
  script.root = root_for_servers();
  script.file = file;
  script.name = options_.strip + script.file;
  script.path_info = path_info;
  Found result;
  result.script = std::make_shared<const Script>(std::move(script));
  result.file = std::move(looked.file);
  return result;
}

base::Task<ScriptFolder::Found> ScriptFolder::find(const message::Request& request) {
  Found nothing;
  nothing.status = 404;
  std::string_view path = request.path;
  if (!message::path_has_prefix(path, options_.strip)) co_return nothing;
  path.remove_prefix(options_.strip.size());
  if (!path.empty() && !path.starts_with('/')) co_return nothing;
  for (const std::string& folder : options_.closed) {
    if (is_below(path, folder)) co_return nothing;
  }
  auto finding = find_script(request, path);
  Found script = co_await finding;
  if (script.status != 404) co_return script;
  if (request.path_had_encoded_slash) path = {};  // of no file
  auto looking = find_other(path);
  co_return co_await looking;
}

// "a.php", "a.PHP", a copy such as "a.php.bak", and what else is some program's text.
bool ScriptFolder::is_source(std::string_view path) const {
  const auto is_script = [path](const std::string& ending) { return looks_like_script(path, ending); };
  const auto is_copy = [path](const std::string& ending) { return looks_like_copy(path, ending); };
  return std::any_of(options_.endings.begin(), options_.endings.end(), is_script) ||
         std::any_of(options_.endings.begin(), options_.endings.end(), is_copy) ||
         std::any_of(options_.never_sent.begin(), options_.never_sent.end(), is_script);
}

base::Task<ScriptFolder::Found> ScriptFolder::find_other(std::string_view path) {
  Found other;
  if (options_.files && path.starts_with('/') && !is_hidden(path.substr(1)) && !is_source(path)) {
    auto looking = look_at_other(path);
    const Kind kind = co_await looking;
    other.is_file = kind == Kind::kFile;
    if (other.is_file) co_return other;
    other.status = refusal_of(kind);
    if (other.status == 503) co_return other;
  }
  other.status = 404;
  if (options_.fallback.empty()) co_return other;
  auto looking = look_at(options_.fallback.substr(1));
  Looked looked = co_await looking;
  if (looked.kind == Kind::kFile) co_return found(options_.fallback, {}, std::move(looked));
  other.status = refusal_of(looked.kind);
  co_return other;
}

base::Task<ScriptFolder::Kind> ScriptFolder::look_at_other(std::string_view path) {
  std::string file(path.substr(1));
  if (!file.empty() && !file.ends_with('/')) {
    auto looking = look_at(file);
    const Looked looked = co_await looking;
    if (looked.kind != Kind::kFolder) co_return looked.kind;
    file += '/';
  }
  auto looking = look_at(file + std::string(kFolderFile));
  const Looked looked = co_await looking;
  co_return looked.kind;
}

base::Task<ScriptFolder::Found> ScriptFolder::find_script(const message::Request& request, std::string_view path) {
  Found nothing;
  nothing.status = 404;
  if (request.path_had_encoded_slash) co_return nothing;
  for (size_t end = 0; end < path.size();) {
    const size_t slash = path.find('/', end + 1);
    end = slash == std::string_view::npos ? path.size() : slash;
    const std::string_view file = path.substr(0, end);
    if (!has_ending(file)) continue;
    if (has_hidden_segment(file) || !may_run_in(file.substr(0, file.rfind('/')))) co_return nothing;
    auto looking = look_at(std::string(file.substr(1)));
    Looked looked = co_await looking;
    if (looked.kind == Kind::kFile) {
      const base::Instant believed_until = looked.believed_until;
      Found script = found(file, path.substr(end), std::move(looked));
      remember(request.path, {believed_until, script.script});
      co_return script;
    }
    nothing.status = refusal_of(looked.kind);
    if (looked.kind != Kind::kFolder) co_return nothing;
  }
  if (has_hidden_segment(path)) co_return nothing;
  auto looking = find_index(path);
  co_return co_await looking;
}

base::Task<ScriptFolder::Found> ScriptFolder::find_index(std::string_view path) {
  Found nothing;
  nothing.status = 404;
  if (options_.index.empty() || !has_ending(options_.index) || !may_run_in(path)) co_return nothing;
  const bool has_slash = path.ends_with('/');
  std::string file(path);
  if (!has_slash) file += '/';
  file += options_.index;
  auto looking = look_at(file.substr(1));
  Looked looked = co_await looking;
  nothing.status = refusal_of(looked.kind);
  if (looked.kind != Kind::kFile) co_return nothing;
  if (has_slash) co_return found(file, {}, std::move(looked));
  nothing.status = 301;
  co_return nothing;
}

uint16_t ScriptFolder::refusal_of(Kind kind) {
  return kind == Kind::kForbidden ? 403 : kind == Kind::kNoRoom ? 503 : 404;
}

base::Task<ScriptFolder::Looked> ScriptFolder::look_at(std::string path) {
  const auto known = files_.find(path);
  if (known != files_.end() && loop_.now() < known->second) co_return Looked{Kind::kFile, {}, known->second};
  io::OpenOutcome outcome = io::find_beneath_cached(folder_->descriptor(), path);
  if (outcome.error == EAGAIN) {
    auto slow = std::make_shared<io::OpenOutcome>();
    auto opening =
        offload_.run([folder = folder_, path, slow] { *slow = io::find_beneath(folder->descriptor(), path); });
    co_await opening;
    outcome = std::move(*slow);
  }
  struct stat status;
  Looked looked;
  if (!outcome.file.valid() || fstat(outcome.file.get(), &status) != 0) {
    if (outcome.error == EACCES || outcome.error == EPERM) looked.kind = Kind::kForbidden;
    if (outcome.error == EMFILE || outcome.error == ENFILE || outcome.error == ENOMEM) looked.kind = Kind::kNoRoom;
    co_return looked;
  }
  if (S_ISDIR(status.st_mode)) looked.kind = Kind::kFolder;
  if (!S_ISREG(status.st_mode)) co_return looked;
  looked.kind = Kind::kFile;
  if (options_.with_file) {
    looked.file = std::move(outcome.file);
  } else {
    looked.believed_until = believe(std::move(path));
  }
  co_return looked;
}

base::Instant ScriptFolder::believe(std::string file) {
  if (files_.size() >= kMostFiles) files_.clear();
  return files_.insert_or_assign(std::move(file), loop_.now() + options_.believed).first->second;
}

void ScriptFolder::remember(std::string_view path, Recalled recalled) {
  if (options_.with_file || path.size() > kLongestRecalled) return;
  if (recalled_.size() >= kMostFiles) recalled_.clear();
  recalled_.insert_or_assign(std::string(path), std::move(recalled));
}

std::shared_ptr<const Script> ScriptFolder::recall(const message::Request& request) const {
  if (request.path_had_encoded_slash) return nullptr;
  const auto known = recalled_.find(request.path);
  if (known == recalled_.end() || loop_.now() >= known->second.believed_until) return nullptr;
  return known->second.script;
}

}  // namespace cutwater::handler

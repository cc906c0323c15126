#include "handler/file_folder.h"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <ctime>

namespace cutwater::handler {

namespace {

constexpr size_t kMostDeniedPaths = 256;
constexpr base::Duration kUnusedFor = std::chrono::seconds(10);  // at least; at most twice that
constexpr std::string_view kImmutable = "public, max-age=31536000, immutable";
constexpr std::string_view kRevalidate = "no-cache";

std::string name_of_this_user() {
  passwd entry{};
  passwd* found = nullptr;
  char buffer[1024];
  if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found) return entry.pw_name;
  return fmt::format("user {}", geteuid());
}

}  // namespace

std::string path_of(int descriptor) {
  char target[PATH_MAX];
  std::string link = fmt::format("/proc/self/fd/{}", descriptor);
  ssize_t length = readlink(link.c_str(), target, sizeof target);
  return length < 0 ? std::string() : std::string(target, static_cast<size_t>(length));
}

bool has_hashed_name(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  while (!name.empty()) {
    size_t end = name.find_first_of(".-");
    if (end == std::string_view::npos) return false;  // what stands behind the last separator is the ending
    std::string_view part = name.substr(0, end);
    auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    auto is_letter = [](char c) { return c >= 'a' && c <= 'f'; };
    bool hexadecimal = std::all_of(part.begin(), part.end(), [&](char c) { return is_digit(c) || is_letter(c); });
    // Digits alone may be a date, letters alone a word.
    if (part.size() >= 8 && hexadecimal && std::any_of(part.begin(), part.end(), is_digit) &&
        std::any_of(part.begin(), part.end(), is_letter)) {
      return true;
    }
    name.remove_prefix(end + 1);
  }
  return false;
}

FileFolder::FileFolder(SharedFolder root, std::optional<base::Duration> cache, io::Loop& loop, io::Offload& offload,
                       base::LogSink& log)
    : root_(std::move(root)),
      cache_time_(cache),
      loop_(loop),
      offload_(offload),
      log_(log),
      unused_(loop.timers(), [this] { let_go_of_unused(); }) {}

FileReference FileFolder::find_fresh(std::string_view path) {
  OpenFileCache::Found found = cache_.find(path, loop_.now());
  return found.fresh && found.file->is_current() ? std::move(found.file) : FileReference();
}

base::Task<FileFolder::Found> FileFolder::find(const std::string& asked) {
  const std::string path = asked.empty() ? "." : asked;
  io::OpenOutcome outcome = io::open_beneath_cached(root_->descriptor(), path);
  if (outcome.error == EAGAIN) {
    auto slow = std::make_shared<io::OpenOutcome>();
    auto opening = offload_.run([root = root_, path, slow] { *slow = io::open_beneath(root->descriptor(), path); });
    co_await opening;
    outcome = std::move(*slow);
  }
  co_return judge(std::move(outcome), path);
}

FileFolder::Found FileFolder::judge(io::OpenOutcome outcome, const std::string& path) {
  const auto now = static_cast<int64_t>(time(nullptr));
  struct stat status;
  if (!outcome.file.valid() || fstat(outcome.file.get(), &status) != 0) {
    cache_.remove(path);
    if (outcome.error == EMFILE || outcome.error == ENFILE || outcome.error == ENOMEM) return {{}, 503};
    if (outcome.error != EACCES && outcome.error != EPERM) return {{}, 404};
    log_permission_denied(path);
    return {{}, 403};
  }
  if (is_forbidden(outcome.file.get())) return {{}, 404};
  if (S_ISDIR(status.st_mode)) return {{}, 404, true};
  if (!S_ISREG(status.st_mode)) return {{}, 404};
  const FileIdentity identity = FileIdentity::of(status);
  OpenFileCache::Found known = cache_.find(path, loop_.now());
  const bool settled = identity.is_settled(now);
  if (known.file && known.file->identity() == identity && known.file->settled() == settled) {
    cache_.confirm(path, loop_.now());
    return {std::move(known.file), 0};
  }
  FileReference file(new OpenFile(std::move(outcome.file), identity, now, path, cache_control_for(path)));
  keep(path, file);
  return {std::move(file), 0};
}

void FileFolder::keep(const std::string& path, FileReference file) {
  cache_.put(path, std::move(file), loop_.now());
  if (!unused_.armed()) unused_.set(loop_.now() + kUnusedFor);
}

void FileFolder::let_go_of_unused() {
  cache_.let_go_of_unused();
  if (cache_.size() > 0) unused_.set(loop_.now() + kUnusedFor);
}

bool FileFolder::is_forbidden(int file) const {
  if (!forbidden_ || forbidden_->empty()) return false;
  const std::string path = path_of(file) + "/";
  return std::any_of(forbidden_->begin(), forbidden_->end(),
                     [&path](const std::string& folder) { return path.starts_with(folder + "/"); });
}

std::string FileFolder::cache_control_for(std::string_view path) const {
  if (cache_time_) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*cache_time_).count();
    return fmt::format("public, max-age={}", seconds);
  }
  return std::string(has_hashed_name(path) ? kImmutable : kRevalidate);
}

void FileFolder::log_permission_denied(const std::string& path) {
  if (denied_.size() >= kMostDeniedPaths) denied_.clear();
  if (!denied_.insert(path).second) return;
  log_.error("CW0401", fmt::format("{} may not read {}/{}; answered 403\nfix: let that user read the file and enter "
                                   "the folders above it",
                                   name_of_this_user(), path_of(root_->descriptor()), path));
}

}  // namespace cutwater::handler

#include "handler/named_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <utility>

#include "base/text.h"
#include "handler/error_pages.h"
#include "handler/file_sender.h"
#include "handler/web_server_fields.h"
#include "message/conditional.h"
#include "message/http_date.h"
#include "message/range.h"
#include "message/target.h"

namespace cutwater::handler {

namespace {

using base::equals_ignoring_case;

constexpr std::string_view kByUrl = "X-Accel-Redirect";
constexpr std::string_view kByPath = "X-Sendfile";
// Files and places of this server, which are no client's to know.
constexpr std::array<std::string_view, 3> kForUsAlone = {kByUrl, kByPath, "X-Lighttpd-Send-File"};
// What is true of the body that is dropped.
constexpr std::array<std::string_view, 4> kOfTheBody = {"Accept-Ranges", "Content-Range", "Content-MD5",
                                                        "Content-Digest"};

// A view of the file's bytes as the answer's body, with the head's own validators before the file's.
class FileAnswer {
 public:
  FileAnswer(const message::Response& head, FileReference file) : file_(std::move(file)), response_(head) {
    remove_web_server_fields(response_.headers);
    for (std::string_view name : kOfTheBody) response_.headers.remove_all(name);
    if (!response_.headers.get("Content-Type")) response_.headers.add("Content-Type", file_->content_type());
    if (!response_.headers.get("ETag")) response_.headers.add("ETag", file_->etag());
    if (!response_.headers.get("Last-Modified")) response_.headers.add("Last-Modified", file_->last_modified());
    response_.content_length = file_->size();
  }

  base::Task<void> send(message::Exchange& exchange, io::Offload& offload);

 private:
  message::Validators validators(int64_t now) const {
    return {*response_.headers.get("ETag"), message::parse_http_date(*response_.headers.get("Last-Modified"), now)};
  }
  void make_not_modified();
  base::Task<void> send_whole(message::Exchange& exchange, io::Offload& offload);

  FileReference file_;
  message::Response response_;
};

void FileAnswer::make_not_modified() {
  response_.status = 304;
  response_.reason = {};
  response_.content_length.reset();
  message::Headers kept;
  for (const message::HeaderField& field : response_.headers) {
    const bool is_of_the_content = equals_ignoring_case(field.name.substr(0, 8), "Content-");
    if (!is_of_the_content || equals_ignoring_case(field.name, "Content-Location")) kept.add(field.name, field.value);
  }
  response_.headers = std::move(kept);
}

base::Task<void> FileAnswer::send(message::Exchange& exchange, io::Offload& offload) {
  const message::Request& request = exchange.request;
  const bool is_get = request.method == "GET" || request.method == "HEAD";
  if (response_.status != 200 || !is_get) {
    auto sending = send_whole(exchange, offload);
    co_await sending;
    co_return;
  }
  const auto now = static_cast<int64_t>(time(nullptr));
  switch (message::evaluate_preconditions(request, validators(now), now)) {
    case message::Precondition::kNotModified: {
      make_not_modified();
      auto writing = exchange.response.head(response_, {}, true);
      co_await writing;
      co_return;
    }
    case message::Precondition::kFailed: {
      auto refusing = answer_error(exchange, 412);
      co_await refusing;
      co_return;
    }
    case message::Precondition::kProceed:
      break;
  }
  response_.headers.add("Accept-Ranges", "bytes");
  const message::ByteRange range = message::select_range(request, validators(now), file_->size(), now);
  if (range.kind == message::ByteRange::Kind::kWhole) {
    auto sending = send_whole(exchange, offload);
    co_await sending;
    co_return;
  }
  std::string content_range;
  message::append_content_range(content_range, range, file_->size());
  if (range.kind == message::ByteRange::Kind::kUnsatisfiable) {
    auto refusing = answer_error(exchange, 416, "Content-Range", content_range);
    co_await refusing;
    co_return;
  }
  response_.status = 206;
  response_.reason = {};
  response_.content_length = range.length;
  response_.headers.add("Content-Range", content_range);
  const FileRange part{file_->descriptor(), range.first, range.length};
  auto sending = send_file(exchange.response, response_, offload, part);
  co_await sending;
}

base::Task<void> FileAnswer::send_whole(message::Exchange& exchange, io::Offload& offload) {
  if (exchange.request.method == "HEAD" || file_->size() == 0) {
    auto writing = exchange.response.head(response_, {}, true);
    co_await writing;
    co_return;
  }
  const FileRange whole{file_->descriptor(), 0, file_->size()};
  auto sending = send_file(exchange.response, response_, offload, whole);
  co_await sending;
}

}  // namespace

bool names_a_file(const message::Response& head) {
  return message::status_allows_body(head.status) && (head.headers.get(kByUrl) || head.headers.get(kByPath));
}

void remove_file_names(message::Headers& headers) {
  for (std::string_view name : kForUsAlone) headers.remove_all(name);
}

namespace {

std::string_view without_slashes(std::string_view path) {
  return path.substr(std::min(path.find_first_not_of('/'), path.size()));
}

}  // namespace

NamedFiles::NamedFiles(std::string owner, std::vector<NamedFolder> folders, io::Loop& loop, io::Offload& offload,
                       base::LogSink& log)
    : owner_(std::move(owner)), loop_(loop), offload_(offload), problems_(log) {
  for (NamedFolder& folder : folders) {
    while (folder.root.ends_with('/')) folder.root.pop_back();
    SharedFolder opened = folder.folder;
    folders_.push_back({std::move(folder.prefix), std::move(folder.root), std::move(opened),
                        std::make_unique<FileFolder>(std::move(folder.folder), std::nullopt, loop, offload, log)});
  }
  std::sort(folders_.begin(), folders_.end(),
            [](const Folder& one, const Folder& other) { return one.prefix.size() > other.prefix.size(); });
}

// Decoded once, as the path of a request is; a query means nothing to a file.
NamedFiles::Target NamedFiles::target_of_url(std::string_view url) const {
  std::string path;
  url = url.substr(0, url.find('?'));
  if (!url.starts_with('/')) return {};
  const message::DecodedPath decoded = message::decode_path(url, path);
  if (decoded.error || decoded.had_encoded_slash) return {};
  for (const Folder& folder : folders_) {
    if (message::path_has_prefix(path, folder.prefix)) {
      return {folder.files.get(), path.substr(std::min(folder.prefix.size(), path.size()))};
    }
  }
  return {};
}

// As it is: a name may have a '%'. Of folders that lie in each other the innermost counts.
NamedFiles::Target NamedFiles::target_of_path(std::string_view path) const {
  const Folder* found = nullptr;
  for (const Folder& folder : folders_) {
    const bool lies_below = path.starts_with(folder.root) && path.substr(folder.root.size()).starts_with('/');
    if (lies_below && (!found || folder.root.size() > found->root.size())) found = &folder;
  }
  if (!found) return target_of_real_path(path);
  return {found->files.get(), std::string(without_slashes(path.substr(found->root.size())))};
}

// Of a server that was told where links lead (real_root), or that has looked itself, as PHP's __DIR__ does.
NamedFiles::Target NamedFiles::target_of_real_path(std::string_view path) const {
  Target target;
  size_t longest = 0;
  for (const Folder& folder : folders_) {
    const std::string root = path_of(folder.opened->descriptor());
    const bool lies_below = path.starts_with(root) && path.substr(root.size()).starts_with('/');
    if (!lies_below || root.size() <= longest) continue;
    longest = root.size();
    target = {folder.files.get(), std::string(without_slashes(path.substr(root.size())))};
  }
  return target;
}

base::Task<void> NamedFiles::answer(message::Exchange& exchange, const message::Response& head) {
  const auto url = head.headers.get(kByUrl);
  const std::string_view named = url ? *url : head.headers.get(kByPath).value_or("");
  const Target target = url ? target_of_url(named) : target_of_path(named);
  if (!target.folder) {
    auto refusing = refuse(exchange, named, "which is below none of the folders of `sendfile`");
    co_await refusing;
    co_return;
  }
  auto finding = target.folder->find(target.path);
  FileFolder::Found found = co_await finding;
  if (!found.file && found.status == 404) {
    auto refusing = refuse(exchange, named, "where there is no file");
    co_await refusing;
    co_return;
  }
  if (!found.file) {
    auto refusing = answer_error(exchange, found.status);
    co_await refusing;
    co_return;
  }
  FileAnswer file(head, std::move(found.file));
  auto sending = file.send(exchange, offload_);
  co_await sending;
}

base::Task<void> NamedFiles::refuse(message::Exchange& exchange, std::string_view named, std::string_view why) {
  problems_.write(base::Severity::kError, "CW0515",
                  fmt::format("{}: the answer to {} {} names the file {}, {}; answered 404\n"
                              "fix: let it name a file that is there, below a folder of `sendfile`",
                              owner_, exchange.request.method, exchange.request.path, named, why),
                  loop_.now());
  auto answering = answer_error(exchange, 404);
  co_await answering;
}

}  // namespace cutwater::handler

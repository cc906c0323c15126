// StaticFiles: answers from the files below one folder: GET and HEAD, conditional and single-range requests. Nothing
// outside the folder is ever opened, and nothing that is no regular file is ever read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "base/log.h"
#include "handler/file_folder.h"
#include "handler/script_folder.h"
#include "io/loop.h"
#include "io/offload.h"
#include "message/exchange.h"

namespace cutwater::handler {

struct StaticOptions {
  std::string prefix;                   // "/static/": taken off the path
  std::string index;                    // file answered for a folder; "" = folders are 404
  std::optional<base::Duration> cache;  // Cache-Control: max-age; without: by the look of the name
  ScriptGuard scripts = {};             // what is never sent
};

class Gateway;

class StaticFiles final : public message::Handler {
 public:
  // The services outlive the handler.
  StaticFiles(SharedFolder root, StaticOptions options, io::Loop& loop, io::Offload& offload, base::LogSink& log);
  ~StaticFiles() override;

  // Files go to it, and what it makes of them to the client: with whatever conditions, ranges and body the request has,
  // since these are about the answer. It outlives this.
  void filter_with(Gateway& filter) { filter_ = &filter; }

  base::Task<void> handle(message::Exchange& exchange) override;
  // Exchanges it is answering now: it must not go before there is none.
  size_t active() const { return active_; }

 private:
  bool takes(std::string_view method) const;
  base::Task<void> answer_with(message::Exchange& exchange, FileReference file);
  base::Task<void> answer_part(message::Exchange& exchange, FileReference file, uint64_t first, uint64_t length);
  base::Task<void> redirect_to_folder(message::Exchange& exchange);
  bool is_script(std::string_view path) const;
  bool may_lack_ending(std::string_view path) const;

  StaticOptions options_;
  FileFolder folder_;
  size_t prefix_length_;  // without the final '/'
  io::Offload& offload_;
  Gateway* filter_ = nullptr;
  size_t active_ = 0;
};

// True for names that are never served: dot files (but /.well-known/), backups, Python sources (faults.md 55).
bool is_hidden(std::string_view path);

}  // namespace cutwater::handler

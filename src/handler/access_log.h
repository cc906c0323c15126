// AccessLog: one line for every exchange, refused heads too, through a LogWriter.
#pragma once

#include <string>

#include "base/file_descriptor.h"
#include "handler/log_line.h"
#include "handler/log_writer.h"
#include "io/loop.h"
#include "serve/http_server.h"

namespace cutwater::handler {

class AccessLog final : public serve::ExchangeObserver, public io::TurnHook {
 public:
  // Lines of one turn of `loop` are handed over together at its end.
  AccessLog(io::Loop& loop, LogFormat format, base::FileDescriptor file, LogWriter::Lost lost);
  ~AccessLog() override;

  void on_exchange_end(const message::Request& request, std::string_view connection_address,
                       const Summary& summary) override;
  bool end_of_turn() override;
  void reopen(base::FileDescriptor file);

 private:
  const LogTime& time_now();

  io::Loop& loop_;
  LogFormat format_;
  size_t longest_line_;
  std::string lines_;  // of this turn
  int64_t second_ = -1;
  LogTime time_;
  LogWriter writer_;
};

// For `access = "off"`.
class NoAccessLog final : public serve::ExchangeObserver {
 public:
  void on_exchange_end(const message::Request&, std::string_view, const Summary&) override {}
};

}  // namespace cutwater::handler

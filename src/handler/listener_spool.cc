#include "handler/listener_spool.h"

#include <optional>
#include <string>
#include <utility>

namespace cutwater::handler {

namespace {

class ListenerSpooledBody final : public serve::SpooledBody {
 public:
  ListenerSpooledBody(SpoolArea& area, SpoolBudget& budget) : area_(area), file_(area, budget) {}

  base::Task<bool> append(const std::string& bytes) override {
    auto writing = file_.append(bytes);
    if (co_await writing != SpoolStatus::kWritten) co_return false;
    if (reader_) co_return true;
    auto reader = file_.reopen_read_only();
    if (reader) reader_.emplace(area_.offload, std::move(*reader));
    co_return reader_.has_value();
  }

  base::Task<std::string> read(uint64_t offset, size_t length) override { return reader_->read(offset, length); }

 private:
  SpoolArea& area_;
  SpoolFile file_;
  std::optional<SpoolReader> reader_;
};

}  // namespace

std::unique_ptr<serve::SpooledBody> ListenerSpool::open() {
  return std::make_unique<ListenerSpooledBody>(area_, budget_);
}

}  // namespace cutwater::handler

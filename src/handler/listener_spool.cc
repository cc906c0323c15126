#include "handler/listener_spool.h"

#include <optional>
#include <string>
#include <utility>

namespace cutwater::handler {

namespace {

class ListenerSpooledBody final : public serve::SpooledBody {
 public:
  ListenerSpooledBody(SpoolArea& area, SpoolBudget& budget) : file_(area, budget) {}

  base::Task<bool> append(const std::string& bytes) override {
    auto writing = file_.append(bytes);
    if (co_await writing != SpoolStatus::kWritten) co_return false;
    if (!reader_) reader_.emplace(file_.reader());
    co_return true;
  }

  base::Task<std::string> read(uint64_t offset, size_t length) override { return reader_->read(offset, length); }

 private:
  SpoolFile file_;
  std::optional<SpoolReader> reader_;
};

}  // namespace

std::unique_ptr<serve::SpooledBody> ListenerSpool::open() {
  return std::make_unique<ListenerSpooledBody>(area_, budget_);
}

}  // namespace cutwater::handler

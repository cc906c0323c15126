// Spool files for bodies that would hold up others on their connection.
#pragma once

#include <memory>

#include "handler/spool.h"
#include "serve/body_spool.h"

namespace cutwater::handler {

class ListenerSpool final : public serve::BodySpool {
 public:
  // `area` outlives it, and it whatever it opened.
  explicit ListenerSpool(SpoolArea& area) : area_(area), budget_(area.shares.per_app) {}

  std::unique_ptr<serve::SpooledBody> open() override;

 private:
  SpoolArea& area_;
  SpoolBudget budget_;
};

}  // namespace cutwater::handler

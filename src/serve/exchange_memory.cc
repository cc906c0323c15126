#include "serve/exchange_memory.h"

#include "base/text.h"

namespace cutwater::serve {

namespace {

constexpr size_t kMostFree = 256;
constexpr size_t kMostKept = 16 * 1024;  // capacity of a string that stays with a free exchange

void empty(std::string& text) {
  if (text.capacity() > kMostKept) {
    base::release(text);
  } else {
    text.clear();
  }
}

}  // namespace

ExchangePool::Pointer ExchangePool::take() {
  const GiveBack back{this};
  if (free_.empty()) return Pointer(new ExchangeMemory, back);
  ExchangeMemory* memory = free_.back().release();
  free_.pop_back();
  return Pointer(memory, back);
}

void ExchangePool::give_back(ExchangeMemory* memory) {
  std::unique_ptr<ExchangeMemory> owned(memory);
  if (free_.size() == kMostFree) return;
  for (std::string* text : {&owned->head, &owned->decoded, &owned->authority, &owned->filtered, &owned->output}) {
    empty(*text);
  }
  owned->variables.clear();
  owned->request.clear();
  free_.push_back(std::move(owned));
}

}  // namespace cutwater::serve

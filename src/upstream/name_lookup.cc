#include "upstream/name_lookup.h"

#include <signal.h>

#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace cutwater::upstream {

struct NameLookup::Shared {
  std::mutex mutex;
  NameLookup* owner;  // nullptr: it is gone, and perhaps its loop too
};

NameLookup::NameLookup(io::Loop& loop, Resolve resolve, Done done)
    : loop_(loop), resolve_(std::move(resolve)), done_(std::move(done)), shared_(std::make_shared<Shared>()) {
  shared_->owner = this;
}

NameLookup::~NameLookup() {
  const std::lock_guard lock(shared_->mutex);
  shared_->owner = nullptr;
}

bool NameLookup::start(std::vector<std::string> names) {
  auto work = [shared = shared_, resolve = resolve_, names = std::move(names)] {
    const auto outcomes = std::make_shared<Outcomes>();
    for (const std::string& name : names) outcomes->push_back(resolve(name));
    const std::lock_guard lock(shared->mutex);
    if (!shared->owner) return;
    shared->owner->loop_.post([shared, outcomes] {
      if (shared->owner) shared->owner->finish(*outcomes);  // whoever ends it is on this thread
    });
  };
  // Signals are the loop's business: the new thread inherits a mask that blocks all of them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  loop_.end_patience();
  try {
    std::thread(std::move(work)).detach();
    runs_ = true;
  } catch (const std::system_error&) {
    runs_ = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return runs_;
}

void NameLookup::finish(const Outcomes& outcomes) {
  runs_ = false;
  done_(outcomes);
}

}  // namespace cutwater::upstream

#include "base/task.h"

namespace cutwater::base {

// A self-destroying coroutine around each started task, linked into its set for as long as it lives.
struct TaskSet::Root {
  struct promise_type : Link, PooledFrame {
    TaskSet& set;

    promise_type(TaskSet& owner, Task<void>&) : set(owner) {
      previous = set.roots_.previous;
      next = &set.roots_;
      previous->next = this;
      next->previous = this;
      ++set.size_;
    }
    ~promise_type() {
      previous->next = next;
      next->previous = previous;
      --set.size_;
    }
    Root get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

TaskSet::Root TaskSet::run(TaskSet&, Task<void> task) {
  co_await task;
}

void TaskSet::start(Task<void> task) {
  run(*this, std::move(task));
}

void TaskSet::cancel_all() {
  while (roots_.next != &roots_) {
    auto& promise = static_cast<Root::promise_type&>(*roots_.next);
    std::coroutine_handle<Root::promise_type>::from_promise(promise).destroy();
  }
}

}  // namespace cutwater::base

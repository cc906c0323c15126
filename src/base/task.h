// Task<T>: a lazy coroutine with one awaiter. Nothing runs before `co_await task` or TaskSet::start.
// Cancelling is destroying: the frame's locals, awaitables included, take themselves out of whatever they
// wait for. GCC 12 rule (ARCHITECTURE section 4): no '{' and no '[' between co_await and ';'.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/frame_pool.h"

namespace cutwater::base {

template <class T>
class Task;

namespace detail {

// A task that ends before it ever waits gives its awaiter no second resume: it only says so, and the awaiter
// goes on where it is. A loop over ready tasks thus needs no stack, also where the compiler makes no tail
// calls (sanitizers).
struct TaskPromiseBase : PooledFrame {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  bool awaiter_waits = false;  // has it suspended?
  bool finished = false;
  std::exception_ptr exception;

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> task) noexcept {
      task.promise().finished = true;
      return task.promise().awaiter_waits ? task.promise().continuation : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
};

template <class T>
struct TaskPromise : TaskPromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return std::move(*value);
  }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
  void take() {
    if (exception) std::rethrow_exception(exception);
  }
};

template <class T>
inline constexpr bool kIsSmall = sizeof(T) <= sizeof(void*);
template <class T>
inline constexpr bool kMayBeKnown = std::conjunction_v<std::is_trivially_copyable<T>, std::is_default_constructible<T>,
                                                       std::bool_constant<kIsSmall<T>>>;
template <>
inline constexpr bool kMayBeKnown<void> = false;

struct Unknown {};
template <class T>
struct KnownResult {
  using Type = Unknown;
};
template <class T>
requires kMayBeKnown<T>
struct KnownResult<T> {
  using Type = std::optional<T>;
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), known_(std::exchange(other.known_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, nullptr);
      known_ = std::exchange(other.known_, {});
    }
    return *this;
  }
  ~Task() { reset(); }

  bool done() const { return !handle_ || handle_.done(); }
  void reset() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }

  // One whose result is known already costs no coroutine.
  template <class Result>
  requires std::is_same_v<Result, T> && detail::kMayBeKnown<Result>
  static Task of(Result result) {
    Task task;
    task.known_ = result;
    return task;
  }

  // Awaiting runs the task to its end; its exception, if any, is thrown here.
  bool await_ready() const noexcept {
    if constexpr (detail::kMayBeKnown<T>) return known_.has_value();
    return false;
  }
  bool await_suspend(std::coroutine_handle<> awaiter) {
    promise_type& promise = handle_.promise();
    promise.continuation = awaiter;
    handle_.resume();
    promise.awaiter_waits = !promise.finished;
    return promise.awaiter_waits;
  }
  T await_resume() {
    if constexpr (detail::kMayBeKnown<T>) {
      if (known_) return *known_;
    }
    return handle_.promise().take();
  }

  // As awaiting the task itself, but its exception is given, not thrown.
  class Caught {
   public:
    explicit Caught(Task& task) : task_(task) {}
    bool await_ready() const noexcept { return task_.await_ready(); }
    bool await_suspend(std::coroutine_handle<> awaiter) { return task_.await_suspend(awaiter); }
    std::exception_ptr await_resume() { return std::move(task_.handle_.promise().exception); }

   private:
    Task& task_;
  };
  Caught caught() requires std::is_void_v<T> { return Caught(*this); }

 private:
  Handle handle_;
  [[no_unique_address]] typename detail::KnownResult<T>::Type known_{};
};

template <class T>
Task<T> detail::TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> detail::TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

// Root tasks and their lifetime: runs each until its end and frees it; the destructor cancels what still
// runs.
class TaskSet {
 public:
  TaskSet() = default;
  TaskSet(const TaskSet&) = delete;
  TaskSet& operator=(const TaskSet&) = delete;
  ~TaskSet() { cancel_all(); }

  // Runs `task` up to its first wait. An exception leaving it ends the program: a root task handles its own.
  void start(Task<void> task);
  size_t size() const { return size_; }
  // Must not be called from inside one of its own tasks.
  void cancel_all();

 private:
  struct Root;
  static Root run(TaskSet& set, Task<void> task);

  struct Link {
    Link* previous = this;
    Link* next = this;
  };
  Link roots_;
  size_t size_ = 0;
};

}  // namespace cutwater::base

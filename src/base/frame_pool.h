// FramePool: memory for coroutine frames. A request is a handful of nested tasks of always the same sizes, some
// larger than the C library keeps at hand; the thread that frees a frame keeps it for the next one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

// Sanitizers see misuse of a frame only when it comes from the allocator each time.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CUTWATER_FRAMES_ARE_REUSED false
#elif defined(__has_feature)
#define CUTWATER_FRAMES_ARE_REUSED (!__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer))
#else
#define CUTWATER_FRAMES_ARE_REUSED true
#endif

namespace cutwater::base {

class FramePool {
 public:
  static constexpr bool kReuses = CUTWATER_FRAMES_ARE_REUSED;

  static void* allocate(size_t bytes) {
    const size_t index = index_of(bytes);
    if (!kReuses || index >= kClasses) return ::operator new(bytes);
    Class& kept = classes_[index];
    if (!kept.first) return ::operator new((index + 1) * kStep);
    FreeFrame* frame = kept.first;
    kept.first = frame->next;
    --kept.count;
    return frame;
  }

  static void release(void* memory, size_t bytes) {
    const size_t index = index_of(bytes);
    if (!kReuses || index >= kClasses || classes_[index].count == kMostKept) return ::operator delete(memory);
    Class& kept = classes_[index];
    kept.first = new (memory) FreeFrame{kept.first};
    ++kept.count;
  }

 private:
  struct FreeFrame {
    FreeFrame* next;
  };
  struct Class {
    FreeFrame* first;
    uint32_t count;
  };

  static constexpr size_t kStep = 64;
  static constexpr size_t kClasses = 32;
  static constexpr uint32_t kMostKept = 256;  // of one size: what as many requests at a time need

  static constexpr size_t index_of(size_t bytes) { return (bytes - 1) / kStep; }

  // Frames still kept when a thread ends are lost: threads that run coroutines live as long as their process.
  static inline thread_local constinit std::array<Class, kClasses> classes_{};
};

// Base of a promise type whose frames come from the pool.
struct PooledFrame {
  static void* operator new(size_t bytes) { return FramePool::allocate(bytes); }
  static void operator delete(void* frame, size_t bytes) { FramePool::release(frame, bytes); }
};

}  // namespace cutwater::base

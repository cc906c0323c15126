#include "app/memory_return.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

namespace cutwater::app {
namespace {

constexpr base::Duration kInterval = std::chrono::seconds(10);
constexpr size_t kWorthReturning = size_t{16} << 20;

// Bytes of this process's own memory that are resident; 0 when the system does not say.
size_t resident_bytes() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen("/proc/self/statm", "re"), fclose);
  size_t pages = 0;
  size_t shared_pages = 0;
  if (!file || fscanf(file.get(), "%*u %zu %zu", &pages, &shared_pages) != 2) return 0;
  return (pages - shared_pages) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

MemoryReturn::MemoryReturn(io::TimerQueue& timers) : timer_(timers, [this] { look(); }) {
  timer_.set(base::monotonic_now() + kInterval);
}

void MemoryReturn::look() {
  const struct mallinfo2 heap = mallinfo2();
  if (resident_bytes() > heap.uordblks + heap.hblkhd + kWorthReturning) malloc_trim(0);
  timer_.set(base::monotonic_now() + kInterval);
}

}  // namespace cutwater::app

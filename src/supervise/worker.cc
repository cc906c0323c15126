#include "supervise/worker.h"

#include <fmt/format.h>

#include <fstream>

namespace cutwater::supervise {

std::string name_of(const Worker& worker) {
  if (!worker.process || !worker.process->known()) return fmt::format("worker {}", worker.number);
  return fmt::format("worker {} (pid {})", worker.number, worker.process->pid());
}

// "T" is the state, the first field behind the name in /proc/PID/stat.
bool is_stopped(const Worker& worker) {
  std::ifstream file("/proc/" + std::to_string(worker.process->pid()) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] == 'T';
}

}  // namespace cutwater::supervise

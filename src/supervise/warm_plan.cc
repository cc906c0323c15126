#include "supervise/warm_plan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "control/script_messages.h"
#include "supervise/python_command.h"

namespace cutwater::supervise {

namespace {

constexpr size_t kLongestLine = 255;  // what the system reads of a first line

// "" when it cannot be read, or has no end.
std::string first_line_of(int script) {
  const base::FileDescriptor opened(
      open(fmt::format("/proc/self/fd/{}", script).c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  char buffer[kLongestLine];
  const ssize_t size = opened.valid() ? read(opened.get(), buffer, sizeof buffer) : 0;
  const std::string_view bytes(buffer, size < 0 ? 0 : static_cast<size_t>(size));
  const size_t end = bytes.find('\n');
  return std::string(bytes.substr(0, end == std::string_view::npos ? 0 : end));
}

std::optional<PythonCommand> command_of(const WarmCandidate& candidate) {
  if (!candidate.has_interpreter) return python_of_line(first_line_of(candidate.script), candidate.path);
  const std::string& executable = candidate.program.executable;
  if (!executable.starts_with('/') || !is_python(executable)) return std::nullopt;
  return PythonCommand{executable};
}

}  // namespace

std::optional<WarmPlan> plan_warm(const WarmCandidate& candidate) {
  const ProgramStart& program = candidate.program;
  auto command = command_of(candidate);
  if (!command) return std::nullopt;
  WarmPlan plan;
  plan.file = candidate.file;
  plan.command.words = *command;
  for (const auto& [name, value] : candidate.environment) plan.command.environment.push_back(name + "=" + value);
  if (!candidate.environment.contains("PATH"))
    plan.command.environment.push_back(fmt::format("PATH={}", candidate.path));
  plan.command.identity = program.identity;
  plan.command.most_processes = program.most_processes;
  control::RunScript& message = plan.message;
  message.path = control::bytes_to_text(candidate.has_interpreter ? program.arguments.back() : program.executable);
  for (const std::string& word : *command) message.interpreter.push_back(control::bytes_to_text(word));
  std::string variables;
  for (const std::string& variable : program.environment) {
    if (!variables.empty()) variables += '\0';
    variables += variable;
  }
  message.environment = control::bytes_to_text(variables);
  message.must_be_executable = !candidate.has_interpreter;
  plan.descriptors = {candidate.script, program.folder, program.standard[0], program.standard[1], program.standard[2]};
  return plan;
}

}  // namespace cutwater::supervise

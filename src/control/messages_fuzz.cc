// What anybody may write into a channel: it is refused, or it is a message that encodes to itself again.
#include <cstdint>
#include <cstdlib>

#include "control/channel.h"
#include "control/messages.h"
#include "control/script_messages.h"
#include "control/warm_messages.h"

namespace cutwater::control {
namespace {

template <class Message>
void round_trip(const nlohmann::json& body) {
  auto message = decode<Message>(body);
  if (!message.ok()) return;
  auto again = decode<Message>(encode(*message));
  if (!again.ok() || encode(*again) != encode(*message)) std::abort();
}

void try_all(const nlohmann::json& body) {
  round_trip<GenerationCreated>(body);
  round_trip<WorkerStarted>(body);
  round_trip<Swap>(body);
  round_trip<AppFailed>(body);
  round_trip<Stop>(body);
  round_trip<LaneFree>(body);
  round_trip<WorkersPaused>(body);
  round_trip<ForkFailed>(body);
  round_trip<WorkerStuck>(body);
  round_trip<WorkerBroken>(body);
  round_trip<StartApp>(body);
  round_trip<Fork>(body);
  round_trip<Imported>(body);
  round_trip<BootFailed>(body);
  round_trip<Forked>(body);
  round_trip<WorkerReady>(body);
  round_trip<WorkerEnding>(body);
  round_trip<WorkerExiting>(body);
  round_trip<ServeFront>(body);
  round_trip<StartScript>(body);
  round_trip<EndScript>(body);
  round_trip<ScriptEnded>(body);
  round_trip<ScriptRefused>(body);
  round_trip<ScriptNotice>(body);
  round_trip<RunScript>(body);
  round_trip<WarmReady>(body);
  round_trip<WarmUnfit>(body);
  round_trip<WarmRunning>(body);
  round_trip<WarmCold>(body);
  round_trip<WarmEnded>(body);
}

}  // namespace
}  // namespace cutwater::control

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto body = cutwater::control::parse_message({reinterpret_cast<const char*>(data), size});
  if (body) cutwater::control::try_all(*body);
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto as_text = cutwater::control::text_to_bytes(bytes);
  if (as_text && cutwater::control::bytes_to_text(*as_text) != bytes) std::abort();
  return 0;
}

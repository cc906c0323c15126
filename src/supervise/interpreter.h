// Starting the user's own Python for an app, as zygote, as a lone worker or for a check. What it runs is in
// python/cutwater; the conversation is in docs/processes.md.
#pragma once

#include <memory>
#include <string>

#include "supervise/app_spec.h"
#include "supervise/managed_process.h"

namespace cutwater::supervise {

// `mode`: "zygote" | "worker" | "check". Sends `start`; everything after that arrives as events.
base::Result<std::unique_ptr<ManagedProcess>> start_interpreter(io::Loop& loop, Children& children, const AppSpec& spec,
                                                                const std::string& mode, ManagedProcess::Events events);

// "\nfix: ..." for one that cannot be started.
std::string fix_for_start(const base::Error& error, const std::string& app);

// "fix: ..." for an interpreter that ended without a word: the command that shows what it does.
std::string import_by_hand(const AppSpec& spec);

}  // namespace cutwater::supervise

#include "config/error_codes.h"

namespace cutwater::config {
namespace {

// 01 configuration, 02 interpreter, 03 the app's import and boot, 04 front, static files and HTTP, 05 requests and
// workers, 08 processes and system.
constexpr ErrorCode kCodes[] = {
    {"CW0101", "unknown key", "The configuration has a key that Cutwater does not know in that section. It is refused "
     "rather than ignored, because a mistyped limit that does nothing is worse than a server that does not start.",
     "Correct the spelling or move the key to its section; docs/settings.md lists them all."},
    {"CW0102", "wrong type", "A setting was given a value of another type, such as a number where a duration is meant.",
     "Durations and sizes are texts with a unit (\"30s\", \"10MB\"); counts are numbers without quotes."},
    {"CW0103", "value not allowed", "The value has the right type but cannot be used: outside its range, not one of the "
     "choices, or not readable as a duration, size, address or path.", "The message says what is allowed."},
    {"CW0104", "not valid TOML", "The configuration file breaks the TOML grammar at the place shown.",
     "Correct that line; nothing behind it was read."},
    {"CW0105", "configuration cannot be read", "The file named with -c or as TARGET does not exist, is not a file, or "
     "this user may not read it.", "Check the path and its permissions."},
    {"CW0106", "known, not in this version", "The key, value or command is part of Cutwater's design but this version "
     "does not have it yet.", "Remove it; the message says what to use meanwhile, if there is something."},
    {"CW0107", "variable not set", "A text uses ${NAME}, but the environment has no such variable.",
     "Set it, or write a default: ${NAME:-value}. For a literal \"${\" write \"$${\"."},
    {"CW0108", "settings contradict each other", "Two entries claim the same thing: one address, one path prefix.",
     "Change or remove one of them."},
    {"CW0109", "something is missing", "An entry lacks a key it cannot do without.",
     "Add the key shown in the message."},
    {"CW0110", "folder does not exist", "A setting names a folder that is not there.",
     "Create the folder or correct the path; relative paths count from the configuration file."},
    {"CW0111", "TARGET does not fit the configuration", "An app was named on the command line, but the configuration "
     "has several apps and it is not clear which one is meant.", "Leave TARGET away and set `target` in the file."},
    {"CW0112", "TARGET cannot be found", "TARGET is neither a folder, a Python file, a cutwater.toml nor module:attr.",
     "Check the spelling; `cutwater help serve` shows the forms."},
    {"CW0113", "variable means nothing", "A variable that begins with CUTWATER_ is close to one that Cutwater reads, "
     "but is none.", "Correct its name; docs/settings.md lists the variables."},
    {"CW0114", "configuration may be changed by others", "Cutwater runs as root, but users other than root may write "
     "the configuration, and with it decide what runs as whom.", "chown root cutwater.toml && chmod go-w cutwater.toml"},
    {"CW0120", "wrong use of the command line", "A command, flag or argument is unknown or incomplete.",
     "`cutwater help` lists the commands, `cutwater serve --help` the flags."},
    {"CW0201", "no Python found", "There is no virtual environment in the project and no python3 on PATH.",
     "Make one: python3 -m venv .venv; or set `python` to an interpreter."},
    {"CW0202", "Python not found", "The `python` setting names an environment, interpreter or version that is not there.",
     "Correct it, or remove it to let Cutwater discover the interpreter."},
    {"CW0203", "virtual environment is broken", "The environment's folder exists, but the Python it was made with is "
     "gone: upgraded, moved, or copied from another machine.", "Make it anew: uv venv --clear && uv sync, or "
     "python3 -m venv --clear .venv and install the requirements."},
    {"CW0204", "Python is too old", "Cutwater serves apps on CPython 3.9 and newer.",
     "Make the environment with a newer Python."},
    {"CW0301", "no app found", "No TARGET was given and nothing in the folder looks like a WSGI app.",
     "Name it: cutwater serve module:attr."},
    {"CW0302", "several apps found", "Several candidates are equally likely; Cutwater never chooses silently.",
     "Name the one you mean, as the message shows."},
    {"CW0303", "app only made when run as a program", "The only app in the folder is created under "
     "if __name__ == \"__main__\". A server imports the file, and then that block does not run.",
     "Move the line that makes the app out of the block; leave app.run() in it."},
};

}  // namespace

std::span<const ErrorCode> error_codes() { return kCodes; }

const ErrorCode* find_error_code(std::string_view code) {
  for (const ErrorCode& known : kCodes) {
    if (known.code == code) return &known;
  }
  return nullptr;
}

}  // namespace cutwater::config

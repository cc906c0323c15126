// The command line: `serve`, `check`, `version`, `help`. Exit codes: 0 fine, 1 runtime failure, 2 usage or
// configuration, 3 an app failed to boot, 4 no such app.
#pragma once

namespace cutwater::app {

// What main() does. Exceptions of the libraries underneath end here too.
int run_command_line(int argc, char** argv);

}  // namespace cutwater::app

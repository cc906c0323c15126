// cutwater: puts Python web applications on the internet. Everything is in app/command_line.

#include "app/command_line.h"

int main(int argc, char** argv) {
  return cutwater::app::run_command_line(argc, argv);
}

// Any bytes as a configuration file and as a Python file: no crash, no hang, and a message for whatever is refused.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/config_file.h"
#include "config/environment.h"
#include "config/python_names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cutwater::config;
  std::string text(reinterpret_cast<const char*>(data), size);
  Reporter reporter;
  Config config;
  Document document = parse_document("cutwater.toml", "/srv/shop", text, reporter);
  apply_file(document, document.root, default_listen(reporter), default_app(reporter), config, reporter);
  bool failed = reporter.failed();
  for (const Diagnostic& diagnostic : reporter.take()) {
    if (diagnostic.text.empty() || diagnostic.code.size() != 6) std::abort();
  }
  // What passed is within the limits that the rest of the program relies on.
  for (const App& app : config.apps) {
    if (!failed && (app.queue == 0 || app.workers > 1024 || app.timeout.count() <= 0)) std::abort();
  }
  for (const StaticRoute& route : config.static_routes) {
    if (!route.prefix.starts_with('/') || !route.prefix.ends_with('/') || !route.root.starts_with('/')) std::abort();
  }
  for (const PythonName& name : read_python_module(text).names) {
    if (name.name.empty() || name.score <= 0) std::abort();
  }
  return 0;
}

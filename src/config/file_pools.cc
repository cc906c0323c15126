// Pools: processes that are run for routes that speak FastCGI.
#include <algorithm>

#include "config/file_reader.h"

namespace cutwater::config {

namespace {

constexpr const char* kExample = "command = [\"php-cgi\"]";

}  // namespace

void FileReader::read_pools(const Entry& entry) {
  const std::string fix = "name it: [pool.php]";
  if (!expect(entry.node, Node::Type::kTable, "pool", fix)) return;
  for (const Entry& named : entry.node.entries) {
    if (find_setting(Section::kPool, named.key) != nullptr && named.node.type != Node::Type::kTable) {
      error("CW0102", named.position, "pool." + named.key + ": a pool needs a name",
            "write [pool.php] instead of [pool]");
      continue;
    }
    if (!expect(named.node, Node::Type::kTable, "pool." + named.key, fix)) continue;
    if (!is_name(named.key)) {
      error("CW0103", named.position, quoted(named.key) + " cannot name a pool",
            "use up to 64 letters, digits, \"-\" and \"_\"");
      continue;
    }
    Pool& pool = config_.pools.emplace_back();
    pool_positions_.push_back(named.position);
    pool.name = named.key;
    pool.root = document_.folder;
    Scope scope{.pool = &pool};
    store_defaults(Section::kPool, scope);
    read_section(Section::kPool, named.node, scope, "pool", section_title(Section::kPool, named.key),
                 "pool." + named.key);
    if (named.node.find("command") == nullptr) {
      error("CW0109", named.position, "[pool." + named.key + "] has no command", kExample);
    }
    const Entry* variables = named.node.find("env");
    if (variables != nullptr && pool.environment.contains("PHP_FCGI_CHILDREN")) {
      error(
          "CW0108", variables->position,
          "pool." + named.key + ".env: with PHP_FCGI_CHILDREN php-cgi starts processes of its own, that nobody counts",
          "remove it; processes = 4 of the pool starts as many");
    }
    const auto same = [&](const Upstream& upstream) { return upstream.name == named.key; };
    if (std::any_of(config_.upstreams.begin(), config_.upstreams.end(), same)) {
      error("CW0108", named.position, "[pool." + named.key + "] and [upstream." + named.key + "] have one name",
            "rename one; `to` of a route names either");
    }
  }
}

bool FileReader::use_pool(const Entry& answer, const std::string& pool, Position position, ProxyRoute& proxy) {
  const std::string setting = answer.key + ".to: ";
  if (answer.key != "fastcgi") {
    error("CW0103", position, setting + quoted(pool) + " is a pool, whose processes speak FastCGI",
          "write fastcgi = { to = " + quoted(pool) + " }");
    return false;
  }
  for (const char* key : {"timeout", "connect_timeout", "retries"}) {
    const Entry* written = answer.node.find(key);
    if (written == nullptr) continue;
    error("CW0103", written->position,
          answer.key + "." + key + ": is for servers that somebody else runs, and " + quoted(pool) + " is a pool",
          std::string("remove it; ") + (std::string_view(key) == "timeout"
                                            ? "[pool." + pool + "] has a timeout"
                                            : "whatever has not begun in a process goes to another one"));
    return false;
  }
  proxy.pool = pool;
  return true;
}

void FileReader::check_pools() {
  if (reporter_.failed()) return;  // a route that could not be read may name it
  for (size_t number = 0; number < config_.pools.size(); ++number) {
    const std::string& name = config_.pools[number].name;
    const auto names = [&name](const std::optional<ProxyRoute>& proxy) { return proxy && proxy->pool == name; };
    const auto uses = [&](const Route& route) {
      return route.proxy.pool == name || names(route.auth) || names(route.filter);
    };
    if (std::any_of(config_.routes.begin(), config_.routes.end(), uses)) continue;
    warning("CW0119", pool_positions_[number], "[pool." + name + "] is used by no route",
            "write fastcgi = { to = " + quoted(name) + ", ... } in a route, or remove it");
  }
}

}  // namespace cutwater::config

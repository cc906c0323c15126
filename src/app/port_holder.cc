#include "app/port_holder.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <sstream>
#include <vector>

#include "app/command_line_arguments.h"
#include "base/text.h"
#include "config/project_files.h"

namespace cutwater::app {
namespace {

constexpr size_t kMostOfATable = 16 << 20;
constexpr const char* kTcpListening = "0A";

std::string link_target(const std::string& path) {
  char text[4096];
  const ssize_t length = readlink(path.c_str(), text, sizeof text);
  return length < 0 ? "" : std::string(text, static_cast<size_t>(length));
}

std::vector<std::vector<std::string>> rows(const char* table) {
  std::vector<std::vector<std::string>> found;
  auto text = config::read_text_file(table, kMostOfATable);
  std::istringstream lines(text ? *text : "");
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::vector<std::string>& row = found.emplace_back();
    for (std::string word; words >> word;) row.push_back(word);
  }
  return found;
}

// As the tables write them: each 32 bits of an address as one number of this machine.
std::string table_text(const void* address, size_t bytes) {
  std::string text;
  for (size_t at = 0; at < bytes; at += 4) {
    uint32_t word;
    std::memcpy(&word, static_cast<const char*>(address) + at, sizeof word);
    text += fmt::format("{:08X}", word);
  }
  return text;
}

const std::string kAny4(8, '0');
const std::string kAny6(32, '0');

// Those of a host that is written as a number, or "localhost", or as any ("", "*").
std::set<std::string> addresses_of(std::string host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || host == "*") return {kAny4, kAny6};
  if (host == "localhost") {
    const in_addr four{htonl(INADDR_LOOPBACK)};
    return {table_text(&four, sizeof four), table_text(&in6addr_loopback, sizeof in6addr_loopback)};
  }
  in_addr four{};
  if (inet_aton(host.c_str(), &four) != 0) return {table_text(&four, sizeof four)};
  in6_addr six{};
  if (inet_pton(AF_INET6, host.c_str(), &six) == 1) return {table_text(&six, sizeof six)};
  return {};
}

// Whether who listens on `local` is in the way of one of `wanted`. "[::]" is there for IPv4 as well.
bool is_in_the_way(const std::string& local, const std::set<std::string>& wanted) {
  if (wanted.contains(local) || wanted.contains(kAny6) || local == kAny6) return true;
  if (local.size() != kAny4.size()) return false;
  return wanted.contains(kAny4) || (local == kAny4 && std::any_of(wanted.begin(), wanted.end(), [](const auto& each) {
                                      return each.size() == kAny4.size();
                                    }));
}

// "socket:[123]" of each socket that listens on that TCP port, and on the same address, or where one of the two is any.
// Row: sl local:port remote state ... (9) inode
std::set<std::string> listening_on(const std::string& host, uint64_t port) {
  const std::set<std::string> wanted = addresses_of(host);
  std::set<std::string> links;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    for (const auto& row : rows(table)) {
      if (row.size() < 10 || row[3] != kTcpListening) continue;
      const size_t colon = row[1].rfind(':');
      if (strtoul(row[1].substr(colon + 1).c_str(), nullptr, 16) != port) continue;
      if (is_in_the_way(row[1].substr(0, colon), wanted)) links.insert("socket:[" + row[9] + "]");
    }
  }
  return links;
}

// Row: address count protocol flags type state inode path
std::set<std::string> bound_to_path(const std::string& path) {
  std::set<std::string> links;
  for (const auto& row : rows("/proc/net/unix")) {
    if (row.size() == 8 && row[7] == path) links.insert("socket:[" + row[6] + "]");
  }
  return links;
}

bool has_one_of(const std::string& process, const std::set<std::string>& links) {
  const std::string folder = process + "/fd";
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(opendir(folder.c_str()), closedir);
  if (!opened) return false;
  while (const dirent* entry = readdir(opened.get())) {
    if (links.contains(link_target(folder + "/" + entry->d_name))) return true;
  }
  return false;
}

pid_t parent_of(pid_t process) {
  auto text = config::read_text_file("/proc/" + std::to_string(process) + "/stat", kMostOfATable);
  if (!text) return 0;
  std::istringstream behind_name(text->substr(std::min(text->rfind(')') + 1, text->size())));
  std::string state;
  pid_t parent = 0;
  behind_name >> state >> parent;
  return parent;
}

// Of those that share the socket the one that the others come from.
std::optional<pid_t> oldest_with(const std::set<std::string>& links) {
  std::set<pid_t> holders;
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(opendir("/proc"), closedir);
  while (const dirent* entry = processes ? readdir(processes.get()) : nullptr) {
    const auto number = base::parse_decimal(entry->d_name);
    if (number && has_one_of("/proc/" + std::string(entry->d_name), links)) holders.insert(static_cast<pid_t>(*number));
  }
  for (pid_t holder : holders) {
    if (!holders.contains(parent_of(holder))) return holder;
  }
  return std::nullopt;
}

std::vector<std::string> command_line_of(pid_t process) {
  std::vector<std::string> words;
  auto text = config::read_text_file("/proc/" + std::to_string(process) + "/cmdline", kMostOfATable);
  std::istringstream parts(text ? *text : "");
  for (std::string word; std::getline(parts, word, '\0');) words.push_back(word);
  return words;
}

// What a server is started for, as one text: its configuration file, else its folder or target.
std::string subject(const ServeRequest& request, const std::string& folder) {
  if (!request.overrides.config_file.empty()) return config::absolute_path(folder, request.overrides.config_file);
  const std::string place = config::absolute_path(folder, request.target.empty() ? "." : request.target);
  const std::string file = place + "/cutwater.toml";
  return config::is_file(file) ? file : place;
}

}  // namespace

std::optional<PortHolder> find_port_holder(const std::string& address) {
  std::set<std::string> links;
  if (address.starts_with("unix:")) {
    links = bound_to_path(address.substr(5));
  } else if (auto port = base::parse_decimal(address.substr(address.rfind(':') + 1))) {
    links = listening_on(address.substr(0, address.rfind(':')), *port);
  }
  if (links.empty()) return std::nullopt;
  const std::optional<pid_t> pid = oldest_with(links);
  if (!pid) return std::nullopt;
  auto name = config::read_text_file("/proc/" + std::to_string(*pid) + "/comm", kMostOfATable);
  return PortHolder{*pid, name ? name->substr(0, name->find('\n')) : "its name cannot be read"};
}

std::string taken_by(const PortHolder& holder) {
  if (holder.pid == getpid()) {
    return "\nanother listener of this configuration has it: \"0.0.0.0\" and \"[::]\" take a port on every address"
           "\nfix: remove one of them, or give it another port";
  }
  return "\nprocess " + std::to_string(holder.pid) + " (" + holder.name +
         ") has it\nfix: end that process, or choose another address with -b";
}

bool serves_the_same(const PortHolder& holder, const ServeRequest& request) {
  const std::string process = "/proc/" + std::to_string(holder.pid);
  const std::vector<std::string> words = command_line_of(holder.pid);
  if (words.size() < 2 || !words[0].ends_with("cutwater") || words[1] != "serve") return false;
  const ParsedArguments parsed = parse_arguments("serve", {words.begin() + 2, words.end()});
  const auto* theirs = std::get_if<Arguments>(&parsed);
  const std::string folder = link_target(process + "/cwd");
  if (theirs == nullptr || folder.empty()) return false;
  return subject({theirs->target, theirs->overrides}, folder) == subject(request, config::current_folder());
}

}  // namespace cutwater::app

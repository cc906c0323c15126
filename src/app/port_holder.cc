#include "app/port_holder.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdlib>
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

// "socket:[123]" of each socket that listens on that TCP port. Row: sl local:port remote state ... (9) inode
std::set<std::string> listening_on_port(uint64_t port) {
  std::set<std::string> links;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    for (const auto& row : rows(table)) {
      if (row.size() < 10 || row[3] != kTcpListening) continue;
      const std::string& local = row[1];
      if (strtoul(local.substr(local.rfind(':') + 1).c_str(), nullptr, 16) == port) {
        links.insert("socket:[" + row[9] + "]");
      }
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
    links = listening_on_port(*port);
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

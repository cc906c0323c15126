// What a route has beside its answer: an authorizer, which is asked first, and a filter of files.
#include <algorithm>
#include <array>

#include "codec/cgi_variables/variable_reader.h"
#include "config/closest.h"
#include "config/file_reader.h"
#include "control/script_variables.h"
#include "handler/gateway_request.h"
#include "handler/gateway_variables.h"

namespace cutwater::config {
namespace {

struct Unusable {
  std::string why;  // "": a variable of that name is passed on
  std::string fix = "";
};

Unusable look_at_variable(const std::string& name, const Route& route) {
  const bool is_script = route.kind == Route::Kind::kCgi;
  const bool is_gateway = route.kind == Route::Kind::kProxy;
  const bool is_http = is_gateway && route.proxy.protocol == "http";
  const std::string rename = "remove it, and let the authorizer use another name, such as X_ROLE";
  if (!codec::is_extra_variable(name)) return {"requests have a variable of that name themselves", rename};
  if (is_script && control::is_obeyed_variable(name)) {
    return {"a script, its interpreter or a library of it would obey it; no request may say that", rename};
  }
  if (is_script && route.cgi.environment.contains(name)) {
    return {"env of cgi sets it, and counts for every request", "remove it from one of them"};
  }
  if (is_http && handler::field_of_variable(name).empty()) {
    return {"the field that would have to say it is one of Cutwater's own or of the connection", rename};
  }
  if ((is_script || (is_gateway && !is_http)) && !handler::is_for_gateways(name)) {
    return {"such a name tells what is behind this route what to run, and how", rename};
  }
  return {};
}

}  // namespace

void FileReader::read_auth(const Entry& entry, Route& route) {
  route.auth = read_role(entry, route, "an authorizer", "variables");
  const Entry* variables = entry.node.find("variables");
  if (!route.auth || variables == nullptr) return;
  ProxyDraft draft;
  Scope scope{.proxy = &draft};
  const Setting& setting = *find_setting(Section::kAuth, "variables");
  if (!store_value(setting, variables->node, scope, source_, document_.folder, "auth.variables", reporter_)) {
    return route.auth.reset();
  }
  route.auth->variables = draft.variables;
}

// Once it is known who answers: what never gets there was listed for nothing.
bool FileReader::check_auth_variables(const Entry& auth, const Route& route) {
  const Entry* variables = auth.node.find("variables");
  if (variables == nullptr) return true;
  bool all = true;
  for (const Node& item : variables->node.items) {
    const Unusable unusable = look_at_variable(item.text, route);
    if (unusable.why.empty()) continue;
    error("CW0103", item.position, "auth.variables: " + quoted(item.text) + " is passed on to nobody: " + unusable.why,
          unusable.fix);
    all = false;
  }
  return all;
}

// auth = { fastcgi = {...} }, filter likewise. `program` is what FastCGI calls it; `more` is a key beside fastcgi.
std::optional<ProxyRoute> FileReader::read_role(const Entry& entry, const Route& route, const std::string& program,
                                                std::string_view more) {
  const std::string& word = entry.key;
  const std::string example = word + " = { fastcgi = { to = \"127.0.0.1:9000\" } }";
  if (!expect(entry.node, Node::Type::kTable, word, example)) return std::nullopt;
  for (const Entry& key : entry.node.entries) {
    if (key.key == "fastcgi" || key.key == more) continue;
    if (is_answer(key.key) || closest(key.key, {"proxy"}) == "proxy") {
      error("CW0101", key.position, word + " takes fastcgi alone, not " + quoted(key.key),
            "let a FastCGI program be " + program + ": " + example);
    } else {
      Keys known = {"fastcgi"};
      if (!more.empty()) known.emplace_back(more);
      refuse(key, Section::kAuth, word, word + " = {...}", known);
    }
  }
  const Entry* fastcgi = entry.node.find("fastcgi");
  if (fastcgi == nullptr) {
    const bool is_empty = entry.node.entries.empty();
    if (is_empty || entry.node.find(more) != nullptr) {
      error("CW0109", entry.position, word + (is_empty ? " is empty" : " has no fastcgi"), example);
    }
    return std::nullopt;
  }
  Route asked;
  asked.path = route.path;
  if (!read_proxy(*fastcgi, asked)) return std::nullopt;
  for (const auto& [key, why] : {std::pair("root", " knows what to run"), std::pair("sendfile", " names no files")}) {
    const Entry* found = fastcgi->node.find(key);
    if (found == nullptr) continue;
    error("CW0103", found->position, word + ".fastcgi." + key + ": " + program + why, std::string("remove ") + key);
    return std::nullopt;
  }
  return asked.proxy;
}

bool FileReader::read_filter(const Entry& entry, Route& route) {
  if (route.kind != Route::Kind::kStatic) {
    error("CW0108", entry.position, "filter: is for the files of static alone",
          "remove it, or say static = { root = \"...\" }");
    return false;
  }
  route.filter = read_role(entry, route, "a filter");
  return route.filter.has_value();
}

}  // namespace cutwater::config

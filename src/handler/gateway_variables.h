// The request as CGI variables, for a server behind us that speaks FastCGI, SCGI or uwsgi.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/cgi_variables/cgi_variables.h"
#include "codec/cgi_variables/variables.h"
#include "message/request.h"

namespace cutwater::handler {

// A script that was found for a request.
struct Script {
  std::string root;       // DOCUMENT_ROOT, absolute
  std::string name;       // SCRIPT_NAME: "/index.php"; what strip takes off stands before it
  std::string file;       // below root: "/index.php"
  std::string path_info;  // what the path has behind it: "" or "/more"
};

// A file that is to be filtered.
struct FilteredFile {
  int descriptor;
  uint64_t size;        // bytes
  int64_t modified_at;  // seconds since 1970
};

struct VariableOptions {
  // SCRIPT_NAME when there is no script: "/api"; "": what a web server in front has said.
  std::string_view strip;
  std::string_view instance;           // what this server calls itself in CDN-Loop, a token; "": there is none
  const Script* script = nullptr;      // nullptr: the server knows what to run
  bool authorizer = false;             // without what is a responder's alone (FastCGI specification, section 6.3)
  const FilteredFile* file = nullptr;  // with what is a filter's alone (section 6.4)
};

// Whether what a web server in front or an authorizer says of the client is passed on: not what is set here, or tells
// such a server what to run and how.
bool is_for_gateways(std::string_view name);

class GatewayVariables {
 public:
  // `content_length`: of a body that there is. The request and what the options name outlive this.
  GatewayVariables(const message::Request& request, std::optional<uint64_t> content_length,
                   const VariableOptions& options);
  GatewayVariables(const GatewayVariables&) = delete;
  GatewayVariables& operator=(const GatewayVariables&) = delete;

  // They live as long as this.
  const codec::Variables& list() const { return list_; }

 private:
  void add(std::string_view name, std::string_view value) { list_.push_back({name, value}); }
  void add_request(const message::Request& request, std::optional<uint64_t> content_length,
                   const VariableOptions& options);
  void add_script(const Script& script);
  void add_file(const FilteredFile& file);

  // What stands nowhere else; none of them changes any more once a variable is a view into it.
  std::string target_;
  std::string of_request_;
  std::string cdn_loop_;
  std::string of_script_;
  std::string of_file_;
  codec::Variables list_;
};

}  // namespace cutwater::handler

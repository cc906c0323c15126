// For the tests of FastCGI connections: what a web server sends, and its answers by request.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "codec/fastcgi/name_value.h"
#include "codec/fastcgi/record.h"
#include "serve/test_server.h"

namespace cutwater::serve::fcgi {

using codec::fastcgi::RecordType;
using codec::fastcgi::Role;

inline constexpr bool kKeep = true;

inline std::string begin(uint16_t id, bool keep, Role role = Role::kResponder) {
  std::string bytes;
  codec::fastcgi::append_begin_request(bytes, id, role, keep);
  return bytes;
}

inline std::string params(uint16_t id, std::string_view method, std::string_view path, std::string_view length,
                          std::string_view data_length = "-") {
  std::string pairs;
  if (data_length == "twice") {
    codec::fastcgi::append_pair(pairs, "FCGI_DATA_LENGTH", "3");
    data_length = "4";
  }
  if (data_length != "-") codec::fastcgi::append_pair(pairs, "FCGI_DATA_LENGTH", data_length);
  for (auto [name, value] : {std::pair(std::string_view("REQUEST_METHOD"), method),
                             {"REQUEST_URI", path},
                             {"SERVER_NAME", "front"},
                             {"REMOTE_ADDR", "192.0.2.7"},
                             {"CONTENT_LENGTH", length}}) {
    codec::fastcgi::append_pair(pairs, name, value);
  }
  std::string bytes;
  codec::fastcgi::append_stream(bytes, RecordType::kParams, id, pairs);
  codec::fastcgi::append_record(bytes, RecordType::kParams, id, {});
  return bytes;
}

// As of a web server that does not wait for the end of a chunked body.
inline std::string chunked_params(uint16_t id, std::string_view path, std::string_view coding = "chunked") {
  std::string pairs;
  for (auto [name, value] : {std::pair(std::string_view("REQUEST_METHOD"), std::string_view("POST")),
                             {"REQUEST_URI", path},
                             {"HTTP_TRANSFER_ENCODING", coding},
                             {"CONTENT_LENGTH", ""}}) {
    codec::fastcgi::append_pair(pairs, name, value);
  }
  std::string bytes;
  codec::fastcgi::append_stream(bytes, RecordType::kParams, id, pairs);
  codec::fastcgi::append_record(bytes, RecordType::kParams, id, {});
  return bytes;
}

inline std::string input(uint16_t id, std::string_view body) {
  std::string bytes;
  codec::fastcgi::append_stream(bytes, RecordType::kStdin, id, body);
  codec::fastcgi::append_record(bytes, RecordType::kStdin, id, {});
  return bytes;
}

inline std::string data(uint16_t id, std::string_view bytes) {
  std::string records;
  codec::fastcgi::append_stream(records, RecordType::kData, id, bytes);
  codec::fastcgi::append_record(records, RecordType::kData, id, {});
  return records;
}

inline std::string get(uint16_t id, std::string_view path, bool keep = kKeep) {
  return begin(id, keep) + params(id, "GET", path, "") + input(id, "");
}
inline std::string post(uint16_t id, std::string_view path, std::string_view body, bool keep = kKeep) {
  return begin(id, keep) + params(id, "POST", path, std::to_string(body.size())) + input(id, body);
}

struct Answer {
  std::string output;
  bool ended = false;
  int protocol_status = -1;
  uint32_t application_status = 0;
};

// By request id, which may be used again. Whole records alone; what is no record of an answer is a failure.
inline std::map<uint16_t, Answer> answers(std::string_view bytes) {
  std::map<uint16_t, Answer> all;
  while (auto header = codec::fastcgi::read_header(bytes)) {
    const size_t size = size_t{8} + header->content_length + header->padding_length;
    if (bytes.size() < size) break;
    const std::string_view content = bytes.substr(8, header->content_length);
    Answer& answer = all[header->request_id];
    if (header->type == static_cast<uint8_t>(RecordType::kStdout)) {
      answer.output += content;
    } else if (header->type == static_cast<uint8_t>(RecordType::kEndRequest)) {
      answer.ended = true;
      const auto end = codec::fastcgi::read_end_request(content);
      answer.protocol_status = static_cast<int>(end->protocol_status);
      answer.application_status = end->application_status;
    } else {
      ADD_FAILURE() << "record of type " << int{header->type};
    }
    bytes.remove_prefix(size);
  }
  return all;
}

inline std::string ok(std::string_view body) {
  return "Status: 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

inline ServeOptions fastcgi_options() {
  ServeOptions options;
  options.protocol = Protocol::kFastcgi;
  return options;
}

struct FastcgiServer : ::testing::Test {
  bool receive_end(uint16_t id) {
    return client.receive_until([&] {
      const auto all = answers(client.received);
      return all.contains(id) && all.at(id).ended;
    });
  }
  test::TestServer server{fastcgi_options()};
  test::Client client{server};
};

}  // namespace cutwater::serve::fcgi

// What a connection has received and not consumed. All connections of a server receive into one buffer; bytes
// stay there as long as nobody else needs it and are copied to the connection's own memory only then. An idle
// connection owns nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "io/stream.h"

namespace cutwater::serve {

class ConnectionInput;

class ReceiveBuffer {
 public:
  // A body of 64 KB and its head fit into one recv.
  static constexpr size_t kSize = 128 * 1024;

  // The whole buffer, for `user` alone until the next claim. Whoever had bytes in it takes them out first.
  std::span<char> claim(ConnectionInput& user);
  void forget(const ConnectionInput& user) {
    if (user_ == &user) user_ = nullptr;
  }

 private:
  std::unique_ptr<char[]> memory_{new char[kSize]};
  ConnectionInput* user_ = nullptr;
};

class ConnectionInput {
 public:
  explicit ConnectionInput(ReceiveBuffer& shared) : shared_(shared) {}
  ~ConnectionInput() { shared_.forget(*this); }
  ConnectionInput(const ConnectionInput&) = delete;
  ConnectionInput& operator=(const ConnectionInput&) = delete;

  // Views into it live until the next co_await or receive().
  std::string_view bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }
  void consume(size_t count) { bytes_.remove_prefix(count); }

  // Adds what the stream has now; kDone: bytes() grew. Never blocks.
  io::IoResult receive(io::Stream& stream);
  // The last receive() took all the buffer could hold: the kernel probably has more.
  bool more_likely() const { return filled_; }

  void discard();         // everything received
  void release_memory();  // of its own, when nothing is left in it

 private:
  friend class ReceiveBuffer;
  void keep();

  ReceiveBuffer& shared_;
  std::string_view bytes_;  // in the shared buffer or in kept_
  std::string kept_;
  bool filled_ = false;
};

}  // namespace cutwater::serve

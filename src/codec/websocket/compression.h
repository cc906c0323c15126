// permessage-deflate (RFC 7692), each message by itself: neither side keeps its window from one message to the next, so
// that an idle connection has no state of zlib's, which is 40 KB to read and up to 260 KB to write. Who is in the
// middle of a message borrows one.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct z_stream_s;

namespace cutwater::codec::websocket {

struct CompressionOffer {
  std::string_view response;  // for Sec-WebSocket-Extensions; empty: none is used
  int window_bits = 15;       // of what we send
  bool accepted() const { return !response.empty(); }
};

// Chooses from the Sec-WebSocket-Extensions fields of a client, joined by commas. An offer with parameters that are
// unknown, repeated or out of range is none. `storage` holds the response.
CompressionOffer negotiate_compression(std::string_view extensions, std::string& storage);

class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Takes from `input` and fills `room`; how much was written, or npos: damaged. What comes before the damage is still
  // given, and the next call says so.
  size_t inflate(std::string_view& input, std::span<char> room);
  // All that came makes whole blocks.
  bool at_boundary() const { return at_boundary_; }
  bool damaged() const { return damaged_; }
  void reset();
  static constexpr size_t npos = static_cast<size_t>(-1);

 private:
  std::unique_ptr<z_stream_s> stream_;
  bool damaged_ = false;
  bool at_boundary_ = true;
};

class Deflater {
 public:
  explicit Deflater(int window_bits);
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // Appends what is ready. `last`: all of it, without the four bytes that each message ends with.
  void deflate(std::string_view piece, bool last, std::string& to);
  void reset();
  int window_bits() const { return window_bits_; }

 private:
  int window_bits_;
  std::unique_ptr<z_stream_s> stream_;
};

// Those nobody uses, kept for the next message.
class CompressionPool {
 public:
  CompressionPool();
  ~CompressionPool();
  std::unique_ptr<Inflater> take_inflater();
  std::unique_ptr<Deflater> take_deflater(int window_bits);
  void give_back(std::unique_ptr<Inflater> inflater);
  void give_back(std::unique_ptr<Deflater> deflater);

 private:
  static constexpr size_t kKept = 8;  // of each kind
  std::vector<std::unique_ptr<Inflater>> inflaters_;
  std::vector<std::unique_ptr<Deflater>> deflaters_;
};

}  // namespace cutwater::codec::websocket

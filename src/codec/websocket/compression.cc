#include "codec/websocket/compression.h"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <utility>

namespace cutwater::codec::websocket {

namespace {

constexpr std::string_view kMessageEnd("\0\0\xff\xff", 4);
constexpr int kLargestWindow = 15;
constexpr int kMemoryLevel = 8;

Bytef* bytes_of(std::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

}  // namespace

Inflater::Inflater() : stream_(std::make_unique<z_stream>()) {
  if (inflateInit2(stream_.get(), -kLargestWindow) != Z_OK) throw std::bad_alloc();
}

Inflater::~Inflater() {
  inflateEnd(stream_.get());
}

void Inflater::reset() {
  inflateReset(stream_.get());
  damaged_ = false;
  at_boundary_ = true;
}

// A final block may stand in the middle of a message (RFC 7692 section 7.2.3.4): what follows begins anew.
size_t Inflater::inflate(std::string_view& input, std::span<char> room) {
  z_stream& stream = *stream_;
  stream.next_out = reinterpret_cast<Bytef*>(room.data());
  stream.avail_out = static_cast<uInt>(room.size());
  while (true) {
    stream.next_in = bytes_of(input);
    stream.avail_in = static_cast<uInt>(input.size());
    const uInt room_before = stream.avail_out;
    const int status = ::inflate(&stream, Z_SYNC_FLUSH);
    // data_type has 128 between two blocks, but not any more after a call that found nothing to do there.
    const bool moved = stream.avail_in < input.size() || stream.avail_out < room_before;
    if (moved) at_boundary_ = (stream.data_type & 128) != 0 || status == Z_STREAM_END;
    input.remove_prefix(input.size() - stream.avail_in);
    damaged_ = status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR;
    if (damaged_) return stream.avail_out < room.size() ? room.size() - stream.avail_out : npos;
    if (status != Z_STREAM_END) break;
    inflateReset(&stream);
    if (input.empty() || stream.avail_out == 0) break;
  }
  return room.size() - stream.avail_out;
}

Deflater::Deflater(int window_bits) : window_bits_(window_bits), stream_(std::make_unique<z_stream>()) {
  // On the loop's thread: fast rather than small.
  if (deflateInit2(stream_.get(), Z_BEST_SPEED, Z_DEFLATED, -window_bits, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
}

Deflater::~Deflater() {
  deflateEnd(stream_.get());
}

void Deflater::reset() {
  deflateReset(stream_.get());
}

void Deflater::deflate(std::string_view piece, bool last, std::string& to) {
  z_stream& stream = *stream_;
  stream.next_in = bytes_of(piece);
  stream.avail_in = static_cast<uInt>(piece.size());
  do {
    const size_t before = to.size();
    to.resize(before + piece.size() / 2 + 512);
    stream.next_out = reinterpret_cast<Bytef*>(to.data() + before);
    stream.avail_out = static_cast<uInt>(to.size() - before);
    ::deflate(&stream, last ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    to.resize(to.size() - stream.avail_out);
  } while (stream.avail_out == 0);
  if (last && to.ends_with(kMessageEnd)) to.resize(to.size() - kMessageEnd.size());
}

CompressionPool::CompressionPool() = default;
CompressionPool::~CompressionPool() = default;

std::unique_ptr<Inflater> CompressionPool::take_inflater() {
  if (inflaters_.empty()) return std::make_unique<Inflater>();
  auto taken = std::move(inflaters_.back());
  inflaters_.pop_back();
  taken->reset();
  return taken;
}

std::unique_ptr<Deflater> CompressionPool::take_deflater(int window_bits) {
  auto found = std::find_if(deflaters_.begin(), deflaters_.end(),
                            [window_bits](const auto& kept) { return kept->window_bits() == window_bits; });
  if (found == deflaters_.end()) return std::make_unique<Deflater>(window_bits);
  auto taken = std::move(*found);
  deflaters_.erase(found);
  taken->reset();
  return taken;
}

void CompressionPool::give_back(std::unique_ptr<Inflater> inflater) {
  if (inflater && inflaters_.size() < kKept) inflaters_.push_back(std::move(inflater));
}

void CompressionPool::give_back(std::unique_ptr<Deflater> deflater) {
  if (deflater && deflaters_.size() < kKept) deflaters_.push_back(std::move(deflater));
}

}  // namespace cutwater::codec::websocket

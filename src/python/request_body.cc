#include "python/request_body.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "python/strings.h"

namespace cutwater::python {
namespace {

constexpr size_t kWindowBytes = 64 * 1024;

}  // namespace

void RequestBody::begin(const link::Claim& claim, const link::RequestExtras& extras, uint64_t begins, uint64_t ends) {
  pieces_.clear();
  in_file_ = extras.body_place == link::BodyPlace::kDescriptor;
  if (extras.body_place == link::BodyPlace::kInline) pieces_.push_back(claim.inline_body);
  if (extras.body_place == link::BodyPlace::kChunks) {
    pieces_.insert(pieces_.end(), claim.body_chunks.begin(), claim.body_chunks.end());
  }
  uint64_t size = in_file_ ? extras.body_length : 0;
  for (std::string_view piece : pieces_) size += piece.size();
  end_ = std::min(ends, size);
  position_ = std::min(begins, end_);
  uint64_t before = position_;
  for (piece_ = 0; piece_ < pieces_.size() && before >= pieces_.at(piece_).size(); ++piece_) {
    before -= pieces_.at(piece_).size();
  }
  piece_offset_ = static_cast<size_t>(before);
}

void RequestBody::end() {
  pieces_.clear();
  file_.reset();
  window_.clear();
  in_file_ = false;
  end_ = position_;
}

bool RequestBody::read_file(char* to, uint64_t count, uint64_t offset) {
  if (!file_.valid()) {
    file_ = channel_.fetch_body();
    if (!file_.valid()) return false;
  }
  ssize_t got = 0;
  int error = 0;
  RequestChannel::Inside inside(channel_);
  {
    GilRelease released;
    while (count > 0) {
      got = ::pread(file_.get(), to, count, static_cast<off_t>(offset));
      error = errno;
      if (got < 0 && error == EINTR) continue;
      if (got <= 0) break;
      to += got;
      offset += static_cast<uint64_t>(got);
      count -= static_cast<uint64_t>(got);
    }
  }
  if (count == 0) return true;
  if (got == 0) {
    PyErr_SetString(PyExc_OSError, "the buffered request body is shorter than announced");
  } else {
    errno = error;
    PyErr_SetFromErrno(PyExc_OSError);
  }
  return false;
}

bool RequestBody::fill_window() {
  bool inside = position_ >= window_begin_ && position_ < window_begin_ + window_.size();
  if (inside) return true;
  const uint64_t from = position_;  // another thread of the application may move it during the read
  std::string fresh(static_cast<size_t>(std::min<uint64_t>(kWindowBytes, remaining())), '\0');
  if (!read_file(fresh.data(), fresh.size(), from)) return false;
  window_ = std::move(fresh);
  window_begin_ = from;
  return true;
}

bool RequestBody::peek(std::string_view& bytes) {
  bytes = {};
  if (remaining() == 0) return true;
  if (in_file_) {
    if (!fill_window()) return false;
    bytes = std::string_view(window_).substr(static_cast<size_t>(position_ - window_begin_));
    return true;
  }
  while (piece_ < pieces_.size() && piece_offset_ == pieces_.at(piece_).size()) {
    ++piece_;
    piece_offset_ = 0;
  }
  if (piece_ < pieces_.size()) bytes = pieces_.at(piece_).substr(piece_offset_);
  bytes = bytes.substr(0, static_cast<size_t>(std::min<uint64_t>(bytes.size(), remaining())));
  return true;
}

bool RequestBody::copy(char* to, uint64_t count) {
  if (in_file_ && count > kWindowBytes) {  // past the window, straight to its place
    if (!read_file(to, count, position_)) return false;
    position_ += count;
    return true;
  }
  while (count > 0) {
    std::string_view bytes;
    if (!peek(bytes)) return false;
    bytes = bytes.substr(0, static_cast<size_t>(count));
    std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
    count -= bytes.size();
    position_ += bytes.size();
    piece_offset_ += bytes.size();
  }
  return true;
}

PyObject* RequestBody::take(uint64_t count) {
  if (count > static_cast<uint64_t>(PY_SSIZE_T_MAX)) return PyErr_NoMemory();
  PyRef bytes = PyRef::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(count)));
  if (!bytes || !copy(PyBytes_AsString(bytes.get()), count)) return nullptr;
  return bytes.release();
}

PyObject* RequestBody::read(uint64_t limit) {
  return take(std::min(limit, remaining()));
}

PyObject* RequestBody::read_line(uint64_t limit) {
  limit = std::min(limit, remaining());
  std::string line;  // only of a line that lies in several pieces
  while (true) {
    std::string_view bytes;
    if (!peek(bytes)) return nullptr;
    bytes = bytes.substr(0, static_cast<size_t>(limit - line.size()));
    size_t newline = bytes.find('\n');
    if (newline != std::string_view::npos) bytes = bytes.substr(0, newline + 1);
    bool complete = newline != std::string_view::npos || line.size() + bytes.size() == limit;
    if (complete && line.empty()) return take(bytes.size());
    line.append(bytes);
    position_ += bytes.size();
    piece_offset_ += bytes.size();
    if (complete) return PyBytes_FromStringAndSize(line.data(), static_cast<Py_ssize_t>(line.size()));
  }
}

}  // namespace cutwater::python

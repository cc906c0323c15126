#include "serve/input.h"

#include "base/text.h"

namespace cutwater::serve {

std::span<char> ReceiveBuffer::claim(ConnectionInput& user) {
  if (user_ && user_ != &user) user_->keep();
  user_ = &user;
  return {memory_.get(), kSize};
}

io::IoResult ConnectionInput::receive(io::Stream& stream) {
  if (!bytes_.empty()) keep();
  const std::span<char> room = shared_.claim(*this);
  const io::IoResult result = stream.read(room);
  filled_ = result.status == io::IoStatus::kDone && result.count == room.size();
  if (result.status != io::IoStatus::kDone) return result;
  if (bytes_.empty()) {
    bytes_ = {room.data(), result.count};
  } else {
    kept_.append(room.data(), result.count);
    bytes_ = kept_;
  }
  return result;
}

// Moves what is left into kept_. In the frequent case of a head that comes byte by byte it is there already
// and starts at its beginning: nothing is copied twice.
void ConnectionInput::keep() {
  if (bytes_.empty()) return;
  const bool kept_already = bytes_.data() >= kept_.data() && bytes_.data() < kept_.data() + kept_.size();
  if (kept_already) {
    kept_.erase(0, static_cast<size_t>(bytes_.data() - kept_.data()));
  } else {
    kept_.assign(bytes_);
  }
  bytes_ = kept_;
}

void ConnectionInput::discard() {
  bytes_ = {};
  filled_ = false;
}

void ConnectionInput::release_memory() {
  if (bytes_.empty() && kept_.capacity() > std::string().capacity()) base::release(kept_);
}

}  // namespace cutwater::serve

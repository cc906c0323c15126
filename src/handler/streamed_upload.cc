#include "handler/streamed_upload.h"

#include <algorithm>
#include <string>

#include "handler/app_request.h"

namespace cutwater::handler {

using message::BodyPiece;
using message::BodyStatus;

base::Task<void> StreamedUpload::send() {
  while (true) {
    while (feed_.room() == 0) co_await feed_.change();
    waits_for_client_ = true;
    auto reading = body_.read();
    const BodyPiece piece = co_await reading;
    waits_for_client_ = false;
    if (piece.status == BodyStatus::kEnd) break;
    if (piece.status != BodyStatus::kPiece) co_return request_.fail_body(piece.status);
    auto sending = send_piece(piece.bytes);
    co_await sending;
  }
  while (!feed_.send(link::DownKind::kBodyEnd, 0, {})) co_await feed_.change();
}

// What there is no credit or room for is kept: no more than one piece.
base::Task<void> StreamedUpload::send_piece(std::string_view piece) {
  std::string kept;
  while (!piece.empty()) {
    const size_t count = std::min(piece.size(), feed_.room());
    if (count > 0 && feed_.send(link::DownKind::kBodyPiece, 0, piece.substr(0, count))) {
      piece.remove_prefix(count);
      continue;
    }
    if (kept.empty()) {
      kept.assign(piece);
      piece = kept;
    }
    co_await feed_.change();
  }
}

}  // namespace cutwater::handler

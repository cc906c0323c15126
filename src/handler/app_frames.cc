// AppGeneration: what workers send. All of it is untrusted.
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "handler/app.h"
#include "handler/app_generation.h"
#include "link/response_record.h"

namespace cutwater::handler {

namespace {

bool is_of_response(link::UpKind kind) {
  return kind == link::UpKind::kBody || kind == link::UpKind::kFile || kind == link::UpKind::kTrailers;
}

}  // namespace

void AppGeneration::on_frame(uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame,
                             std::string_view payload) {
  if (ticket.slot >= slots_.size() || slots_[ticket.slot].ticket != ticket) return;
  SlotUse& use = slots_[ticket.slot];
  const auto kind = static_cast<link::UpKind>(frame.kind);
  const bool carries_flags = kind == link::UpKind::kHead || kind == link::UpKind::kBody || kind == link::UpKind::kEnd ||
                             kind == link::UpKind::kAbort;
  const bool complete = kind == link::UpKind::kEnd || kind == link::UpKind::kAbort ||
                        (carries_flags && (frame.value & link::kComplete) != 0);
  const bool abandoned = use.state != SlotUse::State::kActive || !use.request;
  use.answered = true;
  use.head_seen = use.head_seen || kind == link::UpKind::kHead;
  // Before the request is told: its coroutine may end, and be gone, within the call below.
  if (complete) {
    const bool released = (frame.value & link::kReleases) != 0;
    if (released) {
      set_free(use);
    } else {
      use.state = SlotUse::State::kEnded;
      watch(use);
    }
    if (!released && use.request) {
      use.method = use.request->exchange().request.method;
      use.path = use.request->exchange().request.path;
    }
  }
  if (abandoned) return drop_frame(lane, ticket, frame, payload);
  AppRequest& request = *use.request;
  if (complete) {
    forget_room(use);
    use.request = nullptr;
    request.generation = nullptr;
  }
  // Its client will hear of nothing else, so nothing else is kept for it.
  if (request.has_failed()) return drop_frame(lane, ticket, frame, payload);
  const bool of_socket = kind == link::UpKind::kWebSocketMessage || kind == link::UpKind::kWebSocketClose;
  if (of_socket || (request.open_socket && is_of_response(kind))) return on_socket_frame(request, lane, frame, payload);
  switch (kind) {
    case link::UpKind::kHead:
      return on_head(request, lane, payload, complete);
    case link::UpKind::kBody:
      return request.on_body(payload, complete);
    case link::UpKind::kEnd:
      return request.on_end();
    case link::UpKind::kEarlyHints:
      return on_early_hints(request, payload);
    case link::UpKind::kAbort:
      return request.fail(500);
    case link::UpKind::kFile:
      return on_file(request, lane, ticket, frame, payload);
    case link::UpKind::kBodyWanted:
      return on_body_wanted(request, lane, ticket);
    case link::UpKind::kTrailers:
      return on_trailers(request, lane, payload);
    case link::UpKind::kCredit:
      if (WorkerFeed* feed = request.feed()) feed->on_credit(frame.value);
      return;
    default:
      return;
  }
}

void AppGeneration::on_head(AppRequest& request, uint32_t lane, std::string_view payload, bool complete) {
  ResponseHeadPool::Pointer head = app_.heads_.take();
  std::string_view body;
  if (!link::read_head_payload(payload, head->storage, head->response, body)) {
    return refuse(request, lane, "a response head that is none");
  }
  if (head->response.status == 101 && !accept_socket(request, body, complete)) {
    return refuse(request, lane, "101 where no WebSocket was offered, or with more than a head");
  }
  const bool opens = request.open_socket;
  request.on_head(std::move(head), body, complete);
  if (opens && app_.closing_) request.shut_down(codec::websocket::kGoingAway);
}

// A handshake is answered once, and what lies in the slot is of no more use: an open socket costs it no memory.
bool AppGeneration::accept_socket(AppRequest& request, std::string_view body, bool complete) {
  if (!request.offers_websocket || !options_.asynchronous || !body.empty() || complete) return false;
  SlotUse& use = use_of(request);
  use.open_socket = request.open_socket = true;
  request.socket_options = options_.websocket;
  ++open_sockets_;
  link_.forget_content(request.ticket);
  return true;
}

void AppGeneration::on_socket_frame(AppRequest& request, uint32_t lane, const link::FrameHeader& frame,
                                    std::string_view payload) {
  const uint32_t type = frame.value & ~link::kMoreFollows;
  const auto kind = static_cast<link::UpKind>(frame.kind);
  if (request.open_socket && kind == link::UpKind::kWebSocketClose && frame.value <= 0xffff) {
    return request.on_close(static_cast<uint16_t>(frame.value), payload);
  }
  if (request.open_socket && kind == link::UpKind::kWebSocketMessage && (type == 1 || type == 2)) {
    return request.on_message(payload, type == 1, (frame.value & link::kMoreFollows) == 0);
  }
  refuse(request, lane, "what has no place in a WebSocket, or outside of one");
}

void AppGeneration::on_early_hints(AppRequest& request, std::string_view payload) {
  ResponseHeadPool::Pointer head = app_.heads_.take();
  head->storage.assign(payload);
  head->response.status = 103;
  head->response.reason = {};
  // Hints may be lost without harm: damaged ones are.
  if (link::decode_fields(head->storage, head->response.headers)) request.on_early_hints(std::move(head));
}

void AppGeneration::on_trailers(AppRequest& request, uint32_t lane, std::string_view payload) {
  ResponseHeadPool::Pointer fields = app_.heads_.take();
  fields->storage.assign(payload);
  if (!link::decode_fields(fields->storage, fields->response.headers)) {
    return refuse(request, lane, "trailers that are none");
  }
  // Of an app that gives more and more of them, which is no fault of its worker.
  if (!request.on_trailers(std::move(fields))) request.fail(502);
}

void AppGeneration::on_file(AppRequest& request, uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame,
                            std::string_view payload) {
  base::FileDescriptor file = link_.receive_file_descriptor(lane, ticket, frame.value);
  base::ByteReader reader(payload);
  auto offset = reader.integer<uint64_t>();
  auto length = reader.integer<uint64_t>();
  struct stat status;
  if (!file.valid() || reader.failed() || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return refuse(request, lane, "a file answer without a regular file");
  }
  auto size = static_cast<uint64_t>(status.st_size);
  const uint64_t available = size - std::min(offset, size);
  if (!request.on_file(std::move(file), offset, std::min(length, available))) {
    refuse(request, lane, "more files than anybody waits for");
  }
}

void AppGeneration::on_body_wanted(AppRequest& request, uint32_t lane, link::Ticket ticket) {
  if (WorkerFeed* feed = request.feed()) return feed->on_wanted();
  auto file = request.spool() ? request.spool()->reopen_read_only() : memory_file(request.body());
  if (file.ok() && link_.send_body_descriptor(lane, ticket, file->get())) return;
  app_.log_.write(base::Severity::kError, "CW0513",
                  options_.app + ": a spooled request body could not be handed to its worker" +
                      (file.ok() ? std::string() : ": " + file.error().message),
                  app_.services_.loop.now(), "hand-over");
  link_.send_down(lane, link::DownKind::kCancel, ticket, 0, {});
  request.fail(500);
}

// The client has left: the worker is kept from waiting for credit, descriptors are closed.
void AppGeneration::drop_frame(uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame,
                               std::string_view payload) {
  switch (static_cast<link::UpKind>(frame.kind)) {
    case link::UpKind::kHead:
      if (auto parts = link::split_head_payload(payload); parts && !parts->body.empty()) {
        link_.send_down(lane, link::DownKind::kCredit, ticket, static_cast<uint32_t>(parts->body.size()), {});
      }
      break;
    case link::UpKind::kBody:
      if ((frame.value & link::kComplete) != 0) break;
      link_.send_down(lane, link::DownKind::kCredit, ticket, static_cast<uint32_t>(payload.size()), {});
      break;
    case link::UpKind::kWebSocketMessage:
      link_.send_down(lane, link::DownKind::kCredit, ticket, std::max(static_cast<uint32_t>(payload.size()), 1U), {});
      break;
    case link::UpKind::kFile:
      link_.receive_file_descriptor(lane, ticket, frame.value);
      break;
    case link::UpKind::kBodyWanted:
      link_.send_down(lane, link::DownKind::kCancel, ticket, 0, {});
      break;
    default:
      break;
  }
}

// Nothing a worker of ours would send: the client gets 502 and the worker is replaced.
void AppGeneration::refuse(AppRequest& request, uint32_t lane, std::string_view why) {
  app_.log_.write(base::Severity::kError, "CW0514",
                  options_.app + ": a worker sent " + std::string(why) + "; answered 502", app_.services_.loop.now());
  app_.services_.reports.worker_broken(options_, lane, why);
  request.fail(502);
}

void AppGeneration::on_broken_lane(uint32_t lane, std::string_view why) {
  app_.services_.reports.worker_broken(options_, lane, why);
}

}  // namespace cutwater::handler

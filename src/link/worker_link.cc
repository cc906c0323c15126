#include "link/worker_link.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "link/crash_point.h"
#include "link/request_queue.h"
#include "link/response_record.h"
#include "link/wake.h"
#include "link/wake_delay.h"
#include "link/worker_front.h"

namespace cutwater::link {
namespace {

FrameHeader frame_for(const Claim& claim, UpKind kind, uint32_t value, size_t length) {
  return {.kind = static_cast<uint16_t>(kind),
          .slot = static_cast<uint16_t>(claim.slot),
          .generation = claim.generation,
          .length = static_cast<uint32_t>(length),
          .value = value};
}

}  // namespace

struct WorkerLink::Impl {
  Impl(Segment mapped, uint32_t lane_index, Descriptors descriptors);

  void release_leftovers();
  bool take(uint32_t front, const QueuedEntry& entry, Claim& claim, base::Instant now);
  void read_slot(Claim& claim) const;
  bool any_queued() const;
  bool work_came();
  void publish_received();
  bool leaves_sleeper();
  void wake_fronts();
  uint32_t wants() const;
  bool ensure_alarms(base::Instant now);
  uint64_t tail(uint32_t front) const { return map.queue(front).tail.value.load(std::memory_order_seq_cst); }

  Segment segment;
  SegmentMap map;
  uint32_t lane;
  base::FileDescriptor wake;
  std::vector<WorkerFront> fronts;
  WakeDelay delay{WakeDelay::kResponses};
  WakeDelay piece_delay{WakeDelay::kPieces};
  uint32_t next_front = 0;     // whose queue is looked at first
  uint32_t next_receiver = 0;  // whose down ring is
  uint32_t next_file = 0;
  bool retired = false;
  bool slept = false;  // prepare_to_...() said yes: the eventfd is to be cleared
  bool announced = false;
  bool announced_idle = false;
};

WorkerLink::Impl::Impl(Segment mapped, uint32_t lane_index, Descriptors descriptors)
    : segment(std::move(mapped)), map(segment), lane(lane_index), wake(std::move(descriptors.wake)) {
  descriptors.front_wakes.resize(map.layout().fronts);
  descriptors.front_alarms.resize(map.layout().fronts);
  descriptors.lane_sockets.resize(map.layout().fronts);
  fronts.reserve(map.layout().fronts);
  for (uint32_t front = 0; front < map.layout().fronts; ++front)
    fronts.emplace_back(map, front, lane, std::move(descriptors.front_wakes[front]),
                        std::move(descriptors.front_alarms[front]), std::move(descriptors.lane_sockets[front]));
  if (wake.valid()) set_nonblocking(wake.get());
  release_leftovers();
}

// A predecessor on this lane may have died while its front was dead too: then nobody has given its claims
// back.
void WorkerLink::Impl::release_leftovers() {
  for (uint32_t front = 0; front < map.layout().fronts; ++front) {
    if (map.queue(front).tail.value.load(std::memory_order_acquire) == 0) continue;  // its slots were never used
    for (uint32_t slot = 0; slot < map.layout().slots; ++slot) {
      uint64_t word = map.slot_control(front, slot).word.load(std::memory_order_acquire);
      if (word_state(word) == SlotWordState::kClaimed && word_lane(word) == lane)
        fronts[front].release(slot, word_generation(word));
    }
  }
}

WorkerLink::WorkerLink(Segment segment, uint32_t lane, Descriptors descriptors)
    : impl_(std::make_unique<Impl>(std::move(segment), lane, std::move(descriptors))) {}
WorkerLink::~WorkerLink() = default;

// The CAS is the claim. Whatever comes after it may be cut off by a kill: the word already says whose it is.
bool WorkerLink::Impl::take(uint32_t front, const QueuedEntry& entry, Claim& claim, base::Instant now) {
  crash_point(CrashPoint::kBeforeClaim);
  SlotControl& control = map.slot_control(front, entry.slot);
  uint64_t word = entry.word;
  uint32_t generation = word_generation(word);
  if (!control.word.compare_exchange_strong(word, slot_word(generation, SlotWordState::kClaimed, lane))) return false;
  crash_point(CrashPoint::kAfterClaim);
  control.claimed_at.store(now.nanoseconds, std::memory_order_release);
  delay.call_began(now);
  piece_delay.call_began(now);
  crash_point(CrashPoint::kAfterStamp);
  pass_entry(map, front, entry.position);
  crash_point(CrashPoint::kAfterHead);
  claim.front = front;
  claim.slot = entry.slot;
  claim.generation = generation;
  return true;
}

// Leaves record and body empty when the slot is damaged: decode_request() will refuse it.
void WorkerLink::Impl::read_slot(Claim& claim) const {
  const Layout& layout = map.layout();
  const char* memory = map.slot(claim.front, claim.slot);
  SlotHeader header;
  std::memcpy(&header, memory, sizeof header);
  claim.record = claim.inline_body = {};
  claim.body_chunks.clear();
  size_t body_offset = sizeof header;
  std::string_view record;
  if (header.record_chunk == SlotHeader::kNoChunk) {
    if (header.record_bytes > layout.slot_bytes - sizeof header) return;
    record = {memory + sizeof header, header.record_bytes};
    body_offset = (sizeof header + header.record_bytes + 7) & ~size_t{7};
  } else {
    if (header.record_chunk >= layout.chunks || header.record_bytes > layout.chunk_bytes) return;
    record = {map.chunk(claim.front, header.record_chunk), header.record_bytes};
  }
  if (header.body_chunk_count == 0) {
    if (body_offset > layout.slot_bytes || header.body_bytes > layout.slot_bytes - body_offset) return;
    claim.inline_body = {memory + body_offset, header.body_bytes};
  } else {
    if (header.body_chunk_count > SlotHeader::kMaximumBodyChunks) return;
    size_t rest = header.body_bytes;
    for (uint32_t index = 0; index < header.body_chunk_count; ++index) {
      size_t piece = std::min<size_t>(rest, layout.chunk_bytes);
      if (header.body_chunks[index] >= layout.chunks || piece == 0) return claim.body_chunks.clear();
      claim.body_chunks.emplace_back(map.chunk(claim.front, header.body_chunks[index]), piece);
      rest -= piece;
    }
    if (rest != 0) return claim.body_chunks.clear();
  }
  claim.record = record;
}

bool WorkerLink::claim(Claim& claim, base::Instant now) {
  if (retired()) return false;
  auto count = static_cast<uint32_t>(impl_->fronts.size());
  for (uint32_t step = 0; step < count; ++step) {
    uint32_t front = impl_->next_front;
    impl_->next_front = front + 1 < count ? front + 1 : 0;
    QueuedEntry entry;
    while (find_queued(impl_->map, front, impl_->tail(front), entry)) {
      if (!impl_->take(front, entry, claim, now)) continue;
      impl_->read_slot(claim);
      return true;
    }
  }
  return false;
}

bool WorkerLink::Impl::any_queued() const {
  QueuedEntry entry;
  for (uint32_t front = 0; front < fronts.size(); ++front)
    if (find_queued(map, front, tail(front), entry)) return true;
  return false;
}

bool WorkerLink::has_queued() const {
  return attached() && impl_->any_queued();
}

uint64_t WorkerLink::queued() const {
  if (!attached()) return 0;
  uint64_t count = 0;
  for (uint32_t front = 0; front < impl_->fronts.size(); ++front) {
    const uint64_t head = impl_->map.queue(front).head.value.load(std::memory_order_relaxed);
    const uint64_t tail = impl_->tail(front);
    if (tail > head) count += tail - head;
  }
  return count;
}

void WorkerLink::release(const Claim& claim) {
  if (attached()) impl_->fronts[claim.front].release(claim.slot, claim.generation);
}

bool WorkerLink::keeps_releases() const {
  return attached() && std::any_of(impl_->fronts.begin(), impl_->fronts.end(),
                                   [](const WorkerFront& front) { return front.keeps_releases(); });
}

SendResult WorkerLink::send_response(const Claim& claim, const message::Response& response, std::string_view first_body,
                                     uint32_t flags) {
  if (!attached()) return {SendResult::kFailed};
  size_t record = encoded_size(response);
  uint32_t most = maximum_up_payload();
  if (record == 0 || record + sizeof(uint32_t) > most) return {SendResult::kTooLarge};
  size_t body = std::min(first_body.size(), most - sizeof(uint32_t) - record);
  if (body < first_body.size()) flags = 0;
  size_t length = sizeof(uint32_t) + record + body;
  WorkerFront& front = impl_->fronts[claim.front];
  char* room = front.reserve(static_cast<uint32_t>(length));
  if (room == nullptr) return {SendResult::kFull};
  base::ByteWriter writer({room, length});
  writer.integer(static_cast<uint32_t>(record));
  encode_response(response, writer);
  crash_point(CrashPoint::kInPayload);
  writer.bytes(first_body.substr(0, body));
  front.commit(frame_for(claim, UpKind::kHead, flags, length));
  return {SendResult::kSent, body};
}

SendResult WorkerLink::send_body(const Claim& claim, std::string_view bytes, uint32_t flags) {
  if (!attached()) return {SendResult::kFailed};
  size_t body = std::min<size_t>(bytes.size(), maximum_up_payload());
  if (body < bytes.size()) flags = 0;
  if (!send_up(claim, UpKind::kBody, flags, bytes.substr(0, body))) return {SendResult::kFull};
  return {SendResult::kSent, body};
}

bool WorkerLink::send_up(const Claim& claim, UpKind kind, uint32_t value, std::string_view payload) {
  return send_up(claim, kind, value, std::initializer_list<std::string_view>{payload});
}

bool WorkerLink::send_up(const Claim& claim, UpKind kind, uint32_t value,
                         std::initializer_list<std::string_view> payload) {
  if (!attached()) return false;
  size_t length = 0;
  for (std::string_view piece : payload) length += piece.size();
  if (length > maximum_up_payload()) return false;
  return impl_->fronts[claim.front].send(frame_for(claim, kind, value, length), payload);
}

uint32_t WorkerLink::maximum_up_payload() const {
  return maximum_payload(impl_->map.layout().up_ring_bytes);
}

void WorkerLink::Impl::wake_fronts() {
  for (WorkerFront& front : fronts)
    if (front.has_news()) front.wake_if_asleep();
  delay.woken();
  piece_delay.woken();
}

// A front that is awake looks at the rings again before it sleeps.
bool WorkerLink::Impl::leaves_sleeper() {
  bool sleeper = false;
  for (WorkerFront& front : fronts) {
    if (!front.has_news()) continue;
    if (front.front_sleeps())
      sleeper = true;
    else
      front.forget_news();
  }
  if (!sleeper) {
    delay.woken();
    piece_delay.woken();
  }
  return sleeper;
}

// For each front that is left asleep over a frame.
bool WorkerLink::Impl::ensure_alarms(base::Instant now) {
  for (WorkerFront& front : fronts)
    if (front.has_news() && !front.ensure_alarm(now)) return false;
  return true;
}

void WorkerLink::wake_fronts() {
  if (attached() && impl_->leaves_sleeper()) impl_->wake_fronts();
}

void WorkerLink::wake_fronts_after_call(base::Instant now) {
  if (!attached() || !impl_->leaves_sleeper()) return;
  impl_->delay.call_ended(now);
  if (impl_->delay.trusts() && impl_->any_queued() && impl_->delay.may_wait(now) && impl_->ensure_alarms(now)) return;
  impl_->wake_fronts();
}

void WorkerLink::wake_fronts_between_pieces() {
  if (!attached()) return;
  const base::Instant now = base::monotonic_now();
  impl_->piece_delay.call_ended(now);
  impl_->piece_delay.call_began(now);
  if (!impl_->leaves_sleeper()) return;
  if (impl_->piece_delay.may_wait(now) && impl_->ensure_alarms(now)) return;
  impl_->wake_fronts();
}

void WorkerLink::Impl::publish_received() {
  for (WorkerFront& front : fronts) front.publish_received();
}

std::optional<DownFrame> WorkerLink::receive() {
  if (!attached()) return std::nullopt;
  impl_->publish_received();
  auto count = static_cast<uint32_t>(impl_->fronts.size());
  for (uint32_t step = 0; step < count; ++step) {
    uint32_t front = impl_->next_receiver;
    DownFrame frame{.front = front, .header = {}, .payload = {}};
    RingReader::Status status = impl_->fronts[front].receive(frame.header, frame.payload);
    if (status == RingReader::kBroken) impl_->retired = true;  // nothing more can be learned from this front
    if (status == RingReader::kFrame) {
      if (frame.header.kind == static_cast<uint16_t>(DownKind::kProbe)) return receive();
      if (frame.header.kind == static_cast<uint16_t>(DownKind::kRetire)) impl_->retired = true;
      return frame;
    }
    impl_->next_receiver = front + 1 < count ? front + 1 : 0;
  }
  return std::nullopt;
}

int WorkerLink::wake_descriptor() const {
  return impl_->wake.get();
}
int WorkerLink::lane_socket(uint32_t front) const {
  return impl_->fronts[front].socket();
}

// What the announcement crossed: frames, or the room that a send lacked.
bool WorkerLink::Impl::work_came() {
  for (WorkerFront& front : fronts)
    if (front.frames_pending() || front.room_came()) return true;
  return false;
}

uint32_t WorkerLink::Impl::wants() const {
  const bool room =
      std::any_of(fronts.begin(), fronts.end(), [](const WorkerFront& front) { return front.wants_room(); });
  return room ? kWantsRoom : kWantsFrames;
}

bool WorkerLink::prepare_to_wait() {
  if (!attached()) return false;
  impl_->publish_received();
  for (WorkerFront& front : impl_->fronts) front.flush_releases();
  impl_->wake_fronts();
  impl_->announced = true;
  impl_->map.sleep_board().waits[impl_->lane].value.store(impl_->wants(), std::memory_order_seq_cst);
  impl_->slept = !impl_->work_came();
  return impl_->slept;
}

bool WorkerLink::prepare_to_sleep() {
  if (!attached()) return false;
  bool may_sleep = prepare_to_wait();
  if (retired()) return may_sleep;
  impl_->announced_idle = true;
  impl_->map.sleep_board().idle.value.fetch_or(uint64_t{1} << impl_->lane, std::memory_order_seq_cst);
  crash_point(CrashPoint::kAfterIdle);
  impl_->slept = may_sleep && !impl_->any_queued();
  return impl_->slept;
}

void WorkerLink::awake() {
  if (!attached() || !impl_->announced) return;
  SleepBoard& board = impl_->map.sleep_board();
  uint64_t bit = uint64_t{1} << impl_->lane;
  bool woken = board.waits[impl_->lane].value.exchange(0, std::memory_order_seq_cst) == 0;
  if (impl_->announced_idle) woken |= (board.idle.value.fetch_and(~bit, std::memory_order_seq_cst) & bit) == 0;
  crash_point(CrashPoint::kAfterAwake);
  // Also when nobody took the announcement: a front that repairs writes without asking, and poll() would
  // spin.
  if ((woken || impl_->slept) && impl_->wake.valid()) clear_eventfd(impl_->wake.get());
  impl_->announced = impl_->announced_idle = impl_->slept = false;
}

bool WorkerLink::retired() const {
  return impl_->retired || !attached();
}

bool WorkerLink::check_fronts() {
  for (WorkerFront& front : impl_->fronts) {
    pollfd entry{front.socket(), 0, 0};
    if (front.bodies().ended() || (entry.fd >= 0 && poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR))))
      impl_->retired = true;
  }
  return !impl_->retired;
}

bool WorkerLink::attached() const {
  return impl_->segment.attached();
}

base::FileDescriptor WorkerLink::receive_body_descriptor(const Claim& claim) {
  if (!attached()) return {};
  WorkerFront& front = impl_->fronts[claim.front];
  base::FileDescriptor body = front.bodies().take(front.socket(), claim.slot, claim.generation, 0);
  if (front.bodies().ended()) impl_->retired = true;
  return body;
}

SendResult::Status WorkerLink::send_file(const Claim& claim, int descriptor, uint64_t offset, uint64_t length) {
  if (!attached()) return SendResult::kFailed;
  WorkerFront& front = impl_->fronts[claim.front];
  std::array<uint64_t, 2> range{offset, length};
  if (front.reserve(sizeof range) == nullptr) return SendResult::kFull;
  uint32_t id = ++impl_->next_file;
  if (!send_lane_descriptor(front.socket(), claim.slot, claim.generation, id, descriptor)) return SendResult::kFailed;
  front.send(frame_for(claim, UpKind::kFile, id, sizeof range),
             {{reinterpret_cast<const char*>(range.data()), sizeof range}});
  return SendResult::kSent;
}

}  // namespace cutwater::link

// A worker whose front writes anything: the input is a program of writes to the memory that a front can reach and of
// the worker's own steps. Whatever comes, what the worker is given lies within the segment, and no step hangs.
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/byte_reader.h"
#include "link/fuzz_segment.h"
#include "link/request_record.h"
#include "link/segment_map.h"
#include "link/slot_word.h"
#include "link/worker_link.h"

namespace {

using namespace cutwater;
using namespace cutwater::link;

constexpr uint32_t kMostClaims = 8;

base::FileDescriptor new_eventfd() {
  return base::FileDescriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

class Machine {
 public:
  explicit Machine(Segment& segment) : segment_(segment), map_(segment) {
    WorkerLink::Descriptors descriptors;
    descriptors.wake = new_eventfd();
    descriptors.front_wakes.push_back(new_eventfd());
    descriptors.front_alarms.emplace_back();
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) abort();
    descriptors.lane_sockets.emplace_back(ends[0]);
    front_end_.reset(ends[1]);
    worker_ = std::make_unique<WorkerLink>(segment.alias(), 0, std::move(descriptors));
  }

  void run(base::ByteReader program) {
    while (!program.failed() && !program.rest().empty()) step(program);
  }

 private:
  void step(base::ByteReader& program) {
    const auto what = program.integer<uint8_t>();
    LaneControl& lane = map_.lane(0, 0);
    switch (what % 16) {
      case 0:
        lane.down_write.value = program.integer<uint64_t>();
        break;
      case 1:
        lane.down_write.value += program.integer<uint8_t>() * uint64_t{8};
        break;
      case 2:
        lane.up_read.value = program.integer<uint64_t>();
        break;
      case 3:
        write(map_.down_ring(0, 0), segment_.layout().down_ring_bytes, program);
        break;
      case 4:
        map_.queue(0).tail.value = program.integer<uint64_t>();
        break;
      case 5:
        map_.slot_control(0, program.integer<uint8_t>() % kFuzzSlots).word = program.integer<uint64_t>();
        break;
      case 6:
        queue(program.integer<uint8_t>() % kFuzzSlots);
        break;
      case 7:
        map_.index_entry(0, program.integer<uint8_t>()) = program.integer<uint32_t>();
        break;
      case 8:
        write(map_.slot(0, program.integer<uint8_t>() % kFuzzSlots), segment_.layout().slot_bytes, program);
        break;
      case 9:
        claim();
        break;
      case 10:
        receive();
        break;
      case 11:
        worker_->prepare_to_sleep();
        worker_->awake();
        break;
      case 12:
        if ((what & 16) != 0) {
          worker_->wake_fronts_after_call();
        } else {
          worker_->wake_fronts();
        }
        break;
      case 13:
        if (!claims_.empty()) worker_->send_body(claims_.back(), std::string(program.integer<uint8_t>() * 90u, 'x'), 0);
        break;
      case 14:
        if (claims_.empty()) break;
        worker_->release(claims_.back());
        claims_.pop_back();
        break;
      default:
        map_.queue(0).head.value = program.integer<uint64_t>();
    }
  }

  static void write(char* to, size_t room, base::ByteReader& program) {
    const size_t offset = program.integer<uint16_t>() % room;
    const size_t count = std::min<size_t>(program.integer<uint8_t>(), program.rest().size());
    const std::string_view bytes = program.bytes(std::min(count, room - offset));
    if (!bytes.empty()) std::memcpy(to + offset, bytes.data(), bytes.size());
  }

  // As a front that keeps to the rules does it.
  void queue(uint32_t slot) {
    SlotControl& control = map_.slot_control(0, slot);
    control.word = slot_word(word_generation(control.word) + 1, SlotWordState::kQueued);
    const uint64_t tail = map_.queue(0).tail.value;
    map_.index_entry(0, tail) = slot;
    map_.queue(0).tail.value = tail + 1;
  }

  void claim() {
    Claim claim;
    if (claims_.size() == kMostClaims || !worker_->claim(claim)) return;
    if (claim.front != 0 || claim.slot >= kFuzzSlots) abort();
    look_at(claim.record);
    look_at(claim.inline_body);
    for (std::string_view chunk : claim.body_chunks) look_at(chunk);
    message::Request request;
    RequestExtras extras;
    if (decode_request(claim.record, request, extras)) {
      for (const auto& field : request.headers) {
        look_at(field.name);
        look_at(field.value);
      }
      look_at(request.path);
      look_at(request.raw_target);
    }
    claims_.push_back(std::move(claim));
  }

  // A front that goes on saying that there is more is believed so many times.
  void receive() {
    for (int count = 0; count < 64; ++count) {
      const auto frame = worker_->receive();
      if (!frame) return;
      if (frame->front != 0 || frame->header.length != frame->payload.size()) abort();
      look_at(frame->payload);
    }
  }

  void look_at(std::string_view bytes) {
    if (bytes.empty()) return;
    const std::less<const char*> before;
    const char* end = segment_.base() + segment_.size();
    if (before(bytes.data(), segment_.base()) || before(end, bytes.data() + bytes.size())) abort();
    unsigned char sum = 0;
    for (char byte : bytes) sum = static_cast<unsigned char>(sum + static_cast<unsigned char>(byte));
    sum_ = sum;
  }

  Segment& segment_;
  SegmentMap map_;
  base::FileDescriptor front_end_;
  std::unique_ptr<WorkerLink> worker_;
  std::vector<Claim> claims_;
  volatile unsigned char sum_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Segment segment = make_fuzz_segment();
  // Control words, slots and rings as new; chunks hold nothing that decides anything.
  static SegmentMap map(segment);
  const auto offset_of = [](const char* place) { return static_cast<size_t>(place - segment.base()); };
  std::memset(segment.base() + 4096, 0, offset_of(map.chunk(0, 0)) - 4096);
  std::memset(map.up_ring(0, 0), 0, segment.size() - offset_of(map.up_ring(0, 0)));
  Machine(segment).run(base::ByteReader({reinterpret_cast<const char*>(data), size}));
  return 0;
}

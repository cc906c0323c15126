// A front whose workers write anything: the input is a program of writes to the memory that workers can reach
// and of the front's own steps. Whatever comes, every slot can be had back.
#include <sys/eventfd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/byte_reader.h"
#include "link/front_link.h"
#include "link/fuzz_segment.h"
#include "link/response_record.h"
#include "link/segment_map.h"
#include "link/slot_word.h"

namespace {

using namespace cutwater;
using namespace cutwater::link;

class Receiver : public UpReceiver {
 public:
  void on_frame(uint32_t lane, Ticket ticket, const FrameHeader& frame, std::string_view payload) override {
    if (lane >= kFuzzLanes || ticket.slot >= kFuzzSlots || frame.length != payload.size()) abort();
    std::string_view body;
    if (frame.kind == static_cast<uint16_t>(UpKind::kHead)) read_head_payload(payload, storage_, response_, body);
    unsigned char sum = 0;
    for (char byte : payload) sum = static_cast<unsigned char>(sum + static_cast<unsigned char>(byte));
    sum_ = sum;
  }
  void on_broken_lane(uint32_t lane, std::string_view why) override {
    if (lane >= kFuzzLanes || why.empty()) abort();
  }

 private:
  std::string storage_;
  message::Response response_;
  volatile unsigned char sum_ = 0;
};

class Machine {
 public:
  explicit Machine(Segment& segment) : segment_(segment), map_(segment) {
    start_front();
    request_.method = "GET";
    request_.path = request_.raw_target = "/";
  }

  void run(base::ByteReader program) {
    while (!program.failed() && !program.rest().empty()) step(program);
    for (uint32_t lane = 0; lane < kFuzzLanes; ++lane) front_->lane_died(lane);
    for (Ticket ticket : tickets_) front_->take_back(ticket);
    if (front_->in_use() != 0 || !front_->has_room(front_->maximum_body())) abort();
  }

 private:
  // Takes over whatever is there.
  void start_front() {
    front_ = std::make_unique<FrontLink>(segment_.alias(), 0, receiver_);
    for (uint32_t lane = 0; lane < kFuzzLanes; ++lane) attach(lane);
    tickets_.clear();
  }
  void attach(uint32_t lane) { front_->attach_lane(lane, base::FileDescriptor(eventfd(0, EFD_NONBLOCK)), {}); }

  void step(base::ByteReader& program) {
    auto what = program.integer<uint8_t>();
    auto lane = static_cast<uint32_t>(what >> 4) % kFuzzLanes;
    switch (what % 16) {
      case 0:
        map_.lane(0, lane).up_write.value = program.integer<uint64_t>();
        break;
      case 1:
        map_.lane(0, lane).up_write.value += program.integer<uint8_t>() * uint64_t{64};
        break;
      case 2:
        map_.lane(0, lane).down_read.value = program.integer<uint64_t>();
        break;
      case 3: {
        auto offset = program.integer<uint8_t>() * size_t{64};
        std::string_view bytes = program.bytes(std::min<size_t>(program.integer<uint8_t>(), program.rest().size()));
        if (!bytes.empty()) std::memcpy(map_.up_ring(0, lane) + offset, bytes.data(), bytes.size());
        break;
      }
      case 4:
        map_.queue(0).head.value = program.integer<uint64_t>();
        break;
      case 5:
        map_.slot_control(0, program.integer<uint8_t>() % kFuzzSlots).word = program.integer<uint64_t>();
        break;
      case 6: {  // a proper claim
        uint32_t slot = program.integer<uint8_t>() % kFuzzSlots;
        uint64_t word = map_.slot_control(0, slot).word;
        map_.slot_control(0, slot).word = slot_word(word_generation(word), SlotWordState::kClaimed, lane);
        break;
      }
      case 7:
        map_.index_entry(0, program.integer<uint8_t>()) = program.integer<uint32_t>();
        break;
      case 8:
        submit(program.integer<uint16_t>());
        break;
      case 9:
        front_->drain();
        break;
      case 10:
        front_->tick();
        break;
      case 11:
        front_->wake_workers();
        break;
      case 12:
        if (lane == 1) return start_front();
        for (Ticket ticket : tickets_)
          if (front_->state(ticket).lane >= kFuzzLanes) abort();
        break;
      case 13:
        if (!tickets_.empty())
          front_->send_down(lane, DownKind::kBodyPiece, tickets_.back(), 0,
                            std::string(program.integer<uint8_t>() * 90u, 'x'));
        break;
      case 14:
        front_->lane_died(lane);
        attach(lane);
        break;
      default:
        if (!tickets_.empty()) front_->take_back(tickets_[program.integer<uint8_t>() % tickets_.size()]);
    }
  }

  void submit(size_t body) {
    if (auto ticket = front_->submit(request_, {}, std::string(body, 'b'))) tickets_.push_back(*ticket);
  }

  Segment& segment_;
  Receiver receiver_;
  SegmentMap map_;
  std::unique_ptr<FrontLink> front_;
  message::Request request_;
  std::vector<Ticket> tickets_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Segment segment = make_fuzz_segment();
  // Control words and rings as new; slots and chunks hold nothing that decides anything.
  static SegmentMap map(segment);
  std::memset(segment.base() + 4096, 0, static_cast<size_t>(map.slot(0, 0) - segment.base()) - 4096);
  for (uint32_t lane = 0; lane < kFuzzLanes; ++lane)
    std::memset(map.up_ring(0, lane), 0, segment.layout().up_ring_bytes);
  Machine(segment).run(base::ByteReader({reinterpret_cast<const char*>(data), size}));
  return 0;
}

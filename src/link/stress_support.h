// A small front and a small worker as loops around the link, for the stress tests. Nothing here ticks: a lost
// wake-up shows as a poll() that times out.
#pragma once

#include <poll.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <span>

#include "link/link_test_support.h"

namespace cutwater::link {

constexpr int kLostWakeup = 20'000;  // ms; a healthy wake-up takes microseconds

// What a request asks its worker to do: exchange_id % 5.
enum class Job { kSmall, kPieces, kAbort, kStreamed, kNoEnd, kCount };
inline Job job_of(uint64_t exchange) {
  return static_cast<Job>(exchange % static_cast<uint64_t>(Job::kCount));
}
constexpr size_t kPieceCount = 5;
constexpr size_t kPieceBytes = 30'000;

class StressWorker {
 public:
  explicit StressWorker(WorkerLink& link) : link_(link) {}

  // Until retired and nothing is claimed. False: a wake-up was lost.
  bool run() {
    while (true) {
      while (link_.claim(claim_)) {
        if (!serve()) return false;
        link_.wake_fronts_after_call();
        ++served;
      }
      link_.wake_fronts();
      while (link_.receive()) {
      }
      if (link_.retired()) return true;
      if (link_.prepare_to_sleep() && !sleep()) return false;
      link_.awake();
    }
  }
  int served = 0;

 private:
  bool sleep() {
    pollfd entry{link_.wake_descriptor(), POLLIN, 0};
    return poll(&entry, 1, kLostWakeup) > 0;
  }
  // For a frame or for room; takes in what came.
  bool wait() {
    bool fine = !link_.prepare_to_wait() || sleep();
    link_.awake();
    take_in();
    return fine;
  }
  void take_in() {
    while (auto frame = link_.receive()) {
      if (frame->front != claim_.front || frame->header.slot != claim_.slot ||
          frame->header.generation != claim_.generation)
        continue;
      if (frame->header.kind == static_cast<uint16_t>(DownKind::kBodyPiece)) received_ += frame->payload.size();
      if (frame->header.kind == static_cast<uint16_t>(DownKind::kBodyEnd)) body_ended_ = true;
      if (frame->header.kind == static_cast<uint16_t>(DownKind::kDisconnect)) body_ended_ = true;
    }
  }
  template <class Attempt>
  bool until_sent(Attempt attempt) {
    while (!attempt()) {
      link_.wake_fronts();
      if (!wait()) return false;
    }
    return true;
  }
  bool send(UpKind kind, uint32_t value) {
    return until_sent([&] { return link_.send_up(claim_, kind, value, std::string_view()); });
  }
  bool send_head(std::string_view body, uint32_t flags) {
    message::Response response = hello_response();
    return until_sent([&] { return link_.send_response(claim_, response, body, flags).status == SendResult::kSent; });
  }

  bool serve() {
    message::Request request;
    RequestExtras extras;
    if (!decode_request(claim_.record, request, extras)) return send(UpKind::kAbort, kBeforeHead | kReleases);
    std::string text = std::to_string(extras.exchange_id);
    switch (job_of(extras.exchange_id)) {
      case Job::kSmall:
        return send_head(text, kComplete | kReleases);
      case Job::kPieces: {
        if (!send_head(text, 0)) return false;
        std::string piece(kPieceBytes, static_cast<char>('a' + extras.exchange_id % 26));
        for (size_t count = 0; count < kPieceCount; ++count)
          if (!until_sent([&] { return link_.send_body(claim_, piece, 0).status == SendResult::kSent; })) return false;
        return send(UpKind::kEnd, kReleases);
      }
      case Job::kAbort:
        return send(UpKind::kAbort, kBeforeHead | kReleases);
      case Job::kStreamed: {
        received_ = 0;
        body_ended_ = false;
        if (!send(UpKind::kBodyWanted, 0)) return false;
        link_.wake_fronts();
        while (!body_ended_)
          if (!wait()) return false;
        return send_head(text, kComplete | kReleases);
      }
      default:
        link_.release(claim_);
        return true;
    }
  }

  WorkerLink& link_;
  Claim claim_;
  size_t received_ = 0;
  bool body_ended_ = false;
};

class StressFront : public UpReceiver {
 public:
  StressFront(World& world, uint32_t index, uint32_t seed)
      : index_(index), wake_(world.front_wake(index)), random_(seed), link_(world.front(*this, index)) {}

  FrontLink& link() { return *link_; }

  // Sends `total` requests, some of which are taken back, until all are over. False: a wake-up was lost.
  bool run(int total) {
    StressFront* const alone = this;
    return run_together({&alone, 1}, total);
  }
  // The same for several fronts of one thread, each with `total` requests of its own.
  static bool run_together(std::span<StressFront* const> fronts, int total) {
    for (StressFront* front : fronts) front->submitted_ = 0;
    const auto over = [&](const StressFront* front) { return front->submitted_ == total && front->open_.empty(); };
    while (true) {
      bool any = false;
      for (StressFront* front : fronts) any |= front->turn(total);
      if (std::all_of(fronts.begin(), fronts.end(), over)) return true;
      if (any) continue;
      bool nothing_new = true;
      for (StressFront* front : fronts) nothing_new &= front->link_->prepare_to_sleep();
      if (nothing_new && !sleep(fronts)) return false;
      for (StressFront* front : fronts) {
        front->link_->awake();
        take_count(front->wake_);
      }
    }
  }

  void on_frame(uint32_t lane, Ticket ticket, const FrameHeader& frame, std::string_view payload) override {
    auto found = open_.find(ticket.slot);
    if (found == open_.end() || found->second.ticket != ticket) return;  // of a client that left
    Open& open = found->second;
    switch (static_cast<UpKind>(frame.kind)) {
      case UpKind::kHead: {
        auto parts = split_head_payload(payload);
        if (!parts || parts->body != std::to_string(open.exchange)) ++wrong;
        if ((frame.value & kComplete) != 0) over(ticket, answered);
        break;
      }
      case UpKind::kBody:
        if (payload.size() != kPieceBytes || payload[0] != static_cast<char>('a' + open.exchange % 26)) ++wrong;
        ++open.pieces;
        break;
      case UpKind::kEnd:
        if (open.pieces != kPieceCount) ++wrong;
        over(ticket, answered);
        break;
      case UpKind::kAbort:
        over(ticket, aborted);
        break;
      case UpKind::kBodyWanted:
        open.lane = lane;
        if (!send_pieces(ticket.slot)) blocked_[ticket.slot] = true;
        break;
      default:
        ++wrong;
    }
  }
  void on_broken_lane(uint32_t, std::string_view) override { ++broken; }
  void on_room(uint32_t) override { room_ = true; }

  void lose(const std::vector<Ticket>& tickets) {
    for (Ticket ticket : tickets) {
      auto found = open_.find(ticket.slot);
      if (found != open_.end() && found->second.ticket == ticket)
        over(ticket, lost);
      else
        ++lost_after_leaving;
    }
  }

  int answered = 0, aborted = 0, taken_back = 0, left = 0, lost = 0, lost_after_leaving = 0, wrong = 0, broken = 0;
  size_t most_open = SIZE_MAX;    // requests under way at a time
  std::vector<int> also_watched;  // descriptors that end a sleep, and what to do in each turn
  std::function<void()> on_turn;

 private:
  struct Open {
    Ticket ticket;
    uint64_t exchange;
    size_t pieces = 0;
    size_t to_send = kPieceCount;
    uint32_t lane = 0;
  };

  // True: there may be more to do before anybody sleeps.
  bool turn(int total) {
    while (submitted_ < total && open_.size() < most_open && submit(submitted_)) ++submitted_;
    if (random_() % 8 == 0) leave_one();
    for (auto lane = blocked_.begin(); lane != blocked_.end();)
      lane = send_pieces(lane->first) ? blocked_.erase(lane) : ++lane;
    bool any = link_->drain() || std::exchange(room_, false);
    link_->wake_workers();
    if (on_turn) on_turn();
    return any || (open_.empty() && submitted_ < total);
  }
  static bool sleep(std::span<StressFront* const> fronts) {
    std::vector<pollfd> entries;
    for (const StressFront* front : fronts) {
      entries.push_back({front->wake_, POLLIN, 0});
      for (int descriptor : front->also_watched) entries.push_back({descriptor, POLLIN, 0});
    }
    return poll(entries.data(), entries.size(), kLostWakeup) != 0;
  }
  bool submit(int number) {
    auto exchange = static_cast<uint64_t>(number);
    message::Request request = hello_request();
    BodyPlace place = job_of(exchange) == Job::kStreamed ? BodyPlace::kStreamed : BodyPlace::kNone;
    auto ticket = link_->submit(request, {.body_place = place, .exchange_id = exchange}, "");
    if (ticket) open_[ticket->slot] = {.ticket = *ticket, .exchange = exchange};
    return ticket.has_value();
  }
  void over(Ticket ticket, int& counter) {
    ++counter;
    open_.erase(ticket.slot);
    blocked_.erase(ticket.slot);
  }
  void leave_one() {
    if (open_.empty()) return;
    auto chosen = std::next(open_.begin(), static_cast<ptrdiff_t>(random_() % open_.size()));
    Ticket ticket = chosen->second.ticket;
    if (link_->take_back(ticket)) return over(ticket, taken_back);
    SlotState state = link_->state(ticket);
    if (state.kind != SlotState::kClaimed || random_() % 4 != 0) return;
    link_->send_down(state.lane, DownKind::kDisconnect, ticket, 0, {});
    over(ticket, left);
  }
  bool send_pieces(uint32_t slot) {
    auto found = open_.find(slot);
    if (found == open_.end()) return true;
    Open& open = found->second;
    std::string piece(20'000, 'p');
    for (; open.to_send > 0; --open.to_send)
      if (!link_->send_down(open.lane, DownKind::kBodyPiece, open.ticket, 0, piece)) return false;
    return link_->send_down(open.lane, DownKind::kBodyEnd, open.ticket, 0, {});
  }

  uint32_t index_;
  int wake_;
  std::mt19937 random_;
  std::map<uint32_t, Open> open_;
  std::map<uint32_t, bool> blocked_;
  int submitted_ = 0;
  bool room_ = false;  // a refused send is due again
  std::unique_ptr<FrontLink> link_;
};

}  // namespace cutwater::link

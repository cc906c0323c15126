#include "upstream/shared_connection.h"

#include <algorithm>

#include "codec/fastcgi/record.h"
#include "upstream/shared_request.h"

namespace cutwater::upstream {

using codec::fastcgi::RecordType;
using codec::fastcgi::ResponseReader;

namespace {

constexpr size_t kOutput = 64 * 1024;  // gathered for one write
// An answer of which so much has come may become more than can be spooled: others are better off elsewhere.
constexpr uint64_t kLongAnswer = uint64_t{32} << 20;

}  // namespace

SharedConnection::SharedConnection(io::Loop& loop, std::unique_ptr<io::Stream> stream,
                                   const SharedConnectionOptions& options, SharedConnectionOwner* owner)
    : loop_(loop),
      stream_(std::move(stream)),
      options_(options),
      owner_(owner),
      shared_since_(loop.now()),
      used_before_(options.used_before),
      idle_since_(loop.now()),
      wake_(loop.timers(), [this] { wake(); }),
      overdue_(loop.timers(), [this] { note_overdue(); }),
      held_up_(loop.timers(), [this] { cut_what_is_full(); }),
      idle_end_(loop.timers(), [this] { close(); }) {
  wake_later();
}

SharedConnection::~SharedConnection() = default;

std::unique_ptr<SharedRequest> SharedConnection::add(bool alone) {
  uint16_t request_id = 1;
  while (running_.contains(request_id) || spent_.contains(request_id)) ++request_id;
  auto request = std::make_unique<SharedRequest>(loop_, shared_from_this(), request_id, used_before_);
  running_[request_id].request = request.get();
  running_[request_id].alone = alone;
  requests_.push_back(request.get());
  idle_ = false;
  idle_end_.cancel();
  return request;
}

bool SharedConnection::takes_requests() const {
  if (ended_ || retired_ || running_.size() >= kMostAtOnce || is_full()) return false;
  if (writing_.size() > 0 || held_up_lately()) return false;
  return std::none_of(running_.begin(), running_.end(), [this](const auto& entry) {
    const Running& running = entry.second;
    const base::Instant heard = std::max(running.began, received_);
    const bool waits = running.begun && loop_.now() - heard > options_.longest_quiet;
    return running.alone || running.overdue || waits || running.received >= kLongAnswer;
  });
}

bool SharedConnection::is_silent() {
  while (!ended_) {
    const io::IoResult result = stream_->read(io::shared_read_buffer());
    if (result.status == io::IoStatus::kWouldBlock) break;
    if (result.status != io::IoStatus::kDone) {
      end("");
    } else {
      sort(std::string_view(io::shared_read_buffer().data(), result.count));
    }
  }
  return !ended_;
}

void SharedConnection::retire() {
  retired_ = true;
  wake_later();
}

// ---- what comes

base::Task<void> SharedConnection::read() {
  while (!ended_ && !is_full()) {
    co_await stream_->readable(base::kNever);
    const std::span<char> buffer = io::shared_read_buffer();
    const io::IoResult result = stream_->read(buffer);
    if (result.status == io::IoStatus::kWouldBlock) continue;
    if (result.status != io::IoStatus::kDone) co_return end("");
    received_ = loop_.now();
    sort(std::string_view(buffer.data(), result.count));
  }
  if (!ended_) hold_up(true);
}

void SharedConnection::sort(std::string_view bytes) {
  while (true) {
    const ResponseReader::Event event = reader_.next(bytes);
    bytes.remove_prefix(event.consumed);
    if (event.kind == ResponseReader::Event::kNeedMore) return;
    if (event.kind == ResponseReader::Event::kMalformed) return end(event.reason);
    if (spent_.contains(event.request_id)) continue;
    const Entry entry = running_.find(event.request_id);
    if (entry == running_.end() || !entry->second.begun) return end("a record for a request that was not made");
    give(entry, event);
  }
}

void SharedConnection::give(Entry entry, const ResponseReader::Event& event) {
  Running& running = entry->second;
  if (event.kind == ResponseReader::Event::kEnd) {
    if (running.request) running.request->take_end(event.end);
    if (event.end.protocol_status == codec::fastcgi::ProtocolStatus::kRequestComplete) used_before_ = true;
    if (running.aborted || !running.input_ended) spend(entry);
    forget(entry);
    return;
  }
  running.received += event.piece.size();
  if (!running.request) return;
  const bool is_output = event.kind == ResponseReader::Event::kStdout;
  running.request->take(is_output ? RecordType::kStdout : RecordType::kStderr, event.piece);
  wake_later();
}

bool SharedConnection::is_full() const {
  return std::any_of(running_.begin(), running_.end(),
                     [](const auto& entry) { return entry.second.request && entry.second.request->is_full(); });
}

void SharedConnection::hold_up(bool held_up) {
  if (held_up == (held_up_until_ == base::kNever)) return;
  if (held_up) {
    if (!held_up_lately()) held_up_for_ = {};
    held_up_since_ = loop_.now();
    held_up_.set(loop_.now() + options_.longest_held_up - held_up_for_);
  } else {
    held_up_for_ = std::min(held_up_for_ + (loop_.now() - held_up_since_), options_.longest_held_up);
    held_up_.cancel();
  }
  held_up_until_ = held_up ? base::kNever : loop_.now();
}

// Who takes a little now and then holds up the others all the same.
bool SharedConnection::held_up_lately() const {
  if (held_up_until_ == base::kNever) return true;
  return held_up_for_ > base::Duration(0) && loop_.now() - held_up_until_ < options_.longest_held_up;
}

// Where it holds up nobody it may take its time.
void SharedConnection::cut_what_is_full() {
  held_up_.set(loop_.now() + options_.longest_held_up);
  const bool others = std::any_of(running_.begin(), running_.end(), [](const auto& entry) {
    return entry.second.request && !entry.second.request->is_full();
  });
  if (!others) return;
  for (Entry entry = running_.begin(); entry != running_.end(); ++entry) {
    SharedRequest* request = entry->second.request;
    if (!request || !request->is_full()) continue;
    request->cut_off();
  }
}

void SharedConnection::on_taken() {
  if (held_up_until_ == base::kNever && !is_full()) wake_later();
}

// ---- what is sent

void SharedConnection::pump() {
  if (writing_.size() > 0 || !stream_) return;
  while (!takes_no_more_ && next_output()) {
    if (!write_once()) return writing_.start(drain());
  }
}

base::Task<void> SharedConnection::drain() {
  while (!takes_no_more_ && next_output()) {
    if (!write_once()) co_await stream_->writable(base::kNever);
  }
}

bool SharedConnection::next_output() {
  if (sent_ < output_.size()) return true;
  sent_before_ += sent_;
  sent_ = 0;
  output_.clear();
  while (output_.size() < kOutput && add_next_record()) {
  }
  return !output_.empty();
}

// Of the first behind the one whose turn was last.
bool SharedConnection::add_next_record() {
  Entry entry = running_.upper_bound(last_turn_);
  for (size_t count = running_.size(); count > 0; --count, ++entry) {
    if (entry == running_.end()) entry = running_.begin();
    Running& running = entry->second;
    const size_t before = output_.size();
    if (!running.request || !running.request->give_record(output_, entry->first)) continue;
    if (!running.begun) running.begins_at = sent_before_ + before;
    if (!running.begun) running.began = loop_.now();
    running.begun = true;
    note_given(running, std::string_view(output_).substr(before));
    last_turn_ = entry->first;
    if (running.request->waits_for_room()) wake_later();
    return true;
  }
  return false;
}

void SharedConnection::note_given(Running& running, std::string_view record) {
  const auto header = codec::fastcgi::read_header(record);
  if (header->content_length > 0) return;
  const auto type = static_cast<RecordType>(header->type);
  running.variables_ended = running.variables_ended || type == RecordType::kParams;
  running.input_ended = running.input_ended || type == RecordType::kStdin;
}

// False: the kernel takes no more for now, or ever.
bool SharedConnection::write_once() {
  const iovec rest{output_.data() + sent_, output_.size() - sent_};
  const io::IoResult result = stream_->write(std::span(&rest, 1));
  if (result.status == io::IoStatus::kDone) sent_ += result.count;
  if (result.status == io::IoStatus::kFailed) stop_writing();
  return result.status == io::IoStatus::kDone;
}

// The peer may have answered before it closed.
void SharedConnection::stop_writing() {
  takes_no_more_ = retired_ = true;
  wake_later();
}

bool SharedConnection::delivered(uint16_t request_id) const {
  const auto entry = running_.find(request_id);
  return entry == running_.end() || (entry->second.begun && sent_before_ + sent_ > entry->second.begins_at);
}

// Whether nothing has come since it began, for whomever: then it is the connection that is dead.
bool SharedConnection::fell_silent(uint16_t request_id) const {
  const auto entry = running_.find(request_id);
  return entry != running_.end() && entry->second.begun && received_ <= entry->second.began;
}

// ---- who leaves

void SharedConnection::leave(uint16_t request_id, bool wants_abort) {
  const Entry entry = running_.find(request_id);
  entry->second.request = nullptr;
  if (!entry->second.begun) return forget(entry);
  wake_later();
  if (wants_abort) abort(entry);
  entry->second.end_by = loop_.now() + options_.longest_end;
  if (!overdue_.armed()) overdue_.set(entry->second.end_by);
}

void SharedConnection::forget(Entry entry) {
  running_.erase(entry);
  idle_since_ = loop_.now();
  wake_later();
}

// Some peers (Go's net/http/fcgi) end an aborted request while it still runs, and what it says comes later. And they
// hold a request for unfinished until its input has ended, whatever they have answered: another with its id would cost
// the connection.
void SharedConnection::spend(Entry entry) {
  spent_.insert(entry->first);
  if (!entry->second.aborted && entry->second.variables_ended && !takes_no_more_) {
    codec::fastcgi::append_record(output_, RecordType::kStdin, entry->first, {});
    pump();
  }
  if (spent_.size() >= kMostSpent) retire();
}

void SharedConnection::abort(Entry entry) {
  entry->second.aborted = true;
  if (takes_no_more_) return;
  codec::fastcgi::append_record(output_, RecordType::kAbortRequest, entry->first, {});
  pump();
}

void SharedConnection::note_overdue() {
  base::Instant next = base::kNever;
  for (Entry entry = running_.begin(); entry != running_.end(); ++entry) {
    Running& running = entry->second;
    if (running.end_by <= loop_.now()) {
      running.overdue = running.aborted;
      running.end_by = running.aborted ? base::kNever : loop_.now() + options_.longest_end;
      if (!running.aborted) abort(entry);
    }
    next = std::min(next, running.end_by);
  }
  if (next != base::kNever) overdue_.set(next);
  wake_later();
}

// ---- its own life

void SharedConnection::end(const char* reason) {
  if (ended_) return;
  ended_ = takes_no_more_ = true;
  reason_ = reason;
  had_company_ = running_.size() > 1;
  wake_later();
}

void SharedConnection::wake_later() {
  wake_.set(base::Instant{0});
}

// Whoever is woken may leave, or be the last to hold this.
void SharedConnection::wake() {
  const auto self = shared_from_this();
  if (held_up_until_ == base::kNever && !is_full()) hold_up(false);
  tidy();
  const std::vector<SharedRequest*> all = requests_;
  for (const bool for_reading : {true, false}) {
    for (SharedRequest* request : all) {
      if (std::find(requests_.begin(), requests_.end(), request) != requests_.end()) request->wake(for_reading);
    }
  }
  if (!ended_ && reading_.size() == 0 && !is_full()) reading_.start(read());
}

void SharedConnection::tidy() {
  if (ended_) return close();
  const bool waited_for = std::any_of(running_.begin(), running_.end(), [](const auto& entry) {
    return entry.second.request != nullptr || !entry.second.overdue;
  });
  if (waited_for) return;
  if (retired_ || !running_.empty()) return close();
  if (idle_) return;
  idle_ = true;
  idle_end_.set(idle_since_ + options_.longest_idle);
  if (owner_) owner_->on_idle();
}

// Not from within the tasks.
void SharedConnection::close() {
  if (!stream_) return;
  ended_ = takes_no_more_ = true;
  idle_end_.cancel();
  held_up_.cancel();
  writing_.cancel_all();
  reading_.cancel_all();
  stream_.reset();
  wake_later();
}

}  // namespace cutwater::upstream

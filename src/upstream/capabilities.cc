#include "upstream/capabilities.h"

#include <string>

#include "codec/fastcgi/response_reader.h"
#include "codec/fastcgi/values.h"

namespace cutwater::upstream {

using codec::fastcgi::ValuesAnswer;

namespace {

// Behind the answer. Go's net/http/fcgi ends every kind of record with an empty one, here too; it may come later.
bool may_follow(std::string_view bytes) {
  codec::fastcgi::ResponseReader reader;
  return reader.next(bytes).kind == codec::fastcgi::ResponseReader::Event::kNeedMore && reader.at_boundary();
}

}  // namespace

base::Task<Capabilities> ask_capabilities(io::Loop& loop, io::Stream& stream, base::Duration patience) {
  const base::Instant deadline = loop.now() + patience;
  std::string question;
  codec::fastcgi::append_get_values(question);
  const iovec piece{question.data(), question.size()};
  const io::IoResult written = stream.write(std::span(&piece, 1));
  // An idle connection has room for so little.
  if (written.status != io::IoStatus::kDone || written.count < question.size()) co_return Capabilities();
  std::string received;
  while (true) {
    if (co_await stream.readable(deadline) == io::WaitResult::kTimedOut) co_return Capabilities();
    char buffer[1024];
    const io::IoResult result = stream.read(buffer);
    if (result.status == io::IoStatus::kWouldBlock) continue;
    if (result.status != io::IoStatus::kDone) co_return Capabilities();
    received.append(buffer, result.count);
    const ValuesAnswer answer = codec::fastcgi::read_values_answer(received);
    if (answer.kind == ValuesAnswer::kNeedMore) continue;
    if (answer.kind == ValuesAnswer::kMalformed || !may_follow(std::string_view(received).substr(answer.consumed)))
      co_return Capabilities();
    Capabilities known;
    known.answered = true;
    known.multiplexes = answer.multiplexes && answer.most_requests > 0;
    known.most_requests = answer.most_requests;
    co_return known;
  }
}

}  // namespace cutwater::upstream

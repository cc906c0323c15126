#include "serve/input.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace cutwater::serve {
namespace {

class ScriptedStream : public io::Stream {
 public:
  std::string next;
  io::IoResult read(std::span<char> into) override {
    if (next.empty()) return {io::IoStatus::kWouldBlock};
    const size_t count = std::min(next.size(), into.size());
    std::memcpy(into.data(), next.data(), count);
    next.erase(0, count);
    return {io::IoStatus::kDone, count};
  }
  io::IoResult write(std::span<const iovec>) override { return {io::IoStatus::kWouldBlock}; }
  io::IoResult send_file(int, uint64_t, size_t) override { return {io::IoStatus::kWouldBlock}; }
  void shutdown_write() override {}
  void listen_for_hangup(io::HangupListener*) override {}

 private:
  bool start_wait(io::ReadinessAwaiter&, bool, base::Instant) override { return false; }
  void forget_wait(io::ReadinessAwaiter&, bool) override {}
};

io::IoStatus receive(ConnectionInput& input, std::string text) {
  ScriptedStream stream;
  stream.next = std::move(text);
  return input.receive(stream).status;
}

TEST(ConnectionInput, BytesSurviveOthersUseOfTheBuffer) {
  ReceiveBuffer shared;
  ConnectionInput first(shared);
  ConnectionInput second(shared);
  receive(first, "one two");
  first.consume(4);
  receive(second, "a much longer text that overwrites the buffer");
  EXPECT_EQ(first.bytes(), "two");
  EXPECT_EQ(second.bytes().substr(0, 6), "a much");
  receive(first, " three");
  EXPECT_EQ(first.bytes(), "two three");
  EXPECT_EQ(second.bytes().substr(0, 6), "a much");
  first.consume(4);
  receive(first, " four");
  EXPECT_EQ(first.bytes(), "three four");
}

TEST(ConnectionInput, GrowsByteByByteInTurns) {
  ReceiveBuffer shared;
  ConnectionInput inputs[] = {ConnectionInput(shared), ConnectionInput(shared), ConnectionInput(shared)};
  const std::string text = "GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n";
  for (char byte : text) {
    for (ConnectionInput& input : inputs) receive(input, std::string(1, byte));
  }
  for (const ConnectionInput& input : inputs) EXPECT_EQ(input.bytes(), text);
}

TEST(ConnectionInput, KnowsWhenThereIsProbablyMore) {
  ReceiveBuffer shared;
  ConnectionInput input(shared);
  receive(input, std::string(ReceiveBuffer::kSize, 'x'));
  EXPECT_TRUE(input.more_likely());
  input.discard();
  EXPECT_TRUE(input.empty());
  EXPECT_EQ(receive(input, "x"), io::IoStatus::kDone);
  EXPECT_FALSE(input.more_likely());
  EXPECT_EQ(receive(input, ""), io::IoStatus::kWouldBlock);
  EXPECT_EQ(input.bytes(), "x");
}

TEST(ConnectionInput, AnEndedOneNoLongerHoldsTheBuffer) {
  ReceiveBuffer shared;
  {
    ConnectionInput gone(shared);
    receive(gone, "left behind");
  }
  ConnectionInput next(shared);
  receive(next, "next");
  EXPECT_EQ(next.bytes(), "next");
}

}  // namespace
}  // namespace cutwater::serve

// What the corpus cannot say of the decoder: pieces, counts, what stays after the end, and time.
#include "codec/http1/body_decoder.h"

#include <gtest/gtest.h>

namespace cutwater::codec::http1 {
namespace {

using message::BodyFraming;
using Outcome = BodyDecoder::Outcome;

constexpr uint64_t kNoLimit = UINT64_MAX;

TEST(BodyDecoder, WithoutBodyIsFinishedAtOnce) {
  BodyDecoder none(BodyFraming::kNone, 99, kNoLimit);
  EXPECT_TRUE(none.finished());
  BodyDecoder::Step step = none.decode("GET /next");
  EXPECT_EQ(step.outcome, Outcome::kEnd);
  EXPECT_EQ(step.consumed, 0U);
  EXPECT_TRUE(BodyDecoder(BodyFraming::kLength, 0, kNoLimit).finished());
}

TEST(BodyDecoder, CountsALengthDown) {
  BodyDecoder decoder(BodyFraming::kLength, 10, kNoLimit);
  EXPECT_EQ(decoder.remaining(), 10U);
  EXPECT_EQ(decoder.decode("").outcome, Outcome::kNeedMore);
  BodyDecoder::Step step = decoder.decode("0123");
  EXPECT_EQ(step.piece, "0123");
  EXPECT_EQ(step.consumed, 4U);
  EXPECT_EQ(decoder.remaining(), 6U);
  step = decoder.decode("456789GET");
  EXPECT_EQ(step.piece, "456789");
  EXPECT_EQ(step.consumed, 6U);
  EXPECT_TRUE(decoder.finished());
  EXPECT_EQ(decoder.decode("GET").outcome, Outcome::kEnd);
}

TEST(BodyDecoder, PiecesAreViewsIntoTheBytes) {
  std::string_view bytes = "5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\n\r\nGET";
  BodyDecoder decoder(BodyFraming::kChunked, 0, kNoLimit);
  BodyDecoder::Step step = decoder.decode(bytes);
  EXPECT_EQ(step.outcome, Outcome::kPiece);
  EXPECT_EQ(step.piece.data(), bytes.data() + 7);
  EXPECT_EQ(step.consumed, 12U);
  bytes.remove_prefix(step.consumed);
  step = decoder.decode(bytes);
  EXPECT_EQ(step.piece, "abc");
  bytes.remove_prefix(step.consumed);
  step = decoder.decode(bytes);
  EXPECT_EQ(step.outcome, Outcome::kEnd);
  bytes.remove_prefix(step.consumed);
  EXPECT_EQ(bytes, "GET");
  EXPECT_TRUE(decoder.finished());
}

TEST(BodyDecoder, NeedingMoreItHasTakenAll) {
  BodyDecoder decoder(BodyFraming::kChunked, 0, kNoLimit);
  BodyDecoder::Step step = decoder.decode("5;ext");
  EXPECT_EQ(step.outcome, Outcome::kNeedMore);
  EXPECT_EQ(step.consumed, 5U);
  EXPECT_FALSE(decoder.finished());
}

TEST(BodyDecoder, RefusalsStay) {
  BodyDecoder malformed(BodyFraming::kChunked, 0, kNoLimit);
  EXPECT_EQ(malformed.decode("x").outcome, Outcome::kMalformed);
  BodyDecoder::Step again = malformed.decode("0\r\n\r\n");
  EXPECT_EQ(again.outcome, Outcome::kMalformed);
  EXPECT_EQ(again.consumed, 0U);
  EXPECT_STRNE(again.reason, "");
  EXPECT_FALSE(malformed.finished());

  BodyDecoder large(BodyFraming::kLength, 11, 10);
  EXPECT_EQ(large.decode("").outcome, Outcome::kTooLarge);
  EXPECT_EQ(large.decode("abc").outcome, Outcome::kTooLarge);
}

TEST(BodyDecoder, TakesNothingOfAChunkOverTheLimit) {
  BodyDecoder decoder(BodyFraming::kChunked, 0, 10);
  EXPECT_EQ(decoder.decode("b\r\n0123456789A").outcome, Outcome::kTooLarge);
  BodyDecoder sum(BodyFraming::kChunked, 0, 10);
  std::string_view bytes = "9\r\n012345678\r\n2\r\nab";
  bytes.remove_prefix(sum.decode(bytes).consumed);
  EXPECT_EQ(sum.decode(bytes).outcome, Outcome::kTooLarge);
}

// Streams of small pieces with honest framing stay within the overhead budget however long they are.
TEST(BodyDecoder, SmallChunksAreFine) {
  BodyDecoder decoder(BodyFraming::kChunked, 0, kNoLimit);
  for (int chunk = 0; chunk < 200'000; ++chunk) {
    std::string_view bytes = "2\r\nab\r\n";
    BodyDecoder::Step step = decoder.decode(bytes);
    ASSERT_EQ(step.outcome, Outcome::kPiece) << step.reason;
    step = decoder.decode(bytes.substr(step.consumed));
    ASSERT_EQ(step.outcome, Outcome::kNeedMore);
  }
}

TEST(BodyDecoder, LargeChunksMayCarrySignatures) {
  BodyDecoder decoder(BodyFraming::kChunked, 0, kNoLimit);
  std::string chunk = "10000;chunk-signature=" + std::string(64, 'f') + "\r\n" + std::string(65536, 'x') + "\r\n";
  for (int count = 0; count < 2000; ++count) {
    BodyDecoder::Step step = decoder.decode(chunk);
    ASSERT_EQ(step.outcome, Outcome::kPiece) << step.reason;
    ASSERT_EQ(step.piece.size(), 65536U);
    ASSERT_EQ(decoder.decode(std::string_view(chunk).substr(step.consumed)).outcome, Outcome::kNeedMore);
  }
}

}  // namespace
}  // namespace cutwater::codec::http1

#include "codec/websocket/message_decoder.h"

#include <gtest/gtest.h>

#include "base/linear_time_test_support.h"
#include "codec/websocket/message_encoder.h"
#include "codec/websocket/websocket_replay.h"

namespace cutwater::codec::websocket {
namespace {

using namespace std::string_literals;

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kRsv1 = 0x40;

struct Case {
  std::string bytes;
  std::string events;
};

// Whole, byte by byte, and cut at each place.
void expect(const Case& given, bool compression = false, uint64_t limit = 1 << 20) {
  EXPECT_EQ(replay(given.bytes, 0, limit, compression), given.events);
  EXPECT_EQ(replay_bytewise(given.bytes, limit, compression), given.events);
  const size_t step = given.bytes.size() > 2000 ? 997 : 1;
  for (size_t cut = 1; cut < given.bytes.size(); cut += step) {
    ASSERT_EQ(replay(given.bytes, cut, limit, compression), given.events) << "cut at " << cut;
  }
}

TEST(MessageDecoder, MessagesOfEachLength) {
  for (size_t length : {0u, 1u, 2u, 7u, 8u, 9u, 125u, 126u, 127u, 65535u, 65536u, 100'000u}) {
    const std::string content(length, 'm');
    expect({client_frame(kFin | 1, content), "text " + content + "\n"});
    expect({client_frame(kFin | 2, content), "binary " + content + "\n"});
  }
}

TEST(MessageDecoder, FragmentsWithControlFramesBetween) {
  expect({client_frame(1, "He") + client_frame(kFin | 9, "ping") + client_frame(0, "") + client_frame(0, "ll") +
              client_frame(kFin | 10, "") + client_frame(kFin, "o") + client_frame(kFin | 2, "next"),
          "ping ping\npong \ntext Hello\nbinary next\n"});
}

TEST(MessageDecoder, Closes) {
  expect({client_frame(kFin | 8, ""), "close 1005 \n"});
  expect({client_frame(kFin | 8, "\x03\xe8") + client_frame(kFin | 1, "ignored"), "close 1000 \n"});
  expect({client_frame(kFin | 8,
                       "\x03\xe8"
                       "bye \xc3\xa9"),
          "close 1000 bye \xc3\xa9\n"});
  expect({client_frame(kFin | 8, "\x13\x87" + std::string(123, 'r')), "close 4999 " + std::string(123, 'r') + "\n"});
  expect({client_frame(kFin | 8, "\x03"), "fault 1002 half a close code\n"});
  expect({client_frame(kFin | 8, "\x03\xe8\xff"), "fault 1007 a reason that is no UTF-8\n"});
  for (unsigned code : {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 1100u, 2000u, 2999u, 5000u, 65535u}) {
    const std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
    expect({client_frame(kFin | 8, payload), "fault 1002 a close code that may not be sent\n"});
  }
  for (unsigned code : {1000u, 1001u, 1002u, 1003u, 1007u, 1011u, 1012u, 1013u, 1014u, 3000u, 3999u, 4000u, 4999u}) {
    const std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
    expect({client_frame(kFin | 8, payload), "close " + std::to_string(code) + " \n"});
  }
}

TEST(MessageDecoder, WhatIsNoFrame) {
  const std::string mask = "abcd";
  for (int bit : {0x40, 0x20, 0x10}) {
    expect({client_frame(static_cast<uint8_t>(kFin | bit | 1), "x"), "fault 1002 a reserved bit is set\n"});
  }
  for (int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    expect({client_frame(static_cast<uint8_t>(kFin | opcode), "x"), "fault 1002 unknown opcode\n"});
  }
  for (int opcode : {8, 9, 10}) {
    expect({client_frame(static_cast<uint8_t>(opcode), ""), "fault 1002 a control frame in fragments\n"});
    expect({client_frame(static_cast<uint8_t>(kFin | opcode), std::string(126, 'x')),
            "fault 1002 a control frame over 125 bytes\n"});
  }
  expect({"\x81\x05hello", "fault 1002 a frame without a mask\n"});
  expect({"\x81\xfe\x00\x7d"s + mask, "fault 1002 a length not in its shortest form\n"});
  expect({"\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff"s + mask, "fault 1002 a length not in its shortest form\n"});
  expect({"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00"s + mask, "fault 1002 a length over 2^63\n"});
  expect({client_frame(kFin, "x"), "fault 1002 a continuation of nothing\n"});
  expect({client_frame(1, "x") + client_frame(kFin | 1, "y"), "fault 1002 a message within another one\n"});
  expect({client_frame(kFin | 2, "fine") + "\x83", "binary fine\nfault 1002 unknown opcode\n"});
}

TEST(MessageDecoder, TextIsUtf8AcrossFragments) {
  const std::string good = "\xce\xba\xe1\xbd\xb9\xf0\x9f\x98\x80 \xef\xbf\xbf\xf4\x8f\xbf\xbf";
  expect({client_frame(kFin | 1, good), "text " + good + "\n"});
  for (size_t cut = 0; cut <= good.size(); ++cut) {
    expect({client_frame(1, good.substr(0, cut)) + client_frame(kFin, good.substr(cut)), "text " + good + "\n"});
  }
  const std::string kBad[] = {"\xc0\x80",
                              "\xc1\xbf",
                              "\xe0\x9f\xbf",
                              "\xed\xa0\x80",
                              "\xed\xbf\xbf",
                              "\xf0\x8f\xbf\xbf",
                              "\xf4\x90\x80\x80",
                              "\xf5\x80",
                              "\x80",
                              "\xff",
                              "a\xc3",
                              "\xe2\x82",
                              "\xc3(",
                              "\xe2\x28\xa1"};
  for (const std::string& bad : kBad) {
    expect({client_frame(kFin | 1, bad), "fault 1007 a text that is no UTF-8\n"});
    expect({client_frame(1, bad.substr(0, 1)) + client_frame(kFin, bad.substr(1)),
            "fault 1007 a text that is no UTF-8\n"});
    expect({client_frame(kFin | 2, bad), "binary " + bad + "\n"});
  }
  // At once, not with the message's end.
  expect({client_frame(1, "\xed\xa0"), "fault 1007 a text that is no UTF-8\n"});
}

// By what the heads say: nothing of it need have come.
TEST(MessageDecoder, LongMessagesAreRefusedByTheirLength) {
  expect({client_frame(kFin | 2, std::string(1000, 'x')), "binary " + std::string(1000, 'x') + "\n"}, false, 1000);
  const std::string head = client_frame(kFin | 2, std::string(1001, 'x')).substr(0, 8);
  expect({head, "fault 1009 a message over the limit\n"}, false, 1000);
  expect({client_frame(2, std::string(600, 'x')) + client_frame(0, std::string(401, 'x')).substr(0, 8),
          "fault 1009 a message over the limit\n"},
         false, 1000);
  expect({"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s + "abcd", "fault 1009 a message over the limit\n"}, false, 1000);
  expect({client_frame(2, "x") + "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s + "abcd",
          "fault 1009 a message over the limit\n"},
         false, UINT64_MAX >> 1);
}

std::string compressed(std::string_view content) {
  Deflater deflater(15);
  std::string result;
  deflater.deflate(content, true, result);
  return result;
}

TEST(MessageDecoder, CompressedMessages) {
  std::string content;
  for (int i = 0; content.size() < 50'000; ++i) content += "line " + std::to_string(i * 7919) + "\n";
  const std::string packed = compressed(content);
  ASSERT_LT(packed.size(), content.size() / 2);
  expect({client_frame(kFin | kRsv1 | 1, packed), "text " + content + "\n"}, true);
  expect({client_frame(kRsv1 | 1, packed.substr(0, 10)) + client_frame(kFin | 9, "p") +
              client_frame(0, packed.substr(10, 9000)) + client_frame(kFin, packed.substr(9010)),
          "ping p\ntext " + content + "\n"},
         true);
  // One after the other, each by itself; an uncompressed one between.
  expect({client_frame(kFin | kRsv1 | 1, compressed("Hello")) + client_frame(kFin | 1, "plain") +
              client_frame(kFin | kRsv1 | 1, compressed("Hello")) + client_frame(kFin | kRsv1 | 2, compressed("")),
          "text Hello\ntext plain\ntext Hello\nbinary \n"},
         true);
  // RFC 7692 section 7.2.3: the example's bytes, a stored block, a final block, two blocks.
  expect({client_frame(kFin | kRsv1 | 1, "\xf2\x48\xcd\xc9\xc9\x07\x00"s), "text Hello\n"}, true);
  expect({client_frame(kFin | kRsv1 | 1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"s), "text Hello\n"}, true);
  expect({client_frame(kFin | kRsv1 | 1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"s), "text Hello\n"}, true);
  expect({client_frame(kFin | kRsv1 | 1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"s), "text Hello\n"},
         true);
}

// What is exactly as long as the scratch fills it before zlib says that it has come to an end.
TEST(MessageDecoder, CompressedMessagesThatFillTheScratch) {
  std::string json;
  for (int i = 0; json.size() < 5 * DecoderScratch::kSize; ++i)
    json += "{\"number\": " + std::to_string(i % 77) + "}, ";
  for (size_t pieces = 1; pieces <= 4; ++pieces) {
    for (size_t length = pieces * DecoderScratch::kSize - 2; length <= pieces * DecoderScratch::kSize + 2; ++length) {
      for (const std::string& content : {json.substr(0, length), std::string(length, 'a')}) {
        const std::string frame = client_frame(kFin | kRsv1 | 1, compressed(content));
        ASSERT_EQ(replay(frame + frame, 0, 1 << 20, true), "text " + content + "\ntext " + content + "\n") << length;
        ASSERT_EQ(replay_bytewise(frame, 1 << 20, true), "text " + content + "\n") << length;
      }
    }
  }
}

TEST(MessageDecoder, DamagedCompression) {
  const std::string fault = "fault 1007 damaged compressed data\n";
  expect({client_frame(kFin | kRsv1 | 2, "\xff\xff\xff\xff"), fault}, true);
  expect({client_frame(kFin | kRsv1 | 2, compressed(std::string(500, 'x') + "yz").substr(0, 4)), fault}, true);
  expect({client_frame(kFin | kRsv1 | 1, compressed("\xff")), "fault 1007 a text that is no UTF-8\n"}, true);
  expect({client_frame(1, "x") + client_frame(kFin | kRsv1, "x"), "fault 1002 a reserved bit is set\n"}, true);
  expect({client_frame(kFin | kRsv1 | 9, "x"), "fault 1002 a reserved bit is set\n"}, true);
}

// faults.md 146: a few bytes that become many are refused when they have become too many.
TEST(MessageDecoder, BombsEndAtTheLimit) {
  Deflater deflater(15);
  std::string bomb;
  const std::string zeros(1 << 20, '\0');
  for (int i = 0; i < 64; ++i) deflater.deflate(zeros, i == 63, bomb);
  ASSERT_LT(bomb.size(), 400'000u);
  CompressionPool pool;
  DecoderScratch scratch;
  MessageDecoder decoder(16 << 20, &pool, scratch);
  const std::string frame = client_frame(kFin | kRsv1 | 2, bomb);
  std::string_view rest = frame;
  uint64_t total = 0;
  while (true) {
    const auto event = decoder.next(rest);
    if (event.kind == MessageDecoder::Event::kFault) {
      EXPECT_EQ(event.code, 1009);
      break;
    }
    ASSERT_EQ(event.kind, MessageDecoder::Event::kData);
    ASSERT_LE(event.bytes.size(), DecoderScratch::kSize);
    total += event.bytes.size();
  }
  EXPECT_LE(total, 16u << 20);
  EXPECT_GT(rest.size(), frame.size() / 2);
}

TEST(MessageDecoder, ManyEmptyFragmentsTakeLinearTime) {
  auto make = [](size_t count) {
    std::string bytes = client_frame(2, "");
    for (size_t i = 0; i < count; ++i) bytes += client_frame(0, "");
    return bytes;
  };
  auto decode = [](const std::string& bytes) {
    if (replay(bytes) != "") ADD_FAILURE();
  };
  EXPECT_LT(base::growth_when_doubled(20'000, make, decode), base::kLinear);
}

// What we write is read as it was written, in whatever pieces.
TEST(MessageEncoder, WhatItWrites) {
  std::string bytes;
  MessageEncoder plain(nullptr);
  plain.append(bytes, "Hel", true, false);
  append_control(bytes, Opcode::kPing, "p");
  plain.append(bytes, "lo", true, true);
  plain.append(bytes, "", false, true);
  append_close(bytes, 1000, "bye");
  EXPECT_EQ(bytes, "\x01\x03Hel\x89\x01p\x80\x02lo\x82\x00\x88\x05\x03\xe8"s + "bye");
  bytes.clear();
  plain.append(bytes, std::string(126, 'x'), false, true);
  EXPECT_EQ(bytes.substr(0, 4), "\x82\x7e\x00\x7e"s);
  bytes.clear();
  plain.append(bytes, std::string(65536, 'x'), false, true);
  EXPECT_EQ(bytes.substr(0, 10), "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s);
}

TEST(MessageEncoder, ClosesHaveWhatMayStandThere) {
  auto close = [](uint16_t code, std::string_view reason) {
    std::string bytes;
    append_close(bytes, code, reason);
    return bytes;
  };
  EXPECT_EQ(close(1005, "x"), "\x88\x00"s);
  EXPECT_EQ(close(1006, ""), "\x88\x00"s);
  EXPECT_EQ(close(1000, "\xff"), "\x88\x02\x03\xe8"s);
  EXPECT_EQ(close(4000, std::string(200, 'r')), "\x88\x7d\x0f\xa0" + std::string(123, 'r'));
  EXPECT_EQ(close(4000, std::string(122, 'r') + "\xc3\xa9"), "\x88\x7c\x0f\xa0" + std::string(122, 'r'));
}

TEST(MessageEncoder, CompressesWhatIsWorthIt) {
  CompressionPool pool;
  MessageEncoder encoder(&pool, 10);
  std::string bytes;
  encoder.append(bytes, "short", true, true);
  EXPECT_EQ(bytes, "\x81\x05short");
  std::string content;
  for (int i = 0; content.size() < 100'000; ++i) content += "line " + std::to_string(i * 7919) + "\n";
  for (size_t step : {content.size(), size_t{30'000}, size_t{100}}) {
    bytes.clear();
    for (size_t at = 0; at < content.size(); at += step) {
      encoder.append(bytes, content.substr(at, step), true, at + step >= content.size());
    }
    EXPECT_LT(bytes.size(), content.size() / 2);
    // Masked, it is what a client could have sent.
    std::string masked, payload;
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const auto first = static_cast<uint8_t>(rest[0]);
      size_t length = static_cast<uint8_t>(rest[1]), head = 2;
      if (length == 126) {
        length = static_cast<size_t>(static_cast<uint8_t>(rest[2])) << 8 | static_cast<uint8_t>(rest[3]);
        head = 4;
      }
      ASSERT_NE(length, 127u);
      masked += client_frame(first, rest.substr(head, length));
      rest.remove_prefix(head + length);
    }
    EXPECT_EQ(replay(masked, 0, 1 << 20, true), "text " + content + "\n");
  }
}

TEST(Compression, OffersThatAreTaken) {
  const std::string both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  const std::pair<std::string, std::string> kCases[] = {
      {"permessage-deflate", both},
      {"permessage-deflate; client_max_window_bits", both},
      {"x-webkit-deflate-frame, Permessage-Deflate ;client_max_window_bits=\"12\" ", both},
      {"permessage-deflate; server_max_window_bits=10", both + "; server_max_window_bits=10"},
      {"permessage-deflate; unknown, permessage-deflate; server_no_context_takeover", both},
      {"", ""},
      {"foo; bar=\"permessage-deflate, permessage-deflate\"", ""},
      {"permessage-deflate; server_max_window_bits", ""},
      {"permessage-deflate; server_max_window_bits=8", ""},
      {"permessage-deflate; server_max_window_bits=7", ""},
      {"permessage-deflate; server_max_window_bits=16", ""},
      {"permessage-deflate; server_max_window_bits=010", ""},
      {"permessage-deflate; server_max_window_bits=1e1", ""},
      {"permessage-deflate; client_max_window_bits=99999999999999999999", ""},
      {"permessage-deflate; client_max_window_bits=", ""},
      {"permessage-deflate; server_no_context_takeover=1", ""},
      {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
      {"permessage-deflate; client_max_window_bits; client_max_window_bits", ""},
      {"permessage-deflate; ;", ""},
      {"permessage-deflate; =", ""},
  };
  for (const auto& [offer, response] : kCases) {
    std::string storage;
    const CompressionOffer chosen = negotiate_compression(offer, storage);
    EXPECT_EQ(chosen.response, response) << offer;
    EXPECT_EQ(chosen.accepted(), !response.empty());
  }
  std::string storage;
  EXPECT_EQ(negotiate_compression("permessage-deflate; server_max_window_bits=10", storage).window_bits, 10);
}

}  // namespace
}  // namespace cutwater::codec::websocket

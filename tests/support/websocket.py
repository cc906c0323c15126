"""WebSockets by bytes: the handshake, and frames as a client sends them and a server does."""

import base64
import hashlib
import struct
import zlib

from .client import Client

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8a  # opcodes, with FIN
COMPRESSED = 0x40


def proof_of(key):
    """The Sec-WebSocket-Accept that belongs to a key."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())


def handshake(path="/echo", method="GET", version="13", key=KEY, more="", upgrade="websocket", connection="Upgrade"):
    lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Connection: {connection}", f"Upgrade: {upgrade}"]
    lines += [f"Sec-WebSocket-Key: {key}"] if key else []
    lines += [f"Sec-WebSocket-Version: {version}"] if version else []
    return "\r\n".join(lines) + "\r\n" + more + "\r\n"


def frame(first, payload=b"", mask=b"\1\2\3\4"):
    """`first`: byte 0 of the head."""
    length = len(payload)
    head = bytes([first, 0x80 | (length if length < 126 else 126 if length < 65536 else 127)])
    head += b"" if length < 126 else struct.pack(">H" if length < 65536 else ">Q", length)
    masks = (mask * (length // 4 + 1))[:length]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(masks, "big")).to_bytes(length, "big")


def close_frame(code, reason=b""):
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def fragments(first, *payloads):
    """A message in as many frames."""
    *begun, last = payloads
    opcodes = [first & 0x7f] + [0] * len(begun)
    return b"".join(frame(opcode, payload) for opcode, payload in zip(opcodes, begun)) + frame(0x80 | opcodes[-1], last)


def deflated(content, level=9, window_bits=15):
    """As the payload of a compressed message (RFC 7692 section 7.2.1)."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -window_bits)
    return (packer.compress(content) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(payload, window_bits=15):
    return zlib.decompressobj(-window_bits).decompress(payload + b"\0\0\xff\xff")


class RawSocket(Client):
    """An open WebSocket."""

    def __init__(self, server, path="/echo", more=""):
        super().__init__(server.address)
        self.send(handshake(path, more=more))
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 101 "), self.head

    def frame(self):
        """(first byte, payload) of the next frame of the server's."""
        first, length = self.read_exactly(2)
        assert length < 128, "a server's frame with a mask"
        if length > 125:
            length = int.from_bytes(self.read_exactly(2 if length == 126 else 8), "big")
        return first, self.read_exactly(length)

    def frames(self):
        """All of them up to its close frame, and nothing behind that."""
        frames = [self.frame()]
        while frames[-1][0] != CLOSE:
            frames.append(self.frame())
        return frames

    def close_code(self):
        return code_of(self.frames()[-1][1])


def code_of(payload):
    """Of a close frame."""
    return int.from_bytes(payload[:2], "big") if payload else 1005

"""A certificate as a web server in front hands it over: as proper PEM, with its subject's name as RFC 4514 writes it.

The name is read from the certificate and not from what the web server says of it, since each of them writes names in a way
of its own; and no library beside the standard one is there to do it. Of X.509 (RFC 5280 section 4.1) this much is read:

    Certificate    = SEQUENCE { TBSCertificate, ... }
    TBSCertificate = SEQUENCE { [0] version?, serial, algorithm, issuer, validity, subject, ... }
    Name           = SEQUENCE OF SET OF SEQUENCE { attribute OID, value }
"""

from __future__ import annotations

import base64
import functools
import re
import urllib.parse
from typing import Iterator, List, NamedTuple, Optional, Tuple

_LONGEST_TEXT = 32 * 1024
_LONGEST_OID = 32

_SEQUENCE, _SET, _OID, _VERSION = 0x30, 0x31, 0x06, 0xA0
_STRINGS = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1C: "utf-32-be",
            0x1E: "utf-16-be"}

# RFC 4514 section 3 and what is registered beside it (RFC 4519); emailAddress as OpenSSL has it. Others are dotted numbers.
_TYPES = {
    "2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID", "2.5.4.4": "SN", "2.5.4.5": "serialNumber",
    "2.5.4.12": "title", "2.5.4.17": "postalCode", "2.5.4.42": "givenName", "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier", "2.5.4.46": "dnQualifier", "1.2.840.113549.1.9.1": "emailAddress",
}
_ESCAPED = re.compile(r'[\x00-\x1f\x7f]|["+,;<>\\]|^[ #]| $')
_PEM = re.compile(r"\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*")


class Certificate(NamedTuple):
    pem: str
    name: str  # of the subject
    subject: bytes  # these two as they are
    issuer: bytes


class _Element(NamedTuple):
    tag: int
    whole: bytes
    content: bytes


@functools.lru_cache(maxsize=64)  # clients send one for each of their requests
def read(text: str) -> Optional[Certificate]:
    """PEM with newlines, with blanks or tabs where they were, or percent-encoded. None for anything else."""
    if len(text) > _LONGEST_TEXT:
        return None
    if "%" in text:  # nginx's $ssl_client_escaped_cert
        text = urllib.parse.unquote(text, "latin-1")
    body = _PEM.fullmatch(text)
    if body is None:
        return None
    try:
        der = base64.b64decode("".join(body[1].split()), validate=True)
        issuer, subject = _names(der)
        return Certificate(_pem(der), _distinguished_name(subject.content), subject.whole, issuer.whole)
    except (ValueError, IndexError):
        return None


def _pem(der: bytes) -> str:
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


# ---- DER: tag, length, content; IndexError or ValueError where it is damaged


def _elements(data: bytes) -> Iterator[_Element]:
    start = 0
    while start < len(data):
        tag, length, content = data[start], data[start + 1], start + 2
        if length & 0x80:
            count = length & 0x7F
            if count == 0:
                raise ValueError("a length that is not said is not of DER")
            length = int.from_bytes(data[content : content + count], "big")
            content += count
        end = content + length
        if end > len(data):
            raise ValueError("an element goes beyond its end")
        yield _Element(tag, data[start:end], data[content:end])
        start = end


def _inside(element: _Element, tag: int) -> List[_Element]:
    if element.tag != tag:
        raise ValueError("another type than expected")
    return list(_elements(element.content))


def _names(der: bytes) -> Tuple[_Element, _Element]:
    """issuer, subject"""
    (certificate,) = _elements(der)
    fields = _inside(_inside(certificate, _SEQUENCE)[0], _SEQUENCE)
    if fields[0].tag == _VERSION:
        del fields[0]
    issuer, subject = fields[2], fields[4]
    _inside(issuer, _SEQUENCE)
    _inside(subject, _SEQUENCE)
    return issuer, subject


# ---- RFC 4514 section 2: the last part first


def _distinguished_name(content: bytes) -> str:
    parts = [[_attribute(pair) for pair in _inside(part, _SET)] for part in _elements(content)]
    return ",".join("+".join(part) for part in reversed(parts))


def _attribute(pair: _Element) -> str:
    oid, value = _inside(pair, _SEQUENCE)
    if oid.tag != _OID:
        raise ValueError("an attribute without a type")
    number = _dotted(oid.content)
    if number in _TYPES and value.tag in _STRINGS:
        text = value.content.decode(_STRINGS[value.tag])
        return f"{_TYPES[number]}={_ESCAPED.sub(_escape, text)}"
    return f"{_TYPES.get(number, number)}=#{value.whole.hex()}"


def _dotted(oid: bytes) -> str:
    if not 0 < len(oid) <= _LONGEST_OID or oid[-1] & 0x80:
        raise ValueError("a malformed OID")
    numbers = [0]
    for byte in oid:
        numbers[-1] = numbers[-1] << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(0)
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:-1]]))


def _escape(match: "re.Match[str]") -> str:
    character = match[0]
    return f"\\{ord(character):02x}" if character < " " or character == "\x7f" else "\\" + character

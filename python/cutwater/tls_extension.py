"""The ASGI extension `tls` (its specification, 0.2), of what a trusted web server in front says by the variables of mod_ssl.

Cutwater has not seen that connection. What the web server does not say, or says in a way that nobody can read, is None, as
the specification wants it of a server behind a proxy; nothing here raises.

    SSL_PROTOCOL, SSL_CIPHER                       TLSv1.3, TLS_AES_256_GCM_SHA384: OpenSSL's names
    SSL_SERVER_CERT, SSL_CLIENT_CERT               PEM, in any of the forms of certificate.py
    SSL_CLIENT_CERT_CHAIN_0, _1, ...               what the client sent behind its own
    SSL_CLIENT_S_DN                                read only where SSL_CLIENT_CERT is not there
    SSL_CLIENT_VERIFY                              NONE, SUCCESS, GENEROUS, FAILED:reason
"""

from __future__ import annotations

import functools
import re
from typing import Any, Dict, List, Optional

from cutwater import certificate
from cutwater.certificate import Certificate

_KNOWN = ("SSL_PROTOCOL", "SSL_CIPHER", "SSL_SERVER_CERT", "SSL_CLIENT_CERT", "SSL_CLIENT_S_DN", "SSL_CLIENT_VERIFY")
# "TLS1.3" is how GnuTLS says it.
_VERSIONS = {"SSLv3": 0x0300, "TLSv1": 0x0301, "TLSv1.0": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304,
             "TLS1.0": 0x0301, "TLS1.1": 0x0302, "TLS1.2": 0x0303, "TLS1.3": 0x0304}
_LONGEST_CHAIN = 16
_LONGEST_NAME = 16 * 1024
_LONGEST_ERROR = 200

# RFC 4514 section 3. OpenSSL's and GnuTLS's RFC 2253 form is of that shape; neither "/C=DE/CN=ann", where a value may hold
# what looks like another part, nor "C = DE, CN = ann" is.
_PLAIN = r'[^\x00-\x1f\x7f"+,;<>\\ ]'
_ESCAPED = r'\\(?:[ "#+,;<=>\\]|[0-9A-Fa-f]{2})'
_VALUE = rf"(?:#(?:[0-9A-Fa-f]{{2}})+|(?![ #])(?: *(?:{_PLAIN}|{_ESCAPED}))*)"
_PAIR = rf"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)={_VALUE}"
_NAME = re.compile(rf"{_PAIR}(?:[,+]{_PAIR})*")


def describe(variables: Dict[str, str]) -> Optional[Dict[str, Any]]:
    """Of the variables that begin with SSL_, their bytes as latin-1: the extension, or None if they tell of no TLS."""
    said = {name: value for name, value in variables.items() if value}
    if not any(name in said for name in _KNOWN):
        return None
    server = certificate.read(said.get("SSL_SERVER_CERT", ""))
    chain = _chain(said)
    return {
        "server_cert": server.pem if server else None,
        "client_cert_chain": [each.pem for each in chain],
        # With a certificate it must be that one's, so the web server is not asked.
        "client_cert_name": chain[0].name if chain else _name(said.get("SSL_CLIENT_S_DN", "")),
        "client_cert_error": _error(said),
        "tls_version": _VERSIONS.get(said.get("SSL_PROTOCOL", "")),
        "cipher_suite": _cipher_suites().get(said.get("SSL_CIPHER", "")),
    }


def _chain(said: Dict[str, str]) -> List[Certificate]:
    """The client's own, and behind it those of which each has signed the one before, as far as their names tell."""
    own = certificate.read(said.get("SSL_CLIENT_CERT", ""))
    if own is None:
        return []
    chain = [own]
    for number in range(_LONGEST_CHAIN):
        signer = certificate.read(said.get(f"SSL_CLIENT_CERT_CHAIN_{number}", ""))
        if signer is None:
            break
        if number == 0 and signer.pem == own.pem:
            continue
        if signer.subject != chain[-1].issuer:
            break
        chain.append(signer)
    return chain


def _name(text: str) -> Optional[str]:
    if not text or len(text) > _LONGEST_NAME:
        return None
    try:
        name = text.encode("latin-1").decode("utf-8")
    except ValueError:
        return None
    return name if _NAME.fullmatch(name) else None


def _error(said: Dict[str, str]) -> Optional[str]:
    """None means that a certificate, if there was one, is good. So it is only when the web server says that, in words we know."""
    verdict = said.get("SSL_CLIENT_VERIFY", "")[:_LONGEST_ERROR]
    if verdict == "SUCCESS":
        return None
    if verdict in ("", "NONE"):
        presented = "SSL_CLIENT_CERT" in said or "SSL_CLIENT_S_DN" in said
        return "the web server does not say that it was verified" if presented else None
    if verdict.startswith("FAILED:"):
        return verdict[len("FAILED:"):] or "FAILED"
    return verdict


@functools.lru_cache(maxsize=None)
def _cipher_suites() -> Dict[str, int]:
    """OpenSSL's names of those that this interpreter's OpenSSL knows: `id` is 0x03 0x00 and the number of the RFCs."""
    try:
        import ssl  # costs more than the rest of this file, and some interpreters have none

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        return {suite["name"]: suite["id"] & 0xFFFF for suite in context.get_ciphers()}
    except Exception:  # of an OpenSSL that is made otherwise; the key is None then
        return {}

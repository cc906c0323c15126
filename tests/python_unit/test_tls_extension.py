"""python/cutwater/tls_extension.py and certificate.py: what is made of all that web servers say of a TLS connection."""

import importlib
import ssl
import sys
import time
import urllib.parse
from pathlib import Path

import pytest

from python_unit.by_hand import BUILDS, load_extension
from python_unit.test_asgi_worker import Worker
from support.certificates import Authority, openssl

SUBJECT = '/C=DE/DC=example/O=Müller, Söhne \\+ Co/OU=#7/emailAddress=ann@example.org/serialNumber=12/CN= ann \\\\ "the" <user>; '
NAME = ('CN=\\ ann \\\\ \\"the\\" \\<user\\>\\;\\ ,serialNumber=12,emailAddress=ann@example.org,OU=\\#7,'
        "O=Müller\\, Söhne \\+ Co,DC=example,C=DE")
NOTHING = {"server_cert": None, "client_cert_chain": [], "client_cert_name": None, "client_cert_error": None,
           "tls_version": None, "cipher_suite": None}


@pytest.fixture(scope="module")
def modules():
    folder = str(Path(__file__).resolve().parents[2] / "python")
    sys.path.insert(0, folder)
    yield importlib.import_module("cutwater.tls_extension"), importlib.import_module("cutwater.certificate")
    sys.path.remove(folder)


@pytest.fixture(scope="module")
def describe(modules):
    return modules[0].describe


@pytest.fixture(scope="module")
def read(modules):
    return modules[1].read


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.make("ann", SUBJECT, signer="below")
    made.make("bob", "/CN=bob", signer="root")
    return made


# ---- the whole of it


def test_all_that_mod_ssl_says(describe, authority):
    said = {
        "SSL_PROTOCOL": "TLSv1.3", "SSL_CIPHER": "TLS_AES_128_GCM_SHA256", "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_SERVER_CERT": authority.text("bob"), "SSL_CLIENT_CERT": authority.text("ann"),
        "SSL_CLIENT_CERT_CHAIN_0": authority.text("below"), "SSL_CLIENT_CERT_CHAIN_1": authority.text("root"),
        "SSL_CLIENT_S_DN": "CN=somebody else", "SSL_TLS_SNI": "localhost", "SSL_SESSION_RESUMED": "Initial",
    }
    assert describe(said) == {
        "server_cert": authority.text("bob"), "client_cert_chain": [authority.text(name) for name in ("ann", "below", "root")],
        "client_cert_name": NAME, "client_cert_error": None, "tls_version": 0x0304, "cipher_suite": 0x1301,
    }


def test_what_is_not_said_is_none(describe):
    assert describe({"SSL_PROTOCOL": "TLSv1.2"}) == {**NOTHING, "tls_version": 0x0303}
    assert describe({"SSL_CLIENT_VERIFY": "NONE"}) == NOTHING


@pytest.mark.parametrize("said", [{}, {"SSL_PROTOCOL": "", "SSL_CIPHER": "", "SSL_CLIENT_VERIFY": ""},
                                  {"SSL_CERT_FILE": "/etc/ssl/cert.pem"}])
def test_nothing_said_is_no_extension(describe, said):
    """nginx says so of a connection without TLS: the parameters are there, and empty."""
    assert describe(said) is None


def test_each_request_has_its_own(describe, authority):
    said = {"SSL_CLIENT_CERT": authority.text("ann")}
    describe(said)["client_cert_chain"].append("of an app")
    assert describe(said)["client_cert_chain"] == [authority.text("ann")]


# ---- version and cipher suite


@pytest.mark.parametrize("text, number", [
    ("SSLv3", 0x0300), ("TLSv1", 0x0301), ("TLSv1.1", 0x0302), ("TLSv1.2", 0x0303), ("TLSv1.3", 0x0304), ("TLS1.3", 0x0304),
    ("TLSv1.4", None), ("unknown", None), ("1.3", None), ("TLSv1.3\n", None), ("x" * 1_000_000, None),
])
def test_versions(describe, text, number):
    assert describe({"SSL_PROTOCOL": text})["tls_version"] == number


@pytest.mark.parametrize("text, number", [
    ("TLS_AES_256_GCM_SHA384", 0x1302), ("TLS_CHACHA20_POLY1305_SHA256", 0x1303), ("ECDHE-RSA-AES128-GCM-SHA256", 0xC02F),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", 0xC02C), ("AES128-SHA", 0x002F), ("AES-256-GCM", None), ("0x1301", None),
    ("x" * 1_000_000, None), ("\xff", None),
])
def test_cipher_suites(describe, text, number):
    assert describe({"SSL_CIPHER": text})["cipher_suite"] == number


def test_an_interpreter_without_ssl(modules, monkeypatch):
    modules[0]._cipher_suites.cache_clear()
    monkeypatch.setitem(sys.modules, "ssl", None)
    try:
        described = modules[0].describe({"SSL_PROTOCOL": "TLSv1.3", "SSL_CIPHER": "TLS_AES_128_GCM_SHA256"})
        assert described == {**NOTHING, "tls_version": 0x0304}
    finally:
        modules[0]._cipher_suites.cache_clear()


# ---- certificates


FORMS = {
    "with newlines (Apache, $ssl_client_raw_cert)": lambda pem: pem,
    "without the last one": lambda pem: pem.rstrip("\n"),
    "with tabs ($ssl_client_cert)": lambda pem: pem.rstrip("\n").replace("\n", "\n\t"),
    "in one line": lambda pem: pem.replace("\n", " "),
    "with carriage returns": lambda pem: pem.replace("\n", "\r\n"),
    "encoded ($ssl_client_escaped_cert)": lambda pem: urllib.parse.quote(pem, safe="-"),
    "in longer lines": lambda pem: pem.replace("\n", "", 3).replace("CATE-----", "CATE-----\n", 1),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_forms_of_a_certificate(describe, authority, form):
    said = {"SSL_SERVER_CERT": form(authority.text("bob")), "SSL_CLIENT_CERT": form(authority.text("ann")),
            "SSL_CLIENT_CERT_CHAIN_0": form(authority.text("below"))}
    described = describe(said)
    assert described["server_cert"] == authority.text("bob")
    assert described["client_cert_chain"] == [authority.text("ann"), authority.text("below")]
    assert described["client_cert_name"] == NAME


def pem(der):
    return ssl.DER_cert_to_PEM_cert(der)


DAMAGED = ["", "x", "%", "%zz", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
           "-----BEGIN CERTIFICATE-----\n====\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nAAAAA\n-----END CERTIFICATE-----",
           "x" * 1_000_000, "-----BEGIN CERTIFICATE-----\n" + "A" * 1_000_000 + "\n-----END CERTIFICATE-----",
           "-----BEGIN CERTIFICATE-----\n" + "\xe4" * 64 + "\n-----END CERTIFICATE-----",
           pem(b"\x30\x00"), pem(b"\x30\x80\x00\x00"), pem(b"\x30\x84\xff\xff\xff\xff"), pem(b"\x30\xff"), pem(b"\x30\x02\x30\x00"),
           pem(b"\x30" * 3000), pem(bytes(3000))]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_certificates(describe, text):
    said = {"SSL_PROTOCOL": "TLSv1.3", "SSL_SERVER_CERT": text, "SSL_CLIENT_CERT": text, "SSL_CLIENT_VERIFY": "SUCCESS"}
    assert describe({**said, "SSL_CLIENT_CERT_CHAIN_0": text}) == {**NOTHING, "tls_version": 0x0304}
    described = describe({**said, "SSL_CLIENT_S_DN": "CN=ann"})
    assert described["client_cert_name"] == "CN=ann" and described["client_cert_chain"] == []


def test_every_cut_and_every_flipped_byte(read, authority):
    """Nothing but None or a certificate comes of it, and soon."""
    der = ssl.PEM_cert_to_DER_cert(authority.text("ann"))
    for at in range(len(der)):
        assert read(pem(der[:at])) is None
        for flip in (0x01, 0x80, 0xFF):
            found = read(pem(der[:at] + bytes([der[at] ^ flip]) + der[at + 1 :]))
            assert found is None or found.pem.startswith("-----BEGIN CERTIFICATE-----\n")


def test_a_chain_is_as_long_as_each_has_signed_the_one_before(describe, authority):
    def chain(*names, **said):
        rest = {"SSL_PROTOCOL": "TLSv1.3", **{f"SSL_CLIENT_CERT_CHAIN_{number}": authority.text(name) for number, name in enumerate(names)}}
        pems = describe({"SSL_CLIENT_CERT": authority.text("ann"), **rest, **said})["client_cert_chain"]
        return [name for each in pems for name in ("ann", "below", "root", "bob") if authority.text(name) == each]

    assert chain() == ["ann"]
    assert chain("below", "root") == ["ann", "below", "root"]
    assert chain("ann", "below", "root") == ["ann", "below", "root"]  # the client's own once more
    assert chain("root") == ["ann"]
    assert chain("below", "bob") == ["ann", "below"]
    assert chain("below", "root", *["root"] * 30) == ["ann", "below", *["root"] * 15]  # it has signed itself
    assert chain("below", "root", SSL_CLIENT_CERT_CHAIN_0="x") == ["ann"]
    assert chain("below", SSL_CLIENT_CERT="") == [] == chain("below", SSL_CLIENT_CERT="x")  # whose chain would it be?


# ---- names


def test_a_certificates_name_is_the_one_openssl_reads(read, authority):
    for name in ("root", "below", "bob"):
        said = openssl("x509", "-in", authority.folder / f"{name}.pem", "-noout", "-subject", "-nameopt", "RFC2253").strip()
        assert "subject=" + read(authority.text(name)).name == said


def der(tag, *content):
    content = b"".join(content)
    length = bytes([len(content)]) if len(content) < 128 else b"\x82" + len(content).to_bytes(2, "big")
    return bytes([tag]) + length + content


def with_subject(*parts):
    """A certificate of which only the names are right."""
    plain = der(0x30)
    return pem(der(0x30, der(0x30, der(0xA0, der(2, b"\2")), der(2, b"\1"), plain, plain, plain, der(0x30, *parts))))


CN, DN_QUALIFIER, OTHER = bytes.fromhex("0603550403"), bytes.fromhex("060355042e"), bytes.fromhex("06062a8648ce3d01")


@pytest.mark.parametrize("parts, name", [
    ([], ""),
    ([der(0x31, der(0x30, CN, der(0x0C, b"a")), der(0x30, DN_QUALIFIER, der(0x13, b"b")))], "CN=a+dnQualifier=b"),
    ([der(0x31, der(0x30, CN, der(0x14, b"\xe4")))], "CN=\xe4"),
    ([der(0x31, der(0x30, CN, der(0x1E, "\u20ac".encode("utf-16-be"))))], "CN=\u20ac"),
    ([der(0x31, der(0x30, CN, der(0x1C, "\U0001f600".encode("utf-32-be"))))], "CN=\U0001f600"),
    ([der(0x31, der(0x30, CN, der(0x0C, b"a\nb\0c\x7f")))], "CN=a\\0ab\\00c\\7f"),
    ([der(0x31, der(0x30, CN, der(0x0C, b"#a ")))], "CN=\\#a\\ "),
    ([der(0x31, der(0x30, CN, der(0x0C, b" ")))], "CN=\\ "),
    ([der(0x31, der(0x30, CN, der(0x0C, b"a=b  c")))], "CN=a=b  c"),
    ([der(0x31, der(0x30, CN, der(0x0C, b"")))], "CN="),
    ([der(0x31, der(0x30, OTHER, der(0x0C, b"a")))], "1.2.840.10045.1=#0c0161"),
    ([der(0x31, der(0x30, CN, der(0x03, b"\0a")))], "CN=#03020061"),  # no text
    ([der(0x31, der(0x30, CN, der(0x0C, b"\xff")))], None),
    ([der(0x31, der(0x30, der(0x06), der(0x0C, b"a")))], None),
    ([der(0x31, der(0x30, der(0x06, b"\xff" * 3000, b"\1"), der(0x0C, b"a")))], None),
    ([der(0x31, der(0x30, CN))], None),
    ([der(0x30, der(0x30, CN, der(0x0C, b"a")))], None),
])
def test_names_of_certificates(read, parts, name):
    found = read(with_subject(*parts))
    assert (found.name if found else None) == name


OF_ALL_KINDS = "emailAddress=a@b.org,CN=J\\C3\\BCrgen\\, the first+UID=7,1.2.3.4=#0c0161"


@pytest.mark.parametrize("text, name", [
    ("CN=ann,O=Shop,C=DE", "CN=ann,O=Shop,C=DE"),
    (OF_ALL_KINDS, OF_ALL_KINDS),
    ("CN=J\xc3\xbcrgen", "CN=J\xfcrgen"),  # bytes of UTF-8, as they came
    ("CN=a  b\\ ", "CN=a  b\\ "), ("CN=", "CN="), ("CN=a=b", "CN=a=b"),
    ("/C=DE/CN=ann", None),  # who has written the slash?
    ("C = DE, CN = ann", None), ("CN=ann, C=DE", None), ('CN="ann, the first"', None), ("CN=ann;C=DE", None), ("CN= ann", None),
    ("CN=ann ", None), ("CN=a\\\\ ", None), ("CN=a\nb", None), ("CN=#0", None), ("CN=\\", None), ("ann", None), ("CN=ann,", None),
    ("CN=\xff", None), ("x" * 1_000_000, None), ("CN=" + "a" * 1_000_000, None),
])
def test_names_that_web_servers_say(describe, text, name):
    assert describe({"SSL_CLIENT_S_DN": text})["client_cert_name"] == name


@pytest.mark.parametrize("text", ["CN=" + "a" * 15_000 + '"', "CN=a" + " " * 15_000 + '"', ",".join(["CN=a"] * 3000) + '"',
                                  "CN=" + "\\ " * 7000 + '"', "CN=" + "a " * 7000])
def test_no_name_takes_long(describe, text):
    began = time.process_time()
    assert describe({"SSL_CLIENT_S_DN": text})["client_cert_name"] is None
    assert time.process_time() - began < 1


# ---- whether it was verified


@pytest.mark.parametrize("verdict, certificate, error", [
    ("NONE", False, None), ("SUCCESS", True, None), ("", False, None),
    ("FAILED:certificate has expired", True, "certificate has expired"), ("FAILED:too weak", False, "too weak"),
    ("FAILED:", True, "FAILED"), ("FAILED", True, "FAILED"), ("GENEROUS", True, "GENEROUS"), ("\xff", False, "\xff"),
    ("", True, "the web server does not say that it was verified"), ("NONE", True, "the web server does not say that it was verified"),
])
def test_nothing_passes_for_verified_that_nobody_has_said_is(describe, authority, verdict, certificate, error):
    for said in ({"SSL_CLIENT_CERT": authority.text("ann")}, {"SSL_CLIENT_S_DN": "CN=ann"}, {"SSL_CLIENT_CERT": "x"}):
        said = {**(said if certificate else {}), "SSL_PROTOCOL": "TLSv1.3", "SSL_CLIENT_VERIFY": verdict}
        assert describe(said)["client_cert_error"] == error


def test_rubbish_is_not_verified(describe):
    error = describe({"SSL_CLIENT_VERIFY": "x" * 1_000_000})["client_cert_error"]
    assert error and len(error) < 1000


# ---- in the scope, of HTTP and of WebSockets


@pytest.fixture(params=sorted(BUILDS))
def scope_of(build, modules, request):
    """What the application gets of a request with these options, by the extension of each build."""
    worker = Worker(build, load_extension(build, request.param), begin=lambda scope, exchange: scopes.append(scope) or exchange)
    scopes = []

    def scope(**options):
        worker.ask(**options)
        worker.go_on()
        return scopes[-1]

    yield scope
    worker.close()


SAID = [("SSL_PROTOCOL", "TLSv1.3"), ("SSL_CIPHER", "TLS_AES_128_GCM_SHA256"), ("SSL_CLIENT_VERIFY", "NONE")]


@pytest.mark.parametrize("websocket, others", [
    (False, ["http.response.debug", "http.response.early_hint", "http.response.pathsend", "http.response.trailers"]),
    (True, ["websocket.http.response"]),
])
def test_it_is_in_the_scope(scope_of, websocket, others):
    scope = scope_of(scheme="https", websocket=websocket, variables=SAID)
    assert scope["scheme"] == ("wss" if websocket else "https") and set(scope["extensions"]) == {*others, "tls"}
    assert scope["extensions"]["tls"] == {**NOTHING, "tls_version": 0x0304, "cipher_suite": 0x1301}
    assert sorted(scope_of(scheme="https", websocket=websocket)["extensions"]) == others  # of another connection


def test_without_tls_it_is_not(scope_of):
    for options in ({"scheme": "http", "variables": SAID}, {"scheme": "https"}, {"scheme": "https", "variables": [("REMOTE_USER", "ann")]},
                    {"scheme": "https", "variables": [(name, "") for name, _ in SAID]},
                    {"scheme": "https", "headers": [*SAID, ("Ssl-Protocol", "TLSv1.3"), ("SSL-CIPHER", "x")]},
                    {"scheme": "http", "headers": SAID}):
        for websocket in (False, True):
            assert "tls" not in scope_of(websocket=websocket, **options)["extensions"]


def test_of_a_name_that_comes_twice_the_last_counts(scope_of):
    twice = [("SSL_PROTOCOL", "TLSv1.2"), ("SSL_PROTOCOL", "TLSv1.3")]
    assert scope_of(scheme="https", variables=twice)["extensions"]["tls"]["tls_version"] == 0x0304


def test_what_cannot_be_described_fails_no_request(scope_of, modules, monkeypatch):
    def fails(variables):
        raise MemoryError("none left")

    monkeypatch.setattr(modules[0], "describe", fails)
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: reported.append(what.exc_value))
    scope = scope_of(scheme="https", variables=SAID)
    assert "tls" not in scope["extensions"] and scope["scheme"] == "https" and str(reported[0]) == "none left"

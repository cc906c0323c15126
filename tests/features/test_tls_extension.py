"""The real nginx, Apache and lighttpd take TLS in front of an ASGI app: what it sees of that by the extension `tls`."""

import http.client
import json
import os
import ssl
from contextlib import ExitStack

import pytest

from support import web_servers
from support.certificates import Authority
from support.gateways import GatewayClient

pytestmark = pytest.mark.timeout(120)

PROTOCOLS = ("uwsgi", "fastcgi", "scgi")
WAYS = [(name, protocol) for name, protocols in (("nginx", PROTOCOLS), ("apache", PROTOCOLS), ("lighttpd", PROTOCOLS[1:]))
        for protocol in protocols]
PROGRAMS = {"nginx": "nginx", "apache": "apache2", "lighttpd": "lighttpd"}
PACKAGES = {"nginx": "nginx", "apache": "apache2-bin", "lighttpd": "lighttpd and lighttpd-mod-openssl"}
NGINX_FORMS = {"/scope/": "$ssl_client_raw_cert", "/scope/escaped/": "$ssl_client_escaped_cert", "/scope/old/": "$ssl_client_cert"}
EXTENSIONS = {"http.response.debug", "http.response.pathsend"}
OF_HTTP = EXTENSIONS | {"http.response.early_hint", "http.response.trailers"}  # no other protocol can carry them

APACHE = """\
SSLEngine on
SSLCertificateFile "{folder}/server.pem"
SSLCertificateKeyFile "{folder}/server.key"
SSLCACertificateFile "{folder}/root.pem"
SSLVerifyClient optional_no_ca
SSLVerifyDepth 2
SSLOptions +StdEnvVars +ExportCertData"""

LIGHTTPD = """\
ssl.engine = "enable"
ssl.pemfile = "{folder}/server.pem"
ssl.privkey = "{folder}/server.key"
ssl.verifyclient.ca-file = "{folder}/root.pem"
ssl.verifyclient.activate = "enable"
ssl.verifyclient.enforce = "disable"
ssl.verifyclient.depth = 2
ssl.verifyclient.exportcert = "enable"
"""

NGINX = """\
  server {{
    listen 127.0.0.1:{port}{secure};
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_client_certificate {folder}/root.pem;
    ssl_verify_client optional_no_ca;
    ssl_verify_depth 2;
    ssl_protocols TLSv1.2 TLSv1.3;
    {locations}
  }}
"""
NGINX_LOCATION = """
    location {path} {{
      include /etc/nginx/{protocol}_params;
      {protocol}_param SSL_PROTOCOL $ssl_protocol;
      {protocol}_param SSL_CIPHER $ssl_cipher;
      {protocol}_param SSL_CLIENT_VERIFY $ssl_client_verify;
      {protocol}_param SSL_CLIENT_S_DN $ssl_client_s_dn;
      {protocol}_param SSL_CLIENT_CERT {certificate};
      {protocol}_pass {address};
    }}"""


def nginx(program, place, backs, folder):
    def locations(protocol, address):
        return "".join(NGINX_LOCATION.format(path=path, certificate=certificate, protocol=protocol, address=web_servers.text_of(address))
                       for path, certificate in NGINX_FORMS.items())

    def configure(ports):
        user = f"user {web_servers.USER};" if os.getuid() == 0 else ""
        temporary = " ".join(f"{kind}_temp_path {place}/temp-{kind};" for kind in ("client_body", "proxy", *PROTOCOLS))
        servers = [NGINX.format(port=port, secure=" ssl" if number < len(ports) / 2 else "", folder=folder, locations=locations(*back))
                   for number, (port, back) in enumerate(zip(ports, backs, strict=True))]
        return (f"{user} daemon off; pid {place}/pid; error_log {place}/error.log; events {{ }}\n"
                f"http {{ access_log off; {temporary}\n{''.join(servers)}}}\n")

    return web_servers.start([program, "-p", place, "-c"], place / "nginx.conf", configure, backs)


def start(name, place, backs, folder):
    """Each of `backs` is asked by TLS and, at a second port, without."""
    program = f"/usr/sbin/{PROGRAMS[name]}"
    assert os.path.exists(program), f"{program} is missing: apt-get install {PACKAGES[name]}"
    both = [*backs, *backs]
    if name == "nginx":
        return nginx(program, place, both, folder)
    lines = {"apache": APACHE, "lighttpd": LIGHTTPD}[name].format(folder=folder)
    return getattr(web_servers, name)(program, place, both, secure=[lines] * len(backs))


@pytest.fixture(scope="module")
def authority(serve_module):
    folder = serve_module.folder / "certificates"
    folder.mkdir()
    made = Authority(folder)
    # As many names as public authorities allow: Apache tells each in a variable of its own.
    made.make("server", "/CN=localhost", signer="root", hosts=["localhost", *(f"{number}.shop.example" for number in range(99))])
    made.make("ann", "/C=DE/O=Müller, Söhne/emailAddress=ann@example.org/CN=ann", signer="below")
    made.make("stranger", "/CN=stranger")
    return made


@pytest.fixture(scope="module")
def fronts(serve_module, authority, request):
    """The server; and way: (port of TLS, port without)"""
    place = serve_module.folder
    place.chmod(0o777)  # their workers' user writes there what it spools
    server = serve_module("asgi", listen=["127.0.0.1:0", *({"addr": "127.0.0.1:0", "protocol": protocol} for _, protocol in WAYS)])
    found, running = {}, ExitStack()
    request.addfinalizer(running.close)
    for name in PROGRAMS:
        chosen = [(way, (way[1], back)) for way, back in zip(WAYS, server.addresses[1:], strict=True) if way[0] == name]
        folder = place / name
        folder.mkdir()
        folder.chmod(0o777)
        process, ports = start(name, folder, [back for _, back in chosen], authority.folder)
        running.callback(process.wait, 20)
        running.callback(process.terminate)
        found.update((way, pair) for (way, _), pair in zip(chosen, zip(ports, ports[len(chosen):]), strict=True))
    return server, found


@pytest.fixture(params=WAYS, ids="-".join)
def way(request):
    return request.param


@pytest.fixture
def ask(fronts, authority, way):
    """ask(context, target): the scope, and what the client's side of the connection says: (version, cipher suite)."""

    def ask(context=None, target="/scope/", headers=()):
        if context is None:
            connection = http.client.HTTPConnection("127.0.0.1", fronts[1][way][1], timeout=30)
        else:
            connection = http.client.HTTPSConnection("127.0.0.1", fronts[1][way][0], timeout=30, context=context)
        try:
            connection.connect()
            seen = (connection.sock.version(), connection.sock.cipher()[0]) if context else None
            connection.request("GET", target, headers=dict(headers))
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, (response.status, body)
            return json.loads(body), seen
        finally:
            connection.close()

    return ask


def client(authority, chain=(), version=None):
    """A client's context; `chain` names its certificate and those behind it."""
    context = ssl.create_default_context(cafile=authority.folder / "root.pem")
    if version:
        context.maximum_version = version
    if chain:
        context.load_cert_chain(authority.bundle(chain[0], *chain), authority.folder / f"{chain[0]}.key")
    return context


def number_of(suite):
    return next(each["id"] & 0xFFFF for each in ssl.create_default_context().get_ciphers() if each["name"] == suite)


VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=VERSIONS)
def test_without_a_client_certificate(ask, way, authority, version):
    scope, (protocol, suite) = ask(client(authority, version=version))
    assert scope["scheme"] == "https" and set(scope["extensions"]) == {*EXTENSIONS, "tls"}
    assert VERSIONS[protocol] == 0x0301 + version.value - ssl.TLSVersion.TLSv1
    assert scope["extensions"]["tls"] == {
        "server_cert": authority.text("server") if way[0] == "apache" else None, "client_cert_chain": [], "client_cert_name": None,
        "client_cert_error": None, "tls_version": VERSIONS[protocol], "cipher_suite": number_of(suite),
    }


def test_with_a_client_certificate(ask, way, authority):
    scope, (protocol, suite) = ask(client(authority, ["ann", "below"]))
    tls = scope["extensions"]["tls"]
    assert (tls["tls_version"], tls["cipher_suite"]) == (VERSIONS[protocol], number_of(suite))
    expected = ["ann", "below"] if way[0] == "apache" else ["ann"]  # the others tell of no more
    assert tls["client_cert_chain"] == [authority.text(name) for name in expected]
    assert tls["client_cert_name"] == "CN=ann,emailAddress=ann@example.org,O=Müller\\, Söhne,C=DE" and tls["client_cert_error"] is None


def test_with_one_that_nobody_trusts(ask, way, authority):
    """lighttpd says only that there was one."""
    tls = ask(client(authority, ["stranger"]))[0]["extensions"]["tls"]
    shown = way[0] != "lighttpd"
    assert tls["client_cert_chain"] == ([authority.text("stranger")] if shown else [])
    assert tls["client_cert_name"] == ("CN=stranger" if shown else None)
    assert tls["client_cert_error"]


def test_the_forms_of_nginx(ask, way, authority):
    for target in NGINX_FORMS if way[0] == "nginx" else ():
        tls = ask(client(authority, ["ann", "below"]), target)[0]["extensions"]["tls"]
        assert tls["client_cert_chain"] == [authority.text("ann")]


FORGED = [("Https", "on"), ("SSL_PROTOCOL", "TLSv1.3"), ("Ssl-Cipher", "TLS_AES_128_GCM_SHA256"), ("SSL-CLIENT-S-DN", "CN=root"),
          ("SSL_CLIENT_VERIFY", "SUCCESS"), ("HTTP_SSL_PROTOCOL", "TLSv1.3")]
TRUSTED = ("X-Forwarded-Proto", "https")  # from 127.0.0.1


def test_without_tls_it_is_absent(ask):
    """Also where a proxy before the web server says https: of the connection it has told nothing."""
    for headers, scheme in (((), "http"), (FORGED, "http"), ([*FORGED, TRUSTED], "https")):
        scope, _ = ask(headers=headers)
        assert scope["scheme"] == scheme and set(scope["extensions"]) == EXTENSIONS


def test_a_client_cannot_forge(ask, authority):
    tls = ask(client(authority), headers=FORGED)[0]["extensions"]["tls"]
    assert (tls["client_cert_chain"], tls["client_cert_name"], tls["client_cert_error"]) == ([], None, None)


def test_by_http_it_is_absent(fronts):
    for headers in ((), FORGED, [*FORGED, TRUSTED]):
        with fronts[0].connect() as direct:
            scope = json.loads(direct.request("GET", "/scope", headers).body)
        assert set(scope["extensions"]) == OF_HTTP


# ---- a web server that says what none does


@pytest.fixture
def say(fronts, way):
    """What the app sees as `tls` of a request with these variables; None where there is no such extension."""

    def say(**variables):
        with GatewayClient(fronts[0].addresses[1 + WAYS.index(way)], way[1]) as client:
            answer = client.ask("GET", "/scope", **variables)
        assert answer.status == 200, answer
        return json.loads(answer.body)["extensions"].get("tls")

    return say


NOTHING = {"server_cert": None, "client_cert_chain": [], "client_cert_name": None, "client_cert_error": None,
           "tls_version": None, "cipher_suite": None}


def test_only_https_has_it(say):
    assert say(SSL_PROTOCOL="TLSv1.3") is None and say(HTTPS="off", SSL_PROTOCOL="TLSv1.3") is None
    assert say(HTTPS="on") is None and say(HTTPS="on", SSL_PROTOCOL="", SSL_CLIENT_CERT="") is None
    assert say(HTTPS="on", SSL_PROTOCOL="TLSv1.3") == {**NOTHING, "tls_version": 0x0304}
    assert say(REQUEST_SCHEME="https", SSL_CLIENT_VERIFY="NONE") == NOTHING


@pytest.mark.parametrize("rubbish", ["x" * 20_000, "\n" * 5000, "%" * 5000, "\xff\xfe", "-----BEGIN CERTIFICATE-----" * 700])
def test_rubbish_fails_no_request(say, rubbish):
    for name in ("SSL_PROTOCOL", "SSL_CIPHER", "SSL_SERVER_CERT"):
        assert say(HTTPS="on", **{name: rubbish}) == NOTHING
    tls = say(HTTPS="on", SSL_CLIENT_CERT=rubbish, SSL_CLIENT_CERT_CHAIN_0="x")
    assert tls == {**NOTHING, "client_cert_error": "the web server does not say that it was verified"}
    assert say(HTTPS="on", SSL_CLIENT_S_DN=rubbish)["client_cert_name"] is None

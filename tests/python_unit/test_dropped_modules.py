"""Our `cgi`, for Pythons that dropped it, does what the module of older ones does: same inputs, same results."""

import importlib.util
import io
import json
import os
import random
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from python_unit.bridge import interpreters

DROPPED = Path(__file__).resolve().parents[2] / "python" / "cutwater" / "warm_cgi" / "dropped"


def load(name, folder=DROPPED):
    spec = importlib.util.spec_from_file_location(f"dropped_{name}", folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def both():
    if sys.version_info >= (3, 13):
        pytest.skip("this Python has no cgi to compare with")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cgi
    return load("cgi"), cgi


def outcome(call):
    """What came of it, an exception by its type and text."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__, str(error)


def same(both, call):
    ours, theirs = (outcome(lambda module=module: call(module)) for module in both)
    assert ours == theirs
    return ours


HEADERS = ["text/plain", "", ";", "a; b", "a; b=", 'form-data; name="x"; filename="a;b.txt"', 'x; a="b\\"c;d"; e=f',
           'x; name="\\\\"', 'x;a=1;A=2', 'x; a="', 'x; a="b;c', ' y ; q=" z "', 'a"b;c";d=e', 'x; filename="C:\\\\a\\\\b.c"', "x;=y", "x; a = b ;",
           'x; ";"; y=1', 'x; a=""', 'x; a=\\"b;c=d', "multipart/form-data; boundary=--x", 'attachment; filename="=?utf-8?q?x?="']


@pytest.mark.parametrize("line", HEADERS)
def test_parse_header(both, line):
    same(both, lambda module: module.parse_header(line))


def test_parse_header_of_noise(both):
    picks = random.Random(1)
    for _ in range(5000):
        line = "".join(picks.choice('ab ;="\\,') for _ in range(picks.randrange(20)))
        same(both, lambda module, line=line: module.parse_header(line))


def shown(item):
    """Everything the documentation says of a field."""
    if item is None:
        return None
    found = {name: getattr(item, name) for name in ("name", "filename", "type", "type_options", "disposition", "disposition_options", "value")}
    found["headers"] = sorted(dict(item.headers).items())
    found["file"] = None if item.file is None else item.file.read()
    if found["file"] is not None:
        item.file.seek(0)
    if item.list is not None:
        found["value"] = None
        found["list"] = [shown(each) for each in item.list]
    for name in ("length", "bytes_read"):
        found[name] = getattr(item, name, None)
    # Of a form within a part the older module does not see the end of the whole.
    found["done"] = getattr(item, "done", None) if item.list is None else None
    return found


def plain(value):
    """Fields of either module as what they show."""
    return [plain(each) for each in value] if isinstance(value, list) else value if isinstance(value, (str, bytes, int, type(None))) else repr(value)


def form(module, environ, body=b"", **options):
    found = module.FieldStorage(io.BytesIO(body), environ={"REQUEST_METHOD": "POST", **environ}, **options)
    names = sorted(found.keys(), key=str) if found.list is not None else None
    more = names and [(name in found, *map(plain, (found.getvalue(name), found.getfirst(name), found.getlist(name))), len(found), bool(found)) for name in names
                      if not any(each.filename is not None and each.list for each in found.list)]
    return shown(found), names, more, outcome(lambda: found["none"]), outcome(lambda: found.getvalue("none", 1)), outcome(lambda: repr(found)[:200]) if not found.list or not any(each.file for each in found.list) else None


QUERIES = ["", "a=1", "a=1&a=2&b=", "a=1;b=2", "x=%E4%F6", "x=%C3%A4", "=1", "a", "&&", "a=b=c", "a+b=c+d", "x=" + "y" * 2000]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("options", [{}, {"keep_blank_values": 1}, {"strict_parsing": 1}, {"separator": ";"}, {"encoding": "latin-1"}, {"max_num_fields": 1}])
def test_queries(both, query, options):
    for method in ("GET", "HEAD", "POST", "PUT"):
        same(both, lambda module, method=method: form(module, {"REQUEST_METHOD": method, "QUERY_STRING": query}, **options))
    body = query.encode()
    for length in (str(len(body)), "1", "x", "-1"):
        same(both, lambda module, length=length: form(module, {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": length, "QUERY_STRING": "q=1"}, body, **options))
    same(both, lambda module: module.parse(io.BytesIO(), {"QUERY_STRING": query}))


def multipart(parts, boundary=b"XX", before=b"", line_end=b"\r\n"):
    text = before
    for head, content in parts:
        text += b"--" + boundary + line_end + line_end.join([*head, b"", content]) + line_end
    return text + b"--" + boundary + b"--" + line_end


FIELD, UPLOAD = b'Content-Disposition: form-data; name="a"', b'Content-Disposition: form-data; name="f"; filename="\xc3\xa4.bin"'
BODIES = {
    "fields": multipart([([FIELD], b"1"), ([FIELD], b"2"), ([b"content-disposition: form-data; name=b"], b"")]),
    "upload": multipart([([UPLOAD, b"Content-Type: application/octet-stream"], bytes(range(256)) * 20), ([FIELD], b"after")]),
    "large": multipart([([UPLOAD], b"\r\n" * 40000 + b"x" * 200000 + b"\r"), ([FIELD], b"y" * 3000)]),
    "empty upload": multipart([([UPLOAD], b"")]),
    "boundary inside": multipart([([FIELD], b"--XXY\r\n --XX\r\n--X")]),
    "preamble": multipart([([FIELD], b"1")], before=b"this is a\r\npreamble\r\n"),
    "bare line feeds": multipart([([FIELD], b"1\n2"), ([UPLOAD], b"\n")], line_end=b"\n"),
    "not ended": multipart([([FIELD], b"1")])[:-8],
    "cut in a head": multipart([([FIELD], b"1")])[:20],
    "nothing": b"",
    "trailer": multipart([([FIELD], b"1")]) + b"epilogue\r\nmore",
    "part with a length": multipart([([FIELD, b"Content-Length: 1"], b"12345")]),
    "no disposition": multipart([([b"Content-Type: text/html"], b"x")]),
    "nested": multipart([([FIELD, b"Content-Type: multipart/mixed; boundary=YY"], multipart([([b'Content-Disposition: file; filename="x"'], b"in")], b"YY"))]),
    "form in a part": multipart([([FIELD, b"Content-Type: application/x-www-form-urlencoded"], b"x=1&y=2")]),
    "latin": multipart([([FIELD], b"\xe4\xff\x00")]),
    "blanks behind": multipart([([FIELD], b"1")]).replace(b"--XX\r", b"--XX  \r"),
    "carriage returns": multipart([([FIELD], b"\r\r\n\r"), ([UPLOAD], b"\r")]),
    "at the line limit": multipart([([UPLOAD], b"z" * 65535 + b"\r\nmore"), ([FIELD], b"z" * 65536)]),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("options", [{}, {"max_num_fields": 1}, {"max_num_fields": 3}, {"encoding": "latin-1"}, {"errors": "strict"}])
def test_multipart(both, name, options):
    body = BODIES[name]
    for length in ({"CONTENT_LENGTH": str(len(body))}, {}, {"CONTENT_LENGTH": "60"}, {"CONTENT_LENGTH": str(len(body) + 100)}):
        for query in ({}, {"QUERY_STRING": "a=0&q=%20"}):
            same(both, lambda module, environ={"CONTENT_TYPE": "multipart/form-data; boundary=XX", **length, **query}:
                 form(module, environ, body, **options))


@pytest.mark.parametrize("name", BODIES)
def test_parse_multipart(both, name):
    body = BODIES[name]
    parameters = {"boundary": b"XX", "CONTENT-LENGTH": str(len(body))}
    same(both, lambda module: {field: plain(values) for field, values in module.parse_multipart(io.BytesIO(body), dict(parameters)).items()})


def test_parse_of_multipart():
    """Which fails in the module of Python 3.11, but is documented."""
    body = BODIES["fields"]
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "multipart/form-data; boundary=XX"}
    assert load("cgi").parse(io.BytesIO(body), environ) == {"a": ["1", "2"], "b": [""]}


@pytest.mark.parametrize("boundary", ["", "a" * 201, "a" * 202, "a b", "a ", "\xe4"])
def test_boundaries(both, boundary):
    same(both, lambda module: form(module, {"CONTENT_TYPE": f'multipart/form-data; boundary="{boundary}"'}, b"--a b\r\n\r\nx"))


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "", "text/plain; charset=utf-8"])
def test_other_bodies(both, kind):
    environ = {"CONTENT_TYPE": kind} if kind else {}
    same(both, lambda module: form(module, environ, b"12345"))


@pytest.mark.parametrize("length", [5, 100, 3])
def test_other_bodies_of_known_length(length):
    """Bytes; the older module fails here."""
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(length)}
    assert load("cgi").FieldStorage(io.BytesIO(b"12345"), environ=environ).value == b"12345"[:length]


def test_what_is_refused(both):
    for arguments in ({"fp": 1, "headers": {}}, {"fp": io.BytesIO(), "headers": 1}, {"fp": io.StringIO("a=b"), "headers": {}}, {"outerboundary": "x"}):
        same(both, lambda module, arguments=arguments: shown(module.FieldStorage(environ={"REQUEST_METHOD": "POST"}, **arguments)))
    for module in both:
        module.maxlen = 3
    try:
        same(both, lambda module: form(module, {"CONTENT_LENGTH": "4"}, b"a=bc"))
        same(both, lambda module: module.parse(io.BytesIO(b"a=bc"), {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "4", "CONTENT_TYPE": "application/x-www-form-urlencoded"}))
    finally:
        for module in both:
            module.maxlen = 0


def test_noise(both):
    """Bodies made of what matters to their reader, in any order."""
    picks = random.Random(2)
    pieces = [b"--XX\r\n", b"--XX--\r\n", b"--XX", b"\r\n", b"\n", b"\r", b"x", FIELD + b"\r\n", UPLOAD + b"\r\n", b"\r\n\r\n", b"--", b"--YY\r\n"]
    for _ in range(2000):
        body = b"--XX\r\n" * picks.randrange(2) + b"".join(picks.choice(pieces) for _ in range(picks.randrange(25)))
        environ = {"CONTENT_TYPE": "multipart/form-data; boundary=XX"}
        if picks.randrange(2):
            environ["CONTENT_LENGTH"] = str(picks.choice([len(body), picks.randrange(100)]))
        same(both, lambda module, environ=environ, body=body: form(module, environ, body))


def test_names(both):
    ours, theirs = both
    assert set(ours.__all__) == set(theirs.__all__)
    assert isinstance(ours.MiniFieldStorage("a", "b").headers, dict)


def test_cgitb_shows_source_and_variables():
    """In a Python of each age, since frames differ; the page has the names, escaped."""
    program = textwrap.dedent("""
        import io, sys
        import cgitb
        def fails(what):
            inner = "<&>" + what
            raise ValueError(inner)
        for kind in ("html", "text"):
            place = io.StringIO()
            try:
                fails("x")
            except ValueError:
                cgitb.Hook(file=place, format=kind).handle()
            assert "fails" in place.getvalue() and "inner" in place.getvalue() and "ValueError" in place.getvalue(), place.getvalue()
            assert ("&lt;&amp;&gt;x" in place.getvalue()) == (kind == "html"), place.getvalue()
        cgitb.enable()
        sys.stdout = io.StringIO()
        sys.excepthook(*(ValueError, ValueError("hooked"), None))
        assert "hooked" in cgitb.html((ValueError, ValueError("hooked"), None))
    """)
    for python in interpreters():
        done = subprocess.run([python, "-W", "ignore", "-c", f"import sys; sys.path.insert(0, {str(DROPPED)!r})\n" + program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_each_python_can_load_them():
    for python in interpreters():
        program = f"import sys, json; sys.path.insert(0, {str(DROPPED)!r}); import cgi, cgitb; print(json.dumps(cgi.parse_header('a; b=c')))"
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        assert json.loads(done.stdout) == ["a", {"b": "c"}], done.stderr

"""The module `cgi` for Pythons that are without it (3.13 and newer): forms, uploads and the dumps for debugging.

Written from the documentation of Python 3.12's, whose names, arguments and results these are.
"""

from __future__ import annotations

import html
import locale
import os
import re
import sys
import tempfile
import traceback
import urllib.parse
from collections.abc import Mapping
from email.message import Message
from email.parser import FeedParser
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any, Dict, Iterator, List, Optional, Tuple

__all__ = ["MiniFieldStorage", "FieldStorage", "parse", "parse_multipart", "parse_header", "test", "print_exception",
           "print_environ", "print_form", "print_directory", "print_arguments", "print_environ_usage"]

maxlen = 0  # of a body, in bytes; 0: any

_FORM = "application/x-www-form-urlencoded"
_BOUNDARY = re.compile(rb"[ -~]{0,200}[!-~]\Z")
_LONGEST_LINE = 1 << 16  # of what is read at once
_IN_MEMORY = 1000  # bytes of a field; a larger one goes to a file


def parse_header(line: str) -> Tuple[str, Dict[str, str]]:
    """'text/plain; charset="a;b"' -> ('text/plain', {'charset': 'a;b'})."""
    first, *rest = _split_parameters(line)
    parameters = {}
    for part in rest:
        name, equals, value = part.partition("=")
        if not equals:
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1].replace("\\\\", "\\").replace('\\"', '"')
        parameters[name.strip().lower()] = value
    return first, parameters


def _split_parameters(line: str) -> Iterator[str]:
    """At each semicolon that stands in no quoted text."""
    start, quoted, before = 0, False, ""
    for place, character in enumerate(line):
        if character == '"' and before != "\\":
            quoted = not quoted
        elif character == ";" and not quoted:
            yield line[start:place].strip()
            start = place + 1
        before = character
    yield line[start:].strip()


def parse(fp: Any = None, environ: Any = os.environ, keep_blank_values: Any = 0, strict_parsing: Any = 0,
          separator: str = "&") -> Dict[str, List[Any]]:
    """The fields of a request as lists by their names."""
    fp, encoding = _binary(sys.stdin if fp is None else fp)
    if environ.setdefault("REQUEST_METHOD", "GET") == "POST":
        kind, parameters = parse_header(environ["CONTENT_TYPE"])
        if kind == "multipart/form-data":
            parameters["boundary"] = bytes(parameters["boundary"], "ascii")  # type: ignore[assignment]
            parameters["CONTENT-LENGTH"] = environ["CONTENT_LENGTH"]
            return parse_multipart(fp, parameters, separator=separator)
        query = ""
        if kind == _FORM:
            length = int(environ["CONTENT_LENGTH"])
            if maxlen and length > maxlen:
                raise ValueError("Maximum content length exceeded")
            query = fp.read(length).decode(encoding)
        for more in (environ.get("QUERY_STRING"), sys.argv[1] if sys.argv[1:] else ""):
            if more:
                query = f"{query}&{more}" if query else more
                break
        environ["QUERY_STRING"] = query
    elif "QUERY_STRING" in environ:
        query = environ["QUERY_STRING"]
    else:
        query = environ["QUERY_STRING"] = sys.argv[1] if sys.argv[1:] else ""
    return urllib.parse.parse_qs(query, keep_blank_values, strict_parsing, encoding=encoding, separator=separator)


def _binary(fp: Any) -> Tuple[Any, str]:
    """What bytes are read from, and the encoding of text there."""
    if isinstance(fp, TextIOWrapper):
        return fp.buffer, fp.encoding
    return getattr(fp, "buffer", fp), getattr(fp, "encoding", "latin-1")


def parse_multipart(fp: Any, pdict: Dict[str, Any], encoding: str = "utf-8", errors: str = "replace",
                    separator: str = "&") -> Dict[str, List[Any]]:
    """The fields of a multipart/form-data body; `pdict` has its `boundary` (bytes) and its CONTENT-LENGTH."""
    headers = Message()
    headers.set_type("multipart/form-data; boundary=" + pdict["boundary"].decode("ascii"))
    if "CONTENT-LENGTH" in pdict:
        headers["Content-Length"] = pdict["CONTENT-LENGTH"]
    form = FieldStorage(fp, headers, environ={"REQUEST_METHOD": "POST"}, encoding=encoding, errors=errors, separator=separator)
    return {name: form.getlist(name) for name in form}


class MiniFieldStorage:
    """A field of a query string or of a form without uploads: a name and a value."""

    filename = None
    list = None
    type = None
    file = None
    type_options: Dict[str, str] = {}
    disposition = None
    disposition_options: Dict[str, str] = {}
    headers: Dict[str, str] = {}

    def __init__(self, name: str, value: str) -> None:
        self.name, self.value = name, value

    def __repr__(self) -> str:
        return f"MiniFieldStorage({self.name!r}, {self.value!r})"


class FieldStorage:
    """A form with its fields in `list`, or one field of a multipart form with its content in `file`."""

    FieldStorageClass: Any = None  # of the fields; None: that of the form
    bufsize = 8 * 1024

    def __init__(self, fp: Any = None, headers: Any = None, outerboundary: bytes = b"", environ: Any = os.environ,
                 keep_blank_values: Any = 0, strict_parsing: Any = 0, limit: Optional[int] = None, encoding: str = "utf-8",
                 errors: str = "replace", max_num_fields: Optional[int] = None, separator: str = "&") -> None:
        self.keep_blank_values, self.strict_parsing, self.max_num_fields = keep_blank_values, strict_parsing, max_num_fields
        self.separator, self.encoding, self.errors = separator, encoding, errors
        self.qs_on_post: Any = None
        method = environ["REQUEST_METHOD"].upper() if "REQUEST_METHOD" in environ else "GET"
        if method in ("GET", "HEAD"):
            query = environ.get("QUERY_STRING") if "QUERY_STRING" in environ else (sys.argv[1:] or [""])[0]
            fp = BytesIO(query.encode(locale.getpreferredencoding(), "surrogateescape"))
            headers = {"content-type": _FORM} if headers is None else headers
        elif headers is None:
            headers = self._headers_of(environ, method)
        if not isinstance(headers, (Mapping, Message)):
            raise TypeError("headers must be mapping or an instance of email.message.Message")
        self.headers = headers
        if fp is None:
            fp = sys.stdin
        fp = getattr(fp, "buffer", fp) if isinstance(fp, TextIOWrapper) or fp is sys.stdin else fp
        if not (hasattr(fp, "read") and hasattr(fp, "readline")):
            raise TypeError("fp must be file pointer")
        self.fp = fp
        if not isinstance(outerboundary, bytes):
            raise TypeError(f"outerboundary must be bytes, not {type(outerboundary).__name__}")
        self.outerboundary = outerboundary
        self.bytes_read, self.done, self.limit = 0, 0, limit
        self.list: Any = None
        self.file: Any = None
        self._read_head(method)
        if self.type == _FORM:
            self._read_query()
        elif self.type[:10] == "multipart/":
            self._read_parts(environ)
        else:
            self._read_content()

    def _headers_of(self, environ: Any, method: str) -> Dict[str, Any]:
        headers: Dict[str, Any] = {}
        if method == "POST":
            headers["content-type"] = _FORM
        if "CONTENT_TYPE" in environ:
            headers["content-type"] = environ["CONTENT_TYPE"]
        if "QUERY_STRING" in environ:
            self.qs_on_post = environ["QUERY_STRING"]
        if "CONTENT_LENGTH" in environ:
            headers["content-length"] = environ["CONTENT_LENGTH"]
        return headers

    def _read_head(self, method: str) -> None:
        self.disposition, self.disposition_options = "", {}
        if "content-disposition" in self.headers:
            self.disposition, self.disposition_options = parse_header(self.headers["content-disposition"])
        self.name = self.disposition_options.get("name")
        self.filename = self.disposition_options.get("filename")
        self._binary_file = self.filename is not None
        self.type, self.type_options = "text/plain", {}
        if "content-type" in self.headers:
            self.type, self.type_options = parse_header(self.headers["content-type"])
        elif not self.outerboundary and method == "POST":
            self.type = _FORM
        self.innerboundary = self.type_options.get("boundary", "").encode(self.encoding, self.errors)
        self.length = -1
        if "content-length" in self.headers:
            try:
                self.length = int(self.headers["content-length"])
            except ValueError:
                pass
            if maxlen and self.length > maxlen:
                raise ValueError("Maximum content length exceeded")
        if self.limit is None and self.length >= 0:
            self.limit = self.length

    # ---- reading

    def _checked(self, data: Any) -> bytes:
        if not isinstance(data, bytes):
            raise ValueError(f"{self.fp} should return bytes, got {type(data).__name__}")
        self.bytes_read += len(data)
        return data

    def _query_fields(self, query: str) -> List[MiniFieldStorage]:
        pairs = urllib.parse.parse_qsl(query, self.keep_blank_values, self.strict_parsing, encoding=self.encoding,
                                       errors=self.errors, max_num_fields=self.max_num_fields, separator=self.separator)
        return [MiniFieldStorage(name, value) for name, value in pairs]

    def _read_query(self) -> None:
        data = self.fp.read(self.length)
        if not isinstance(data, bytes):
            raise ValueError(f"{self.fp} should return bytes, got {type(data).__name__}")
        query = data.decode(self.encoding, self.errors)
        if self.qs_on_post:
            query += "&" + self.qs_on_post
        self.list = self._query_fields(query)
        self._skip_rest()

    def _read_parts(self, environ: Any) -> None:
        if not _BOUNDARY.match(self.innerboundary):
            raise ValueError(f"Invalid boundary in multipart form: {self.innerboundary!r}")
        self.list = self._query_fields(self.qs_on_post) if self.qs_on_post else []
        line = self._checked(self.fp.readline())
        while line and line.strip() != b"--" + self.innerboundary:  # what may stand before the first part
            line = self._checked(self.fp.readline())
        left = None if self.max_num_fields is None else self.max_num_fields - len(self.list)
        kind = self.FieldStorageClass or self.__class__
        while True:
            headers = self._read_part_headers()
            if headers is None:
                break
            limit = None if self.limit is None else self.limit - self.bytes_read
            part = kind(self.fp, headers, self.innerboundary, environ, self.keep_blank_values, self.strict_parsing, limit,
                        self.encoding, self.errors, left, self.separator)
            if left is not None:
                left -= 1 + len(part.list or ())
                if left < 0:
                    raise ValueError("Max number of fields exceeded")
            self.bytes_read += part.bytes_read
            self.list.append(part)
            if part.done or self.bytes_read >= self.length > 0:
                break
        self._skip_rest()

    def _read_part_headers(self) -> Optional[Message]:
        text = b""
        while True:
            line = self.fp.readline()
            text += line
            if not line.strip():
                break
        if not text:
            return None
        self.bytes_read += len(text)
        parser = FeedParser()
        parser.feed(text.decode(self.encoding, self.errors))
        headers = parser.close()
        del headers["content-length"]  # its end is where the boundary is
        return headers

    def _read_content(self) -> None:
        if self.length < 0:
            self.file = self._spooled = BytesIO() if self._binary_file else StringIO()
            for piece in self._to_boundary() if self.outerboundary else self._to_end():
                self._write(piece)
        else:
            self.file = self.make_file()
            while self.length > self.bytes_read:
                data = self._checked(self.fp.read(min(self.length - self.bytes_read, self.bufsize)))
                if not data:
                    self.done = -1
                    break
                self.file.write(data)
            self._skip_rest()
        self.file.seek(0)

    def make_file(self) -> Any:
        """Where the content goes, and is read again. To be overridden."""
        if self._binary_file or self.length >= 0:  # what has a length is no field of a form, whose text has an encoding
            return tempfile.TemporaryFile("wb+")
        return tempfile.TemporaryFile("w+", encoding=self.encoding, newline="\n")

    def _write(self, data: bytes) -> None:
        if self._spooled is not None and self._spooled.tell() + len(data) > _IN_MEMORY:
            self.file = self.make_file()
            self.file.write(self._spooled.getvalue())
            self._spooled = None
        self.file.write(data if self._binary_file else data.decode(self.encoding, self.errors))

    def _to_end(self) -> Iterator[bytes]:
        while line := self._checked(self.fp.readline(_LONGEST_LINE)):
            yield line
        self.done = -1

    def _to_boundary(self) -> Iterator[bytes]:
        """All but the line end before the boundary, which belongs to that."""
        held, at_start, began = b"", True, self.bytes_read
        while self.limit is None or not 0 <= self.limit <= self.bytes_read - began:
            line = self._checked(self.fp.readline(_LONGEST_LINE))
            if not line:
                self.done = -1
                return
            if held == b"\r":  # a line end that was read in two
                line, held = held + line, b""
            if at_start and self._is_boundary(line):
                return
            end = next(end for end in (b"\r\n", b"\n", b"\r", b"") if line.endswith(end))
            yield held + line[:len(line) - len(end)]
            held, at_start = end, end.endswith(b"\n")

    def _is_boundary(self, line: bytes) -> bool:
        line = line.rstrip()
        if line == b"--" + self.outerboundary + b"--":
            self.done = 1
            return True
        return line == b"--" + self.outerboundary

    def _skip_rest(self) -> None:
        if not self.outerboundary or self.done:
            return
        at_start = True
        while True:
            line = self._checked(self.fp.readline(_LONGEST_LINE))
            if not line:
                self.done = -1
                return
            if at_start and self._is_boundary(line):
                return
            at_start = line.endswith(b"\n")

    # ---- what it holds

    def __getattr__(self, name: str) -> Any:
        if name != "value":
            raise AttributeError(name)
        if self.file:
            self.file.seek(0)
            value = self.file.read()
            self.file.seek(0)
            return value
        return self.list

    def _named(self, key: str) -> List[Any]:
        if self.list is None:
            raise TypeError("not indexable")
        return [item for item in self.list if item.name == key]

    def __getitem__(self, key: str) -> Any:
        found = self._named(key)
        if not found:
            raise KeyError(key)
        return found[0] if len(found) == 1 else found

    def getvalue(self, key: str, default: Any = None) -> Any:
        """The value, or the list of values, of the fields of that name."""
        if key not in self:
            return default
        values = self.getlist(key)
        return values[0] if len(values) == 1 else values

    def getfirst(self, key: str, default: Any = None) -> Any:
        """The first value that was received."""
        return next(iter(self.getlist(key)), default)

    def getlist(self, key: str) -> List[Any]:
        """All values that were received."""
        return [item.value for item in self._named(key)]

    def keys(self) -> List[Any]:
        if self.list is None:
            raise TypeError("not indexable")
        return list({item.name for item in self.list})

    def __contains__(self, key: object) -> bool:
        if self.list is None:
            raise TypeError("not indexable")
        return any(item.name == key for item in self.list)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __bool__(self) -> bool:
        if self.list is None:
            raise TypeError("Cannot be converted to bool.")
        return bool(self.list)

    def __repr__(self) -> str:
        return f"FieldStorage({self.name!r}, {self.filename!r}, {self.value!r})"

    def __enter__(self) -> FieldStorage:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.file is not None:
            self.file.close()

    def __del__(self) -> None:
        file = self.__dict__.get("file")
        if file is not None:
            file.close()


# ---- for debugging: parts of a page in HTML


def test(environ: Any = os.environ) -> None:
    """A whole answer that shows the request."""
    print("Content-type: text/html\n")
    sys.stderr = sys.stdout
    try:
        print_form(FieldStorage())
        print_environ(environ)
        print_directory()
        print_arguments()
        print_environ_usage()
    except Exception:
        print_exception()


def print_exception(type: Any = None, value: Any = None, tb: Any = None, limit: Optional[int] = None) -> None:
    if type is None:
        type, value, tb = sys.exc_info()
    lines = traceback.format_tb(tb, limit) + traceback.format_exception_only(type, value)
    print(f"\n<H3>Traceback (most recent call last):</H3>\n<PRE>{html.escape(''.join(lines[:-1]))}"
          f"<B>{html.escape(lines[-1])}</B></PRE>")


def _print_list(title: str, pairs: Any) -> None:
    print(f"\n<H3>{title}</H3>\n<DL>")
    for name, value in pairs:
        print(f"<DT> {html.escape(name)} <DD> {value}")
    print("</DL>\n")


def print_environ(environ: Any = os.environ) -> None:
    _print_list("Shell Environment:", [(name, html.escape(environ[name])) for name in sorted(environ)])


def print_form(form: Any) -> None:
    fields = [(name, f"<i>{html.escape(repr(type(form[name])))}</i>: {html.escape(repr(form[name]))}")
              for name in sorted(form.keys())]
    _print_list("Form Contents:", fields)
    if not fields:
        print("<P>No form fields.")


def print_directory() -> None:
    try:
        text = html.escape(os.getcwd())
    except OSError as error:
        text = "os.error: " + html.escape(str(error))
    print(f"\n<H3>Current Working Directory:</H3>\n{text}\n")


def print_arguments() -> None:
    print(f"\n<H3>Command Line Arguments:</H3>\n\n{sys.argv}\n")


def print_environ_usage() -> None:
    names = ["AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "HTTP_COOKIE", "HTTP_HOST", "PATH_INFO",
             "PATH_TRANSLATED", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_USER", "REQUEST_METHOD", "SCRIPT_NAME", "SERVER_NAME",
             "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE"]
    items = "\n".join(f"<LI>{name}" for name in names)
    print(f"\n<H3>These environment variables could have been set:</H3>\n<UL>\n{items}\n</UL>\n")

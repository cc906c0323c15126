"""The shape of the source tree, as functions: a file's path and text in, complaints "path:line: what is wrong" out."""

import re

# ARCHITECTURE section 3: what a folder of src/ may include besides itself.
EVERYTHING_BEFORE = ["base", "io", "message", "codec", "link", "control", "serve", "upstream", "handler", "supervise"]
MAY_INCLUDE = {
    "base": [],
    "io": ["base"],
    "message": ["base"],
    "codec": ["base", "message"],
    "link": ["base", "message"],
    "control": ["base"],
    "serve": ["base", "io", "message", "codec"],
    "upstream": ["base", "io", "message", "codec"],
    "handler": ["base", "io", "message", "codec", "link", "serve", "upstream", "control"],
    "supervise": ["base", "io", "control"],
    "python": ["base", "message", "link", "codec/cgi_variables"],
    "config": EVERYTHING_BEFORE,
    "app": EVERYTHING_BEFORE + ["config"],
    "main.cc": ["app", "base"],
}
# Headers that belong to certain places: beginning of the header's name -> beginnings of the paths that may use it.
USES_FMT = ("src/handler/", "src/supervise/", "src/config/", "src/app/")
PINNED = {
    "sys/epoll.h": ("src/io/",),
    "openssl/": ("src/io/tls",),
    "Python.h": ("src/python/",),
    "fmt/": USES_FMT,
}
# Linked into the user's interpreter: nothing but the C++ library and the system there.
IN_THE_EXTENSION = ("src/base/", "src/message/", "src/link/", "src/codec/cgi_variables/", "src/python/")
NOT_IN_THE_EXTENSION = ("fmt/", "nlohmann/", "openssl/", "nghttp2/", "wslay/", "zlib.h", "toml++/", "CLI/")

LONGEST_FILE = 800
LONGEST_MAIN = 149
UNFINISHED = re.compile(r"\b(" + "TO" + "DO|FIX" + r"ME)\b")  # in two parts: this file is checked too

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT_OR_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)


def complaint(path, text, offset, what):
    return f"{path}:{text.count(chr(10), 0, offset) + 1}: {what}"


def blank_out(match):
    return re.sub(r"[^\n]", " ", match[0])


def code_only(text):
    """The text with comments and literals blanked out; offsets and lines stay."""
    return COMMENT_OR_LITERAL.sub(blank_out, text)


def includes(text):
    """(offset, '<' or '"', header) of every include that is not in a comment."""
    kept = re.sub(r"//[^\n]*|/\*.*?\*/", blank_out, text, flags=re.DOTALL)
    return [(match.start(1), match[1], match[2]) for match in INCLUDE.finditer(kept)]


def room_of(path):
    """The folder of src/ that `path` is in, or "main.cc"."""
    return path.split("/")[1]


def check_include_table(path, text):
    room = room_of(path)
    if room not in MAY_INCLUDE:
        yield f"{path}:1: src/{room} is no room of ARCHITECTURE section 3"
        return
    allowed = MAY_INCLUDE[room] + ([] if room == "main.cc" else [room])
    for offset, quote, header in includes(text):
        if quote == "<":
            if header.split("/")[0] in MAY_INCLUDE and "/" in header:
                yield complaint(path, text, offset, f"<{header}>: what is ours stands in quotes")
            continue
        if "/" not in header or header.startswith("."):
            yield complaint(path, text, offset, f'"{header}": name the file from src/ on')
        elif not any(header.startswith(folder + "/") for folder in allowed):
            yield complaint(path, text, offset, f'"{header}": {room} may include only {", ".join(allowed)}')


def check_pinned_headers(path, text):
    for offset, _, header in includes(text):
        for pinned, places in PINNED.items():
            if header.startswith(pinned) and not path.startswith(places):
                yield complaint(path, text, offset, f"{header} belongs to {', '.join(places)} alone")
        if path.startswith(IN_THE_EXTENSION) and header.startswith(NOT_IN_THE_EXTENSION):
            yield complaint(path, text, offset, f"{header} would be linked into the user's interpreter")


def check_pragma_once(path, text):
    if path.endswith(".h") and not re.search(r"^#pragma once$", text, re.MULTILINE):
        yield f"{path}:1: header without #pragma once"


def check_coroutine_rule(path, text):
    """GCC 12 frees twice what is made in braces or brackets inside a co_await expression."""
    code = code_only(text)
    for match in re.finditer(r"\bco_await\b[^;]*;?", code):
        found = re.search(r"[{\[]", match[0])
        if found:
            where = match.start() + found.start()
            yield complaint(path, text, where, f"'{found[0]}' between co_await and ';': name the task or argument first")


def check_given_back(path, text):
    """Whoever writes so wants the memory back, and a string that is assigned an empty one keeps it."""
    code = code_only(text)
    for match in re.finditer(r"(?:^|[;{})])\s*([\w.>-]+ = std::string\(\);)", code, re.MULTILINE):
        yield complaint(path, text, match.start(1), "an empty string assigned: base::release() gives the memory back, clear() keeps it")


def check_length(path, text):
    lines = text.count("\n") + (not text.endswith("\n") and text != "")
    longest = LONGEST_MAIN if path == "src/main.cc" else LONGEST_FILE
    if lines > longest:
        yield f"{path}:{longest + 1}: {lines} lines, at most {longest} are allowed"


def check_unfinished(path, text):
    for match in UNFINISHED.finditer(text):
        yield complaint(path, text, match.start(), f"{match[0]} left behind")


CXX_RULES = [check_include_table, check_pinned_headers, check_pragma_once, check_coroutine_rule, check_given_back]
EVERY_FILE_RULES = [check_length, check_unfinished]

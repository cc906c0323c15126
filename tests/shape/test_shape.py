"""The source tree keeps the shape that ARCHITECTURE section 3 and 4 give it. Each rule is proven able to fail below."""

import subprocess
from pathlib import Path

import pytest

from shape import rules

ROOT = Path(__file__).resolve().parents[2]
CODE = {".cc", ".h", ".py", ".pyi", ".c", ".cmake", ".sh"}


def code_files(*folders):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in CODE and path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def complaints(rule, files):
    return [found for path, text in files for found in rule(path, text)]


def cxx_files():
    return [(path, text) for path, text in code_files("src") if path.endswith((".cc", ".h"))]


@pytest.mark.parametrize("rule", rules.CXX_RULES, ids=lambda rule: rule.__name__)
def test_cxx_sources(rule):
    files = cxx_files()
    assert len(files) > 50, "the sources were not found"
    found = complaints(rule, files)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("rule", rules.EVERY_FILE_RULES, ids=lambda rule: rule.__name__)
def test_every_file(rule):
    found = complaints(rule, code_files("src", "python", "tests", "bench", "cmake", "examples"))
    assert not found, "\n" + "\n".join(found)


def unformatted(text):
    command = ["clang-format", f"--style=file:{ROOT / '.clang-format'}", "--dry-run", "--Werror", "--assume-filename=x.cc"]
    return subprocess.run(command, input=text, text=True, capture_output=True).returncode != 0


def test_formatted():
    files = [path for path, _ in cxx_files()]
    command = ["clang-format", "--dry-run", "--Werror", "--ferror-limit=1", *files]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr


def test_bad_format_is_found():
    assert not unformatted("int one() {\n  return 1;\n}\n")
    assert unformatted("int  one(){return 1;}\n")


def test_every_room_is_in_the_table():
    rooms = {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}
    assert rooms <= set(rules.MAY_INCLUDE)


# Each rule on made-up text: what it must let pass and what it must find, with the line.
MADE_UP = [
    (rules.check_include_table, "src/io/a.cc", '#include <vector>\n#include "base/b.h"\n#include "io/a.h"\n', None),
    (rules.check_include_table, "src/io/a.cc", "#include <vector>\n#include <handler/b.h>\n", 2),
    (rules.check_include_table, "src/io/a.cc", '#include "base/b.h"\n#include "codec/http1/x.h"\n', 2),
    (rules.check_include_table, "src/base/a.cc", '#include "io/loop.h"\n', 1),
    (rules.check_include_table, "src/codec/http1/a.cc", '\n\n#  include "serve/x.h"\n', 3),
    (rules.check_include_table, "src/codec/http1/a.cc", '#include "codec/websocket/x.h"\n', None),
    (rules.check_include_table, "src/python/a.cc", '#include "codec/cgi_variables/cgi_variables.h"\n', None),
    (rules.check_include_table, "src/python/a.cc", '#include "codec/http1/request_parser.h"\n', 1),
    (rules.check_include_table, "src/config/a.cc", '#include "python/module.h"\n', 1),
    (rules.check_include_table, "src/config/a.cc", '#include "app/front.h"\n', 1),
    (rules.check_include_table, "src/app/a.cc", '#include "config/load.h"\n', None),
    (rules.check_include_table, "src/main.cc", '#include "app/master.h"\n#include "io/loop.h"\n', 2),
    (rules.check_include_table, "src/io/a.cc", '#include "neighbour.h"\n', 1),
    (rules.check_include_table, "src/io/a.cc", '#include "../serve/x.h"\n', 1),
    (rules.check_include_table, "src/misc/a.cc", "", 1),
    (rules.check_include_table, "src/io/a.cc", '// #include "serve/x.h"\n/* \n#include "serve/x.h"\n*/\n', None),
    (rules.check_pinned_headers, "src/serve/a.cc", "\n#include <sys/epoll.h>\n", 2),
    (rules.check_pinned_headers, "src/io/loop.cc", "#include <sys/epoll.h>\n", None),
    (rules.check_pinned_headers, "src/io/stream.cc", "#include <openssl/ssl.h>\n", 1),
    (rules.check_pinned_headers, "src/io/tls_stream.cc", "#include <openssl/ssl.h>\n", None),
    (rules.check_pinned_headers, "src/link/a.cc", "#include <Python.h>\n", 1),
    (rules.check_pinned_headers, "src/python/a.h", "#include <Python.h>\n", None),
    (rules.check_pinned_headers, "src/io/a.cc", "#include <fmt/core.h>\n", 1),
    (rules.check_pinned_headers, "src/app/a.cc", "#include <fmt/core.h>\n", None),
    (rules.check_pinned_headers, "src/base/a.cc", "#include <nlohmann/json.hpp>\n", 1),
    (rules.check_pragma_once, "src/io/a.h", "// What it is.\n#pragma once\n", None),
    (rules.check_pragma_once, "src/io/a.h", "// #pragma once\n", 1),
    (rules.check_pragma_once, "src/io/a.cc", "", None),
    (rules.check_coroutine_rule, "src/io/a.cc", "auto task = f(A{1});\nco_await task;\n", None),
    (rules.check_coroutine_rule, "src/io/a.cc", "int x;\nco_await f(A{1});\n", 2),
    (rules.check_coroutine_rule, "src/io/a.cc", "co_await f(1,\n    [x] { return x; });\n", 2),
    (rules.check_coroutine_rule, "src/io/a.cc", "if (co_await f()) {\n", 1),
    (rules.check_coroutine_rule, "src/io/a.cc", "// co_await f(A{1});\nco_await f('{', \"[\");  // {\n", None),
    (rules.check_coroutine_rule, "src/io/a.cc", 'auto s = R"(co_await {)";\n', None),
    (rules.check_coroutine_rule, "src/io/a.cc", "int n = 1'000;\nco_await f(items[0]);\nint m = 2'000;\n", 2),
    (rules.check_given_back, "src/io/a.cc", "void f() {\n  kept_ = std::string();\n}\n", 2),
    (rules.check_given_back, "src/io/a.cc", "if (big(a)) a.text = std::string();\n", 1),
    (rules.check_given_back, "src/io/a.cc", "std::string text = std::string();\nbase::release(text);\n", None),
    (rules.check_length, "src/io/a.cc", "x\n" * 800, None),
    (rules.check_length, "tests/a.py", "x\n" * 801, 801),
    (rules.check_length, "src/io/a.cc", "x\n" * 800 + "x", 801),
    (rules.check_length, "src/main.cc", "x\n" * 149, None),
    (rules.check_length, "src/main.cc", "x\n" * 150, 150),
    (rules.check_unfinished, "src/io/a.cc", "// TO" "DO: later\n", 1),
    (rules.check_unfinished, "python/a.py", "\n# FIX" "ME\n", 2),
    (rules.check_unfinished, "python/a.py", "mastodon = 'TO" "DOS'\n", None),
]


@pytest.mark.parametrize("rule, path, text, line", MADE_UP, ids=lambda value: getattr(value, "__name__", None))
def test_rule_on_made_up_text(rule, path, text, line):
    found = list(rule(path, text))
    if line is None:
        assert not found
    else:
        assert len(found) == 1 and found[0].startswith(f"{path}:{line}: "), found

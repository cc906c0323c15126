"""What documents name is there, and what two processes say to each other is in docs/processes.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "tests" / "README.md", ROOT / "bench" / "README.md"]
ROOMS = sorted(path.name for path in (ROOT / "src").iterdir() if path.is_dir())
# `handler/router`, `src/python/thread_team.h`, `python/cutwater/warm_cgi`: with its folder, with or without its ending.
NAMED_FILE = re.compile(rf"`((?:src|python|tests|docs|bench|examples|{'|'.join(ROOMS)})/[\w/.]+)`")


def is_there(name):
    for path in (ROOT / name, ROOT / "src" / name):
        if path.exists() or list(path.parent.glob(path.name + ".*")):
            return True
    return False


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_named_is_there(document):
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    missing = [link for link in links if not (document.parent / link).exists()]
    missing += [name for name in NAMED_FILE.findall(text) if not is_there(name.rstrip("/"))]
    assert not missing


def test_a_file_that_is_not_there_is_noticed():
    assert NAMED_FILE.findall("`handler/router` and `app/nowhere.cc`, not `a/b`") == ["handler/router", "app/nowhere.cc"]
    assert is_there("handler/router") and not is_there("app/nowhere.cc") and not is_there("handler/rout")


@pytest.mark.parametrize("header", sorted((ROOT / "src" / "control").glob("*messages.h")), ids=lambda path: path.name)
def test_every_message_and_field_is_described(header):
    text = re.sub(r"```.*?```", "", (ROOT / "docs" / "processes.md").read_text(), flags=re.DOTALL)
    described = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))
    words = re.findall(r'(?:kType = |field\()"(\w+)"', header.read_text())
    assert words and not [word for word in words if word not in described]

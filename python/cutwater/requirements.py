"""Where a missing package is listed and which command installs it."""

from __future__ import annotations

import os
import re
import sys
from typing import List, Optional

from cutwater import failure

# Packages whose name on the index differs from the module's.
_DISTRIBUTIONS = {
    "PIL": ["pillow"],
    "MySQLdb": ["mysqlclient"],
    "bs4": ["beautifulsoup4"],
    "corsheaders": ["django-cors-headers"],
    "cv2": ["opencv-python", "opencv-python-headless"],
    "dateutil": ["python-dateutil"],
    "debug_toolbar": ["django-debug-toolbar"],
    "dotenv": ["python-dotenv"],
    "environ": ["django-environ"],
    "jose": ["python-jose"],
    "jwt": ["pyjwt"],
    "magic": ["python-magic"],
    "psycopg2": ["psycopg2", "psycopg2-binary"],
    "rest_framework": ["djangorestframework"],
    "sklearn": ["scikit-learn"],
    "storages": ["django-storages"],
    "yaml": ["pyyaml"],
}
_FILES = ("requirements.txt", "requirements/production.txt", "requirements/base.txt", "pyproject.toml", "setup.cfg",
          "setup.py", "Pipfile")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(module: str) -> List[str]:
    return _DISTRIBUTIONS.get(module, [_normal(module)])


def listing_file(module: str, root: str) -> Optional[str]:
    """The file of the project that lists the package, relative to its root."""
    wanted = [_normal(name) for name in distributions(module)]
    for name in _FILES:
        try:
            with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
                text = file.read(256 * 1024)
        except OSError:
            continue
        words = {_normal(word) for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", text)}
        if any(name in words for name in wanted):
            return name
    return None


def environment_name(root: str) -> str:
    """``.venv (Python 3.12.1)``: what the packages would be installed into."""
    version = "Python " + sys.version.split()[0]
    if sys.prefix == sys.base_prefix:
        return f"{version} ({sys.executable})"
    return f"{failure.shown_path(sys.prefix, root)} ({version})"


def install_command(module: str, listed_in: Optional[str], root: str) -> str:
    if listed_in is not None and os.path.exists(os.path.join(root, "uv.lock")):
        return "uv sync"
    if listed_in is not None and os.path.exists(os.path.join(root, "poetry.lock")):
        return "poetry install"
    if listed_in == "Pipfile":
        return "pipenv install"
    python = failure.shown_path(sys.executable, root)
    pip = os.path.join(os.path.dirname(python), "pip")
    command = f"{pip} install" if os.path.exists(os.path.join(root, pip)) else f"{python} -m pip install"
    if listed_in is not None and listed_in.endswith(".txt"):
        return f"{command} -r {listed_in}"
    if listed_in is not None:
        return f"{command} ."
    return f"{command} {distributions(module)[0]}"

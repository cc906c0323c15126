"""Folders of tests that an application's or the front's own user can reach, whoever that is."""

import tempfile
from pathlib import Path


def reachable(path):
    """`path`, with it and what lies between it and the system's temporary folder opened to others."""
    top = Path(tempfile.gettempdir())
    for folder in (path, *path.parents) if top in path.parents else ():
        if folder == top:
            break
        folder.chmod(folder.stat().st_mode | 0o055)
    return path

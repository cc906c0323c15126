"""Cutwater's side of an application's own interpreter: it imports the app, forks workers and serves requests.

Nothing here needs installing: the master starts the interpreter with the folder that holds this package and the
extension ``_cutwater`` (see ``main``). Only the standard library of CPython 3.9 and newer is used.
"""

import sys

if sys.version_info < (3, 9):
    from cutwater import too_old

    too_old.refuse()

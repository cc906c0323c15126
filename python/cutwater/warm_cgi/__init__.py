"""A warm interpreter for CGI scripts: forked for each request, so that a script finds Python started already.

The spawner starts it as the scripts' user (``main``); docs/processes.md has the conversation. Scripts run unchanged, and
see what a Python that was started for them would show (``script``, ``streams``, ``ending``). Nothing of one is left for
the next: each has a process of its own.
"""

import sys

STARTED_WITH = frozenset(sys.modules)  # this is imported first

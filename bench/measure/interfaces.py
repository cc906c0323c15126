"""What each interface costs: one WSGI program, asked by CGI, FastCGI, uwsgi and directly, by Cutwater each time."""

import shutil
import sys

from .cgi import Cgi, CutwaterCgi
from .gateways import CutwaterBack
from .servers import BENCH, Cutwater, Job

NAME = "any_interface"


def program(options):
    place = options.folder / NAME
    if not place.exists():
        place.mkdir()
        shutil.copy(BENCH / "apps" / f"{NAME}.py", place)
        for path in (options.folder, place, place / f"{NAME}.py"):
            path.chmod(0o755)
    return Job(place, f"{NAME}:application", files=place)


class ByCgi(CutwaterCgi):
    name = "CGI"
    more = f', warm = false, interpreters = {{ ".py" = "{sys.executable}" }}'


class ByWarmCgi(CutwaterCgi):
    name = "warm CGI"
    more = f', interpreters = {{ ".py" = "{sys.executable}" }}'


class ByFastcgi(CutwaterBack):
    name, protocol = "FastCGI behind nginx", "fastcgi"


class ByUwsgi(CutwaterBack):
    name, protocol = "uwsgi behind nginx", "uwsgi"


class Direct(Cutwater):
    name = "direct"

    def __init__(self, job, *more):
        super().__init__(Job(job.folder, job.target), *more)


def scenario():
    return Cgi("interfaces", "One WSGI program by each interface, 1 connection", program, [ByCgi, ByWarmCgi, ByFastcgi, ByUwsgi, Direct],
               path=f"/{NAME}.py", connections=1, body=13)

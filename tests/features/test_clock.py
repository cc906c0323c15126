"""The Tornado program of examples/clock: its Application served by our workers, and the program behind a proxy route."""

import re
import shutil
from pathlib import Path

import pytest
from websockets.sync.client import connect

from support import peers

CLOCK = Path(__file__).resolve().parents[2] / "examples" / "clock"


@pytest.fixture
def place(folder):
    shutil.copytree(CLOCK, folder / "clock")
    return folder / "clock"


def look_at(server):
    assert "<title>Clock</title>" in server.get("/").text
    asked = server.get("/asked", [("X-Forwarded-For", "10.1.2.3"), ("X-Forwarded-Proto", "https")])
    assert asked.body == b'{"address": "10.1.2.3", "scheme": "https", "host": "localhost"}'
    with connect(server.url.replace("http://", "ws://") + "/ticks") as socket:
        ticks = [socket.recv(10), socket.recv(10)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", tick) for tick in ticks) and ticks[0] < ticks[1]


def test_its_application(serve, place, app_python):
    arguments = ["serve", "clock:make_app()", "-b", "127.0.0.1:0", "--python", app_python, "--watch", "off"]
    look_at(serve.run(arguments, place, {"NO_COLOR": "1"}))


def test_the_program_behind_a_proxy_route(serve, place):
    program = peers.program(place, "clock.py", "0")
    config = place / "behind_proxy.toml"
    config.write_text(config.read_text().replace("http://127.0.0.1:8888", program.url).replace(":8000", ":0"))
    look_at(serve.run(["serve", "-c", "behind_proxy.toml"], place))
    program.stop()

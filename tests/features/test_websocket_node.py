"""WebSockets of our own workers, asked by Node's ws, a client that shares nothing with the ones in Python."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "support" / "ws_client.js"
MODULES = [ROOT / ".cache" / "ws" / "node_modules", Path("/usr/share/nodejs")]  # ./test installs it; Debian's node-ws


@pytest.fixture(scope="module", params=["asgi", "tornado"])
def address(request, serve_module):
    app, path = {"asgi": ("websocket_asgi", "/echo"), "tornado": ("tornado_app", "/bare")}[request.param]
    return serve_module(app, workers=2).url.replace("http://", "ws://") + path


@pytest.mark.parametrize("scenario", ["echo", "compression", "fragments", "pings", "closes", "megabyte", "crowd"])
def test_node(address, tool, scenario):
    assert any((place / "ws" / "package.json").exists() for place in MODULES), "Node's ws is missing: ./test installs it"
    environment = {**os.environ, "NODE_PATH": ":".join(map(str, MODULES))}
    run = subprocess.run([tool("node", "nodejs"), SCRIPT, address, scenario], env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "passed\n"), run.stderr

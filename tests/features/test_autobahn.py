"""Autobahn's fuzzing client, 315 cases (--long: all 517) against WebSockets of our own workers. ./test installs it."""

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.autobahn, pytest.mark.timeout(1500)]
WSTEST = Path(__file__).resolve().parents[2] / ".cache" / "autobahn" / "bin" / "wstest"
# Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, compression.
RULES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "12.1.3", "12.1.7"]
# Limits; of compression each kind of content, some of it in fragments, and each kind of offer.
ALL_SHORT_ONES = [*RULES, "9.*", "12.*.3", "12.1.11", "13.*.3"]
# A message, and behind it what ends the connection at once: the app's echo may come too late.
FAULT_BEHIND_A_MESSAGE = {"3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15"}
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}


@pytest.mark.parametrize(("app", "path", "cases"), [
    ("websocket_asgi", "/echo", ALL_SHORT_ONES), ("tornado_app", "/bare", RULES)])
def test_autobahn(serve, pytestconfig, folder, app, path, cases):
    assert WSTEST.exists(), "Autobahn's test suite is not installed: ./test autobahn does it"
    server = serve(app, allow=[r"ERROR:tornado", r"WARNING:tornado"])
    cases = ["*"] if pytestconfig.getoption("--long") else cases
    reports = folder / "reports"
    spec = {"outdir": str(reports), "servers": [{"agent": "cutwater", "url": server.url.replace("http://", "ws://") + path}],
            "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}}
    (folder / "spec.json").write_text(json.dumps(spec))
    run = subprocess.run([WSTEST, "-m", "fuzzingclient", "-s", folder / "spec.json"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    results = json.loads((reports / "index.json").read_text())["cutwater"]
    assert len(results) == {1: 517, len(RULES): 249, len(ALL_SHORT_ONES): 315}[len(cases)]
    expected = {"OK": set(results), "NON-STRICT": FAULT_BEHIND_A_MESSAGE, "INFORMATIONAL": INFORMATIONAL}
    wrong = {case: json.loads((reports / result["reportfile"]).read_text())["result"] for case, result in results.items()
             if case not in expected.get(result["behavior"], ()) or result["behaviorClose"] not in ("OK", "INFORMATIONAL")}
    assert not wrong

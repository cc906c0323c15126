"""Runs the benchmark: see bench/run --help."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from . import report
from .scenarios import ALL
from .servers import ROOT


class Options:
    def __init__(self, words, folder):
        self.folder, self.quick = folder, words.quick
        self.rounds, self.seconds = words.rounds or (2 if words.quick else 5), words.seconds or (2 if words.quick else 4)
        self.peers = set(words.peers.split(",")) if words.peers else None

    def wants(self, server):
        return self.peers is None or server in self.peers or server in ("cutwater", "floor")


def parse():
    parser = argparse.ArgumentParser(prog="bench/run", description="Compares Cutwater with its peers: CPU time per request, memory, robustness.")
    parser.add_argument("scenarios", nargs="*", help="names, or beginnings of names (default: all); --list shows them")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 2 s instead of 5 of 4 s")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of each round")
    parser.add_argument("--peers", help="only these, comma separated (cutwater and the floor always run)")
    parser.add_argument("--no-log", action="store_true", help="without the twins that write an access log")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def main():
    words = parse()
    if words.list:
        for scenario in ALL:
            print(f"{scenario.name:<16} {scenario.text}")
        return 0
    chosen = [s for s in ALL if not words.scenarios or any(s.name == name or s.name.startswith(name) for name in words.scenarios)]
    if words.no_log:
        chosen = [scenario for scenario in chosen if not scenario.name.endswith("+log")]
    if not chosen:
        print("no such scenario; bench/run --list shows them", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="cutwater-bench-"))
    folder.chmod(0o755)
    options, results = Options(words, folder), []
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # `timeout` must not leave the servers behind
    try:
        for scenario in chosen:
            print(f"== {scenario.name}: {scenario.text}", flush=True)
            result = scenario.run(options)
            results.append(result)
            if result.get("note"):
                print("   " + result["note"])
            if result["servers"]:
                print(report.as_text(report.table(result)), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if results:
            print("written to", report.write(results, ROOT / ".cache" / "bench", options))
    return 0


sys.exit(main())

"""tally.py FOLDER: adds up the JUnit reports of a test run; the last line and the exit code say how it went."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

folder = Path(sys.argv[1])
totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
for report in folder.glob("*.xml"):
    top = ElementTree.parse(report).getroot()
    suites = top.findall("testsuite") if top.tag == "testsuites" else [top]
    for suite in suites:
        for name in totals:
            totals[name] += int(suite.get(name, suite.get("disabled", 0) if name == "skipped" else 0))

failed = totals["failures"] + totals["errors"]
steps = folder / "failed-steps"
broken = steps.read_text().split() if steps.exists() else []
if broken:
    print("failed: " + ", ".join(broken))
    failed = max(failed, len(broken))
passed = totals["tests"] - totals["failures"] - totals["errors"] - totals["skipped"]
print(f"{passed} passed, {failed} failed" + (f", {totals['skipped']} skipped" if totals["skipped"] else ""))
sys.exit(1 if failed or passed == 0 else 0)

"""Results as text for the terminal, Markdown and JSON."""

import json
import platform
import time


def table(result):
    if result["kind"] == "speed":
        return speed_table(result["servers"])
    keys = list(next(iter(result["servers"].values()), {}))
    rows = [["server", *keys]]
    for name, row in result["servers"].items():
        rows.append([name, *(f"{row[key]:.1f}" if isinstance(row[key], float) else str(row[key]) for key in keys)])
    return rows


def speed_table(servers):
    floor = servers.get("floor", {}).get("cpu_us")
    ours = servers.get("cutwater", {}).get("cpu_us")
    rows = [["server", "CPU us/request", "of floor", "of ours", "requests/s", "p50 ms", "p99 ms", "lowest-highest us", "failed"]]
    for name, row in sorted(servers.items(), key=lambda item: item[1]["cpu_us"]):
        low, high = row["spread_us"]
        rows.append([
            name, f"{row['cpu_us']:.2f}", f"{row['cpu_us'] / floor:.2f}" if floor else "", f"{row['cpu_us'] / ours:.2f}" if ours else "",
            f"{row['rate']:.0f}", f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}", f"{low:.2f}-{high:.2f}", f"{row['bad']:.0f}",
        ])
    return rows


def as_text(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("   " + "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths))) for row in rows)


def as_markdown(rows):
    head, *rest = rows
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rest)])


def write(results, folder, options):
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    about = {"time": stamp, "kernel": platform.release(), "python": platform.python_version(), "rounds": options.rounds, "seconds": options.seconds}
    (folder / f"{stamp}.json").write_text(json.dumps({"about": about, "results": results}, indent=1) + "\n")
    parts = [f"# Benchmark\n\nOne CPU for the server, another for the load; {options.rounds} interleaved rounds of {options.seconds} s, medians. "
             f"Kernel {about['kernel']}, CPython {about['python']}."]
    for result in results:
        note = f"\n\n{result['note']}" if result.get("note") else ""
        parts.append(f"## {result['text']}\n\n{as_markdown(table(result))}{note}")
    (folder / f"{stamp}.md").write_text("\n\n".join(parts) + "\n")
    return folder / f"{stamp}.md"

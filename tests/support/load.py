"""load.py ADDRESS CONNECTIONS TARGET: keep-alive requests until stdin ends; prints good, failed, lost, worst latency in ms.

A response other than 200, a lost connection and a wrong framing all count as failed; the latter two, and connections that
the server did not want to keep, as lost too.
"""

import sys
import threading
import time

from support.client import Client, Closed


def drive(address, target, stop, results):
    request = f"GET {target} HTTP/1.1\r\nHost: load\r\n\r\n".encode()
    good = bad = lost = 0
    worst = 0.0
    client = None
    while not stop.is_set():
        began = time.monotonic()
        try:
            client = client or Client(address, timeout=30)
            client.send(request)
            response = client.read_response()
            if response.status == 200:
                good += 1
            else:
                bad += 1
            if (response.get("Connection") or "").lower() == "close":
                lost += 1
                client.close()
                client = None
        except (OSError, Closed, AssertionError):
            bad += 1
            lost += 1
            client = None
        worst = max(worst, time.monotonic() - began)
    results.append((good, bad, lost, worst))


def main():
    host, _, port = sys.argv[1].rpartition(":")
    stop, results = threading.Event(), []
    threads = [threading.Thread(target=drive, args=((host, int(port)), sys.argv[3], stop, results)) for _ in range(int(sys.argv[2]))]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    *sums, worst = zip(*results)
    print(*map(sum, sums), max(worst) * 1000)


if __name__ == "__main__":
    main()

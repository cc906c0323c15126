"""While there is a file `crash`, whoever is forked dies a moment later, and notes when."""

import os
import threading
import time


ZYGOTE = os.getpid()


def die():
    # Who is forked in between, and has the zygote for a parent, ends by itself.
    while os.getppid() == ZYGOTE:
        time.sleep(0.001)
    with open("deaths.txt", "a") as file:
        file.write(f"{time.monotonic()}\n")
    os._exit(9)


def die_soon():
    if os.path.exists("crash"):
        threading.Timer(float(os.environ.get("CRASH_SECONDS", "0.03")), die).start()


os.register_at_fork(after_in_child=die_soon)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"alive"]

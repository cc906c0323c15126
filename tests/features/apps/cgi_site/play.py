#!/usr/bin/env python3
"""Does what the query names, as scripts do that are good, bad or broken."""
import os
import signal
import sys
import time
from urllib.parse import parse_qs

query = {name: values[0] for name, values in parse_qs(os.environ["QUERY_STRING"], encoding="latin-1").items()}
mark = query.get("mark", "")


def say(text):
    sys.stdout.flush()
    os.write(1, text.encode("latin-1"))


def head(more=""):
    say(f"Content-Type: text/plain\n{more}\n")


def note(text):
    with open(mark, "a") as file:
        file.write(f"{text}\n")


def sleep_on():
    if mark:
        note(os.getpid())
    while True:
        time.sleep(1000)


def daemon():
    """A daemon as books show it: away from parent, session and terminal, but with the output still open."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            sleep_on()
        os._exit(0)
    os.wait()
    while not os.path.exists(mark):
        time.sleep(0.01)


def play(what):
    if what == "status":
        say(f"Status: {query['status']}\n\nbody")
    elif what == "location":
        say(f"Location: {query['to']}\n\n")
    elif what == "location_and_body":
        say(f"Location: {query['to']}\nContent-Type: text/plain\n\nmoved")
    elif what == "headers":
        say("Set-Cookie: a=1\nSet-Cookie: b=2\nX-Accel-Redirect: /secret\nConnection: close\nContent-Type: text/plain\n\nok")
    elif what == "nothing":
        pass
    elif what == "exit":
        sys.exit(int(query["code"]))
    elif what == "killed":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "no_end":
        say("Content-Type: text/plain\n")
    elif what == "endless_head":
        note(os.getpid())
        while True:
            say("X-Field: value\n" * 100)
    elif what == "many_fields":
        head("".join(f"X-{number}: y\n" for number in range(10_000)))
        say("body")
    elif what == "raw":
        say(query["bytes"])
    elif what == "short":
        say("Content-Length: 10\n\nabc")
    elif what == "long":
        say("Content-Length: 3\n\nabcdef")
    elif what == "big":
        head()
        left = int(query["bytes"])
        if mark:
            note(os.getpid())
        while left > 0:
            left -= os.write(1, b"x" * min(left, 2**20))
    elif what == "errors":
        for _ in range(int(query["megabytes"])):
            os.write(2, b"E" * 1023 + b"\n" + b"e" * (2**20 - 1024))
        head()
        say("done")
    elif what == "complain":
        os.write(2, b"first\nsecond \x1b[31m\nno end")
        head()
    elif what == "hang":
        sleep_on()
    elif what == "family":
        os.fork() or os.fork()
        sleep_on()
    elif what == "hang_half":
        head()
        say("half")
        sleep_on()
    elif what == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep_on()
    elif what == "stopped":
        note(os.getpid())
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(1000)
    elif what == "lives_on":
        head()
        say("answer")
        os.close(1)
        sleep_on()
    elif what == "closes":
        os.close(1)
        sleep_on()
    elif what == "daemon":
        daemon()
        head()
        say("answer")
    elif what == "bomb":
        note(os.getpid())
        head()
        say("bomb")
        while True:
            try:
                os.fork()
            except OSError:
                time.sleep(0.01)
    else:
        head()
        say("played")


play(query.get("do", ""))

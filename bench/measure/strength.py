"""Scenarios of one server each: memory, idle connections, deaths and reloads under load."""

import os
import random
import resource
import signal
import socket
import time

from support.processes import memory, name, tree

from . import load
from .servers import Cutwater, Gunicorn, Uwsgi


class Memory:
    """PSS of everything after load, four Django workers."""

    name, text = "memory", "PSS of 4 Django workers after load, everything included"

    def __init__(self, job):
        self.job = job

    def run(self, options):
        rows, notes = {}, []
        for kind in (Cutwater, Uwsgi, Gunicorn):
            if not options.wants(kind.name):
                continue
            server = kind(self.job(options, workers=4), options.folder)
            try:
                load.run(options.folder, server.port, "/", options.seconds, 16)
                sizes = {pid: memory(pid, "Pss") / 1e6 for pid in tree(server.pid)}
                rows[kind.name] = {"megabytes": sum(sizes.values()), "processes": len(sizes)}
                notes.append(f"{kind.name}: " + ", ".join(f"{name(pid)} {size:.1f}" for pid, size in sizes.items()))
            finally:
                server.stop()
        return {"scenario": self.name, "text": self.text, "kind": "table", "servers": rows, "note": "; ".join(notes)}


class Idle:
    """10,000 keep-alive connections that have asked once."""

    name, text = "idle", "Memory of the front with idle keep-alive connections"
    wanted = 10_000

    def __init__(self, job):
        self.job = job

    def run(self, options):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        count = min(self.wanted, hard - 200)
        server = Cutwater(self.job(options), options.folder)
        held = []
        try:
            (front,) = [pid for pid in tree(server.pid) if "front" in name(pid)]
            before = memory(front, "Pss")
            for _ in range(count):
                connection = socket.create_connection(("127.0.0.1", server.port))
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                connection.recv(4096)
                held.append(connection)
            after = memory(front, "Pss")
        finally:
            for connection in held:
                connection.close()
            server.stop()
        row = {"connections": count, "front_megabytes": after / 1e6, "bytes_each": (after - before) / count}
        return {"scenario": self.name, "text": self.text, "kind": "table", "servers": {"cutwater": row}}


class Kills:
    """kill -9 of a random worker every 200 ms. A failure is an answer other than 200 or a lost connection."""

    name, text = "kill", "kill -9 of a random worker every 200 ms under load"

    def __init__(self, job):
        self.job = job

    def run(self, options):
        server = Cutwater(self.job(options, workers=2), options.folder)
        try:
            seconds = max(options.seconds * 2, 4)
            wrk = load.start(options.folder, server.port, "/json", seconds, 16)
            end, kills = time.monotonic() + seconds - 0.5, 0
            while time.monotonic() < end:
                time.sleep(0.2)
                workers = server.workers()
                if workers:
                    os.kill(random.choice(workers), signal.SIGKILL)
                    kills += 1
            report = load.Report(wrk.communicate()[0])
        finally:
            server.stop()
        row = {"kills": kills, "requests": report.requests, "failed_answers": report.bad_statuses, "dropped_connections": report.socket_errors, "worst_ms": report.worst}
        return {"scenario": self.name, "text": self.text, "kind": "table", "servers": {"cutwater": row}}


class Reloads:
    """HUP again as soon as the last one is done."""

    name, text = "reload", "HUP reloads under load"

    def __init__(self, job):
        self.job = job

    def run(self, options):
        count = 10 if options.quick else 100
        server = Cutwater(self.job(options, workers=2), options.folder)
        done, wrk = 0, None
        try:
            wrk = load.start(options.folder, server.port, "/json", 600, 8)
            time.sleep(0.5)
            for _ in range(count):
                before = set(server.workers())
                server.process.send_signal(signal.SIGHUP)
                deadline = time.monotonic() + 30
                while time.monotonic() < deadline and (set(server.workers()) & before or len(server.workers()) < 2):
                    time.sleep(0.02)
                done += not set(server.workers()) & before
            wrk.send_signal(signal.SIGINT)
            report = load.Report(wrk.communicate()[0])
        finally:
            if wrk and wrk.poll() is None:
                wrk.kill()
            server.stop()
        row = {"reloads": done, "requests": report.requests, "failed_answers": report.bad_statuses, "dropped_connections": report.socket_errors, "worst_ms": report.worst}
        return {"scenario": self.name, "text": self.text, "kind": "table", "servers": {"cutwater": row}}

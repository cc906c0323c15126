"""While there is a file `crash`, whoever is forked dies a moment later."""

import os
import threading


def die_soon():
    if os.path.exists("crash"):
        threading.Timer(0.03, os._exit, [9]).start()


os.register_at_fork(after_in_child=die_soon)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"alive"]

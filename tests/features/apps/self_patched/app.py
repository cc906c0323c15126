"""An app that was made for gunicorn's gevent worker, and says so itself."""

from gevent import monkey

monkey.patch_all()

import time


def application(environ, start_response):
    time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"patched"]

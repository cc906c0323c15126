"""Tornado's own tests in a worker of ours. Test, application and HTTP client share the worker's event loop, as they share
one in Tornado's test runs; but the server between them is Cutwater, through its front and back into this process.

GET /-run/MODULE/CLASS runs the tests of that class and says what came of each.
"""

import asyncio
import importlib
import inspect
import logging
import traceback
import unittest

from tornado import httputil, ioloop, testing, web
from tornado.httpserver import _CallableAdapter

PATIENCE = 10.0  # seconds for a test


class Loop(asyncio.SelectorEventLoop):
    """A test is no coroutine: it runs the loop until something has happened. So it is called between two turns of the
    loop, where it may run more of them."""

    def __init__(self):
        super().__init__()
        self.next_job = None

    def _run_once(self):
        super()._run_once()
        if self.next_job is not None:
            job, self.next_job = self.next_job, None
            job()

    def run_until(self, condition):
        end = self.time() + PATIENCE
        alarm = self.call_at(end, lambda: None)
        while not condition():
            if self.time() > end:
                raise TimeoutError(f"nothing came within {PATIENCE} s")
            super()._run_once()
        alarm.cancel()


class Stage:
    """What the test that runs now has built."""

    application = None
    port = 0
    stopped = False


def enter_worker_loop():
    """The IOLoop of this worker, whose start() and stop() no longer are the worker's own life."""
    io_loop = ioloop.IOLoop.current()
    loop = io_loop.asyncio_loop

    def start():
        Stage.stopped = False
        loop.run_until(lambda: Stage.stopped)

    def stop():
        Stage.stopped = True
        loop.call_soon(lambda: None)  # the turn that waits for events

    io_loop.start, io_loop.stop = start, stop
    return io_loop


class Server:
    """In the place of Tornado's HTTPServer."""

    def stop(self):
        Stage.application = None

    async def close_all_connections(self):
        pass


class Case:
    """Replaces what AsyncTestCase and AsyncHTTPTestCase do around each test."""

    def set_up(self):
        unittest.TestCase.setUp(self)
        self.io_loop = ioloop.IOLoop.current()
        self.tasks_before = asyncio.all_tasks(self.io_loop.asyncio_loop)

    def set_up_http(self):
        self._AsyncHTTPTestCase__port = Stage.port
        testing.AsyncTestCase.setUp(self)
        self.http_client = self.get_http_client()
        self._app = Stage.application = self.get_app()
        self.http_server = Server()

    def tear_down(self):
        left = asyncio.all_tasks(self.io_loop.asyncio_loop) - self.tasks_before
        for task in left:
            task.cancel()
        self.io_loop.asyncio_loop.run_until(lambda: all(task.done() for task in left))
        unittest.TestCase.tearDown(self)
        self._AsyncTestCase__rethrow()


testing.AsyncTestCase.setUp, testing.AsyncTestCase.tearDown = Case.set_up, Case.tear_down
testing.AsyncHTTPTestCase.setUp = Case.set_up_http


class Outcome(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.said = {}

    def addSuccess(self, test):
        self.said.setdefault(test._testMethodName, "passed")

    def addSkip(self, test, reason):
        self.said[test._testMethodName] = f"skipped: {reason}"

    def addFailure(self, test, error):
        self.said[test._testMethodName] = "".join(traceback.format_exception(*error))

    addError = addFailure

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self.addFailure(test, error)


def run_class(module, name, left_out, only):
    tests = getattr(importlib.import_module(f"tornado.test.{module}"), name)
    outcome = Outcome()
    for method in unittest.defaultTestLoader.getTestCaseNames(tests):
        if method not in left_out and (not only or method in only):
            tests(method).run(outcome)
    return outcome.said


class Run(web.RequestHandler):
    async def get(self, module, name):
        Stage.port = int(self.request.host.rpartition(":")[2])
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        arguments = module, name, self.get_arguments("without"), self.get_arguments("only")
        loop.next_job = lambda: done.set_result(run_class(*arguments))
        self.write(await done)


class Front(httputil.HTTPServerConnectionDelegate):
    """Each request is the present test's, but for those that ask for tests."""

    def start_request(self, server_connection, request_connection):
        return Chosen(server_connection, request_connection)


class Chosen(httputil.HTTPMessageDelegate):
    def __init__(self, *connections):
        self.connections = connections

    def headers_received(self, start_line, headers):
        if not hasattr(ioloop.IOLoop.current(), "of_the_suite"):
            enter_worker_loop().of_the_suite = True
        chosen = CONTROL if start_line.path.startswith("/-run/") else Stage.application
        if not isinstance(chosen, httputil.HTTPServerConnectionDelegate):
            self.delegate = _CallableAdapter(chosen, self.connections[1])
        else:
            self.delegate = chosen.start_request(*self.connections)
        return self.delegate.headers_received(start_line, headers)

    def data_received(self, chunk):
        return self.delegate.data_received(chunk)

    def finish(self):
        return self.delegate.finish()

    def on_connection_close(self):
        return self.delegate.on_connection_close()


CONTROL = web.Application([(r"/-run/(\w+)/(\w+)", Run)])
application = Front()
logging.getLogger("tornado.access").setLevel(logging.CRITICAL)


def make_loop():
    return Loop()

"""A Tornado application with what Tornado sites use."""

import asyncio
import contextvars
import gc
import hashlib
import os
import weakref

import tornado.web
import tornado.websocket
import tornado.wsgi

LEFT = []


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("hello")


class About(tornado.web.RequestHandler):
    def get(self):
        request = self.request
        self.write({"method": request.method, "uri": request.uri, "path": request.path, "ip": request.remote_ip,
                    "protocol": request.protocol, "host": request.host, "a": self.get_arguments("a"),
                    "fields": request.headers.get_list("x-two"), "version": request.version, "url": request.full_url()})


class Form(tornado.web.RequestHandler):
    def post(self):
        files = {name: [(file["filename"], len(file["body"])) for file in group]
                 for name, group in self.request.files.items()}
        self.write({"a": self.get_body_arguments("a"), "files": files, "size": len(self.request.body)})


class Slow(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(0.2)
        self.write(str(os.getpid()))


class Streamed(tornado.web.RequestHandler):
    async def get(self, count, size):
        for number in range(int(count)):
            self.write(bytes([65 + number % 26]) * int(size))
            await self.flush()


class Endless(tornado.web.RequestHandler):
    async def get(self):
        try:
            while True:
                self.write(b"data: x\n\n")
                await self.flush()
                await asyncio.sleep(0.02)
        except tornado.iostream.StreamClosedError:
            LEFT.append("closed")

    def on_connection_close(self):
        LEFT.append("left")


class Parked(tornado.web.RequestHandler):
    """Waits for a future that nothing else holds."""
    there = weakref.WeakSet()

    async def get(self):
        self.future = asyncio.get_running_loop().create_future()
        Parked.there.add(self)
        self.write(await self.future)


class Unpark(tornado.web.RequestHandler):
    def get(self):
        gc.collect()
        for handler in list(Parked.there):
            handler.future.set_result("found")
        self.write(str(len(Parked.there)))


class Marked(tornado.web.RequestHandler):
    """What a request's beginning leaves in its context."""
    mark = contextvars.ContextVar("mark", default="none")

    def initialize(self):
        self.before = Marked.mark.get()
        Marked.mark.set(self.request.path)

    def get(self):
        self.write(f"{self.before} {Marked.mark.get()}")


class Left(tornado.web.RequestHandler):
    def get(self):
        self.write({"left": LEFT})


@tornado.web.stream_request_body
class Digest(tornado.web.RequestHandler):
    def prepare(self):
        self.digest, self.pieces = hashlib.sha256(), 0

    async def data_received(self, chunk):
        self.digest.update(chunk)
        self.pieces += 1

    def post(self):
        self.write(self.digest.hexdigest())


class Broken(tornado.web.RequestHandler):
    def get(self):
        raise ValueError("broken on purpose")


class Cookie(tornado.web.RequestHandler):
    def get(self):
        seen = self.get_signed_cookie("visits") or b"0"
        self.set_signed_cookie("visits", str(int(seen) + 1))
        self.write(seen)

    def post(self):
        self.write("posted")


class Token(tornado.web.RequestHandler):
    def get(self):
        self.write(self.xsrf_token)


class Status(tornado.web.RequestHandler):
    def get(self, status):
        self.set_status(int(status), self.get_argument("reason", None))


@tornado.web.stream_request_body
class Small(tornado.web.RequestHandler):
    """Takes a thousand bytes."""

    def prepare(self):
        self.request.connection.set_max_body_size(1000)
        self.size = 0

    def data_received(self, chunk):
        self.size += len(chunk)

    def post(self):
        self.write(str(self.size))


class Misleading(tornado.web.RequestHandler):
    """Announces ten bytes and writes as many as are asked for."""

    def get(self, size):
        self.set_header("Content-Length", "10")
        self.write("x" * int(size))


class Detached(tornado.web.RequestHandler):
    def get(self):
        self.detach()


class Hasty(tornado.web.RequestHandler):
    """Wants to write to the stream below."""

    def get(self):
        self.request.connection.stream.write(b"HTTP/1.1 200 OK")


class Echo(tornado.websocket.WebSocketHandler):
    def check_origin(self, origin):
        return True

    def select_subprotocol(self, subprotocols):
        return "chat" if "chat" in subprotocols else None

    async def open(self):
        await self.write_message("welcome")

    async def on_message(self, message):
        if message == "close":
            self.close(4001, "as asked")
        elif message == "raise":
            raise ValueError("broken on purpose")
        elif message == "cancel":
            raise asyncio.CancelledError
        elif message == "write":
            try:
                self.write("no")
            except RuntimeError:
                await self.write_message("RuntimeError")
        else:
            await self.write_message(message, binary=isinstance(message, bytes))

    def on_close(self):
        LEFT.append(f"socket {self.close_code}")


class Bare(tornado.websocket.WebSocketHandler):
    """Gives messages back, and sends no word of its own."""

    async def on_message(self, message):
        await self.write_message(message, binary=isinstance(message, bytes))


def plain(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"plain ", environ["PATH_INFO"].encode()]


class Wrapped(tornado.web.FallbackHandler):
    def initialize(self):
        super().initialize(fallback=tornado.wsgi.WSGIContainer(plain))


def make_app(xsrf=False):
    here = os.path.dirname(os.path.abspath(__file__))
    return tornado.web.Application([
        (r"/", Hello), (r"/about", About), (r"/form", Form), (r"/slow", Slow), (r"/stream/(\d+)/(\d+)", Streamed),
        (r"/endless", Endless), (r"/left", Left), (r"/digest", Digest), (r"/broken", Broken), (r"/cookie", Cookie),
        (r"/token", Token), (r"/status/(\d+)", Status), (r"/small", Small), (r"/parked", Parked), (r"/unpark", Unpark), (r"/marked", Marked),
        (r"/misleading/(\d+)", Misleading), (r"/detached", Detached), (r"/hasty", Hasty), (r"/echo", Echo), (r"/bare", Bare), (r"/plain/.*", Wrapped),
        (r"/files/(.*)", tornado.web.StaticFileHandler, {"path": here}),
    ], cookie_secret="a secret of the test", xsrf_cookies=xsrf, websocket_max_message_size=16 << 20)


application = make_app()
small_messages = tornado.web.Application([(r"/bare", Bare)], websocket_max_message_size=1000)
container = tornado.wsgi.WSGIContainer(plain)

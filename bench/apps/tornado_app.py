"""The hello of Tornado's own server and of ours."""

import logging

import tornado.web

logging.getLogger("tornado.access").disabled = True


class Hello(tornado.web.RequestHandler):
    def get(self):
        self.set_header("Content-Type", "text/plain")
        self.write("Hello, world!")


application = tornado.web.Application([("/", Hello)])

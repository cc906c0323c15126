import hashlib

import falcon


class Hello:
    def on_get(self, request, response):
        response.content_type = "text/plain"
        response.text = "hello from falcon"


class Form:
    def on_post(self, request, response):
        response.content_type = "text/plain"
        response.text = "name=" + request.get_media()["name"]


class Upload:
    def on_post(self, request, response):
        for part in request.get_media():
            data = part.stream.read()
            response.content_type = "text/plain"
            response.text = f"{part.filename} {len(data)} {hashlib.sha256(data).hexdigest()}"


class Stream:
    def on_get(self, request, response):
        response.content_type = "text/plain"
        response.stream = (b"line %d\n" % number for number in range(1000))


class Error:
    def on_get(self, request, response):
        raise RuntimeError("on purpose")


app = falcon.App()
for path, resource in (("/", Hello()), ("/form", Form()), ("/upload", Upload()), ("/stream", Stream()), ("/error", Error())):
    app.add_route(path, resource)

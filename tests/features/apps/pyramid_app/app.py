import hashlib

from pyramid.config import Configurator
from pyramid.response import Response


def hello(request):
    return Response("hello from pyramid", content_type="text/plain")


def form(request):
    return Response("name=" + request.POST["name"], content_type="text/plain")


def upload(request):
    file = request.POST["file"]
    data = file.file.read()
    return Response(f"{file.filename} {len(data)} {hashlib.sha256(data).hexdigest()}", content_type="text/plain")


def stream(request):
    pieces = (b"line %d\n" % number for number in range(1000))
    return Response(app_iter=pieces, content_type="text/plain")


def error(request):
    raise RuntimeError("on purpose")


def main():
    with Configurator() as config:
        for name, view in (("", hello), ("form", form), ("upload", upload), ("stream", stream), ("error", error)):
            config.add_route(view.__name__, "/" + name)
            config.add_view(view, route_name=view.__name__)
        return config.make_wsgi_app()

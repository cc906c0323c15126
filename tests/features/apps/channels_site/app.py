"""Django by ASGI, with channels for its WebSockets; settings and views in one file."""

import asyncio
import hashlib

from django.conf import settings

settings.configure(
    DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of the tests",
    INSTALLED_APPS=["channels"], MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    LOGGING={"version": 1, "disable_existing_loggers": False, "handlers": {"console": {"class": "logging.StreamHandler"}},
             "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}}},
)

from django.core.asgi import get_asgi_application  # noqa: E402

django_app = get_asgi_application()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

DONE = []


async def hello(request):
    return HttpResponse("hello from channels")


def form(request):  # in a thread, as plain functions are
    return HttpResponse("name=" + request.POST["name"])


async def upload(request):
    file = request.FILES["file"]
    data = file.read()
    return HttpResponse(f"{file.name} {len(data)} {hashlib.sha256(data).hexdigest()}")


async def stream(request):
    async def lines():
        for number in range(1000):
            yield f"line {number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def events(request):
    async def ticks():
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.01)

    return StreamingHttpResponse(ticks(), content_type="text/event-stream")


async def background(request):
    async def work():
        DONE.append("task")

    request.task = asyncio.create_task(work())
    return HttpResponse("begun")


async def done(request):
    return JsonResponse(DONE, safe=False)


async def error(request):
    raise RuntimeError("on purpose")


urlpatterns = [path("", hello), path("form", csrf_exempt(form)), path("upload", csrf_exempt(upload)),
               path("stream", stream), path("sse", events), path("background", background), path("done", done),
               path("error", error)]


class Chat(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard("room", self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("room", {"type": "said", "text": text_data})

    async def said(self, event):
        await self.send(text_data=event["text"])


application = ProtocolTypeRouter({"http": django_app, "websocket": URLRouter([path("chat", Chat.as_asgi())])})

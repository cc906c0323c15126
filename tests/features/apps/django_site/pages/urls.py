import hashlib
import threading
import time

from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import path


def hello(request):
    return HttpResponse("hello from django", content_type="text/plain")


def form(request):
    return HttpResponse("name=" + request.POST["name"], content_type="text/plain")


def upload(request):
    file = request.FILES["file"]
    sha = hashlib.sha256()
    for piece in file.chunks():
        sha.update(piece)
    return HttpResponse(f"{file.name} {file.size} {sha.hexdigest()}", content_type="text/plain")


def stream(request):
    return StreamingHttpResponse((b"line %d\n" % number for number in range(1000)), content_type="text/plain")


def error(request):
    raise RuntimeError("on purpose")


def download(request):
    """As django-sendfile2 answers: whoever may have the file gets it from the web server."""
    response = HttpResponse(content_type="application/pdf")
    response["Content-Disposition"] = 'attachment; filename="report.pdf"'
    response[request.GET["by"]] = request.GET["to"]
    response.set_cookie("seen", "1")
    return response


def database(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        time.sleep(0.02)
    return HttpResponse(str(threading.get_ident()))


def page(request):
    return render(request, "page.html", {"title": "First title", "rows": range(20)})


def stylesheet(request):
    return HttpResponse(static("site.css"))


urlpatterns = [path("", hello), path("form", form), path("upload", upload), path("stream", stream),
               path("error", error), path("page", page), path("download", download),
               path("database", database), path("stylesheet", stylesheet)]

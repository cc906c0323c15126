"""What is read out of Django and Flask (interface.md section 5, stage B). Runs in the tests' own environment."""

import json
import os
import sys

import pytest

SETTINGS = '''
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "x"
DEBUG = {debug}
ALLOWED_HOSTS = {hosts}
ROOT_URLCONF = "site_of_ours.urls"
INSTALLED_APPS = ["django.contrib.staticfiles", "shop"]
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [BASE_DIR / "pages"], "APP_DIRS": True}}]
STATIC_URL = "static/"
{more}
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}}}
'''
FILES = {
    "site_of_ours/__init__.py": "",
    "site_of_ours/urls.py": "from django.urls import include, path\nurlpatterns = [path('shop/', include('shop.urls'))]\n",
    "site_of_ours/wsgi.py": "import os\nfrom django.core.wsgi import get_wsgi_application\n"
                            "os.environ['DJANGO_SETTINGS_MODULE'] = 'site_of_ours.settings'\n"
                            "application = get_wsgi_application()\n"
                            "from django.db import connection\nconnection.cursor().execute('select 1')\n",
    "shop/__init__.py": "", "shop/urls.py": "from django.urls import path\nfrom . import views\n"
                                            "urlpatterns = [path('', views.index), path('file', views.file)]\n",
    "shop/views.py": "from django.http import HttpResponse, FileResponse\n"
                     "def index(request):\n    return HttpResponse(f'{request.method} {request.POST.get(\"a\")}')\n"
                     "def file(request):\n    return FileResponse(open(__file__, 'rb'))\n",
    "shop/templates/shop/a.html": "", "pages/deep/b.html": "", "media/x.py": "", "collected/app.js": "x",
}


def django(start, *, debug=False, hosts=("*",), more="", changes=None, **options):
    settings = SETTINGS.format(debug=debug, hosts=list(hosts), more=more)
    files = {**FILES, "site_of_ours/settings.py": settings, **(changes or {})}
    return start("site_of_ours.wsgi", files=files, python=sys.executable, **options)


def test_django(start):
    bridge = django(start, more="STATIC_ROOT = BASE_DIR / 'collected'\nMEDIA_ROOT = BASE_DIR / 'media'")
    message = bridge.channel.expect("imported")
    assert message["framework"].startswith("Django ")
    assert message["static"] == [{"prefix": "/static/", "root": str(bridge.root / "collected")}]
    assert message["notes"] == []
    assert (message["fork_safe"], message["fork_reason"]) == (True, "")
    relative = {os.path.relpath(folder, bridge.root) for folder in bridge.channel.watch["folders"]}
    assert relative == {".", "site_of_ours", "shop", "shop/templates", "shop/templates/shop", "pages", "pages/deep"}
    bridge.start_worker()
    form = bridge.request("POST", "/shop/", [("Content-Type", "application/x-www-form-urlencoded")], b"a=b%20c")
    assert (form.status, form.body) == (200, b"POST b c")
    assert bridge.get("/shop/file").body == FILES["shop/views.py"].encode()
    bridge.settle()


def test_django_is_warm_before_the_fork(start):
    """Templates are compiled and tag libraries imported once, not in every worker; a broken template harms nobody."""
    bridge = django(start, changes={
        "shop/templatetags/__init__.py": "",
        "shop/templatetags/ours.py": "import os\nfrom django import template\nregister = template.Library()\nborn = os.getpid()\n",
        "pages/broken.html": "{% no_such_tag %}", "pages/tagged.html": "{% load ours %}hello",
        "shop/views.py": "import json, os, sys\nfrom django.http import JsonResponse\nfrom django.template import engines\n"
                         "def index(request):\n"
                         "    (cached,) = engines['django'].engine.template_loaders\n"
                         "    ours = sys.modules.get('shop.templatetags.ours')\n"
                         "    compiled = [name for name, value in cached.get_template_cache.items() if hasattr(value, 'render')]\n"
                         "    return JsonResponse({'here': ours is None or ours.born == os.getpid(), 'compiled': sorted(compiled)})\n"
                         "file = index\n"})
    message = bridge.channel.expect("imported")
    assert (message["notes"][1:], message["fork_safe"]) == ([], True)
    bridge.start_worker()
    assert json.loads(bridge.get("/shop/").body) == {"here": False, "compiled": ["deep/b.html", "shop/a.html", "tagged.html"]}
    bridge.settle()


STATIC_URLS = {"shop/views.py": "from django.conf import settings\nfrom django.http import HttpResponse\n"
                               "from django.templatetags.static import static\n"
                               "def index(request):\n    return HttpResponse(settings.STATIC_URL + ' ' + static('a.css'))\nfile = index\n"}


@pytest.mark.parametrize("preload", ["auto", "false"])
@pytest.mark.parametrize("prefix, said, more, mounted, answer", [
    ("", "", "", ["/static/"], "/static/ /static/a.css"),
    ("", "/late", "", ["/static/"], "/late/static/ /late/static/a.css"),
    ("/shop", "/shop", "", ["/shop/static/", "/static/"], "/shop/static/ /shop/static/a.css"),
    ("/shop", "/shop", "STATIC_URL = '/static/'", ["/static/"], "/static/ /static/a.css"),
    ("", "", "FORCE_SCRIPT_NAME = '/forced'", ["/forced/static/", "/static/"], "/forced/static/ /forced/static/a.css"),
])
def test_static_url_of_django_below_a_prefix(start, preload, prefix, said, more, mounted, answer):
    """As Django has it after its first request."""
    bridge = django(start, more=f"STATIC_ROOT = BASE_DIR / 'collected'\n{more}", changes=STATIC_URLS, prefix=prefix,
                    preload=preload, mode="worker" if preload == "false" else "zygote")
    message = bridge.channel.expect("imported")
    assert [entry["prefix"] for entry in message["static"]] == mounted
    bridge.start_worker()
    response = bridge.get(f"{said}/shop/", script_name=said)
    assert (response.status, response.body.decode()) == (200, answer)


@pytest.mark.parametrize("options, note", [
    ({"debug": True}, "DEBUG = True"), ({"hosts": ()}, "ALLOWED_HOSTS is empty"),
    ({}, "/static/ is not served: STATIC_ROOT is not set"),
    ({"more": "STATIC_ROOT = BASE_DIR / 'nowhere'"}, "/static/ is not served: STATIC_ROOT nowhere does not exist; run: python manage.py collectstatic, "
     f"then: kill -HUP {os.getpid()}"),
    ({"more": "STATIC_ROOT = BASE_DIR / 'hollow'", "changes": {"hollow/.x/y": ""}}, None),
])
def test_django_notes(start, options, note):
    message = django(start, **options).channel.expect("imported")
    if note is None:
        assert message["notes"] == [] and len(message["static"]) == 1
    else:
        assert any(note in text for text in message["notes"]), message["notes"]
        assert message["static"] == []


@pytest.mark.parametrize("changes, first", [
    ({"shop/views.py": "import os\ndef index(:\n"}, "shop/views.py:2: SyntaxError"),
    ({"shop/urls.py": "from . import nothing\n"}, "shop/urls.py:1: ImportError: cannot import name 'nothing'"),
    ({"site_of_ours/urls.py": "x = 1\n"}, "django.core.exceptions.ImproperlyConfigured"),
    ({"site_of_ours/settings.py": "raise RuntimeError('no secret')\n"},
     "site_of_ours/settings.py:1: RuntimeError: no secret"),
])
def test_django_that_does_not_import(start, changes, first):
    bridge = django(start, changes=changes)
    message = bridge.channel.expect("failed")
    assert (message["code"], message["exit_code"]) == ("CW0312", 3)
    assert first in message["text"].splitlines()[0]
    assert bridge.channel.watch["folders"]


def test_flask(start):
    app = ("from flask import Flask, request\napp = Flask(__name__)\n"
           "@app.post('/')\ndef index():\n    return f'{request.form[\"a\"]} {len(request.files[\"f\"].read())}'\n"
           "@app.get('/stream')\ndef stream():\n    return (f'{i} ' for i in range(3)), {'X-Stream': 'yes'}\n")
    files = {"app.py": app, "static/style.css": "x", "templates/a/b.html": ""}
    bridge = start("app", files=files, python=sys.executable)
    message = bridge.channel.expect("imported")
    assert message["framework"].startswith("Flask ")
    assert message["static"] == [{"prefix": "/static/", "root": str(bridge.root / "static")}]
    assert {os.path.relpath(folder, bridge.root) for folder in bridge.channel.watch["folders"]} == {".", "templates", "templates/a"}
    bridge.start_worker()
    body = (b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ntext\r\n--b\r\nContent-Disposition: form-data; "
            b"name=\"f\"; filename=\"x\"\r\n\r\n" + b"z" * 50_000 + b"\r\n--b--\r\n")
    response = bridge.request("POST", "/", [("Content-Type", "multipart/form-data; boundary=b")], body)
    assert (response.status, response.body) == (200, b"text 50000")
    assert bridge.get("/stream").body == b"0 1 2 "
    assert bridge.get("/nowhere").status == 404


ENGINES = {
    "jinja2": "import jinja2\nengine = jinja2.Environment(loader=jinja2.ChoiceLoader([jinja2.FileSystemLoader(['pages', '.'])]))\n",
    "starlette": "from starlette.templating import Jinja2Templates\nengine = Jinja2Templates(directory='pages')\n",
    "bottle": "import bottle\nbottle.TEMPLATE_PATH.append('pages')\n",
    "quart": "import quart\nengine = quart.Quart(__name__, template_folder='pages')\n",
    "flask": "import flask, jinja2\nengine = flask.Flask(__name__)\nengine.jinja_loader = jinja2.FileSystemLoader('pages')\n",
    "tornado": "import tornado.web\nengine = tornado.web.Application(template_path='pages')\n",
    "package": "import jinja2\nengine = jinja2.Environment(loader=jinja2.PackageLoader('shop', '../pages'))\n",
    "litestar": "from pathlib import Path\nfrom litestar import Litestar\nfrom litestar.contrib.jinja import JinjaTemplateEngine\n"
                "from litestar.template.config import TemplateConfig\n"
                "engine = Litestar(template_config=TemplateConfig(directory=Path('pages'), engine=JinjaTemplateEngine))\n",
}


@pytest.mark.parametrize("engine", ENGINES)
def test_folders_that_template_engines_look_in(start, engine):
    hello = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n"
    bridge = start("app", files={"app.py": ENGINES[engine] + hello, "pages/mail/a.txt": "", "data/x.txt": "", "shop/__init__.py": ""},
                   python=sys.executable)
    bridge.channel.expect("imported")
    watch = bridge.channel.watch
    assert watch["templates"] == [str(bridge.root / "pages")]
    assert str(bridge.root / "pages/mail") in watch["folders"] and str(bridge.root / "data") not in watch["folders"]


def test_templates_of_pyramid(start):
    app = ("from pyramid.config import Configurator\nclass Renderer:\n    def __init__(self, info): pass\n"
           "    def __call__(self, value, system): return 'x'\n"
           "config = Configurator()\nconfig.add_renderer('.pt', Renderer)\nconfig.add_route('home', '/')\n"
           "config.add_view(lambda request: {}, route_name='home', renderer='shop:pages/home.pt')\napp = config.make_wsgi_app()\n")
    bridge = start("app", files={"app.py": app, "shop/__init__.py": "", "shop/pages/home.pt": "x"}, python=sys.executable)
    assert bridge.channel.expect("imported")["framework"].startswith("Pyramid ")
    assert bridge.channel.watch["templates"] == [str(bridge.root / "shop/pages")]


def test_a_folder_of_templates_that_holds_code(start):
    """There the app may write anything."""
    hello = "import shop\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n"
    engine = "import jinja2\nengine = jinja2.Environment(loader=jinja2.FileSystemLoader('shop'))\n"
    bridge = start("app", files={"app.py": engine + hello, "shop/__init__.py": "", "shop/a/b.html": ""}, python=sys.executable)
    bridge.channel.expect("imported")
    assert bridge.channel.watch["templates"] == []
    assert str(bridge.root / "shop/a") in bridge.channel.watch["folders"]


def test_flask_behind_middleware(start):
    app = ("from flask import Flask\nflask = Flask(__name__)\n"
           "class Middleware:\n    def __init__(self, application):\n        self.application = application\n"
           "    def __call__(self, environ, start_response):\n        return self.application(environ, start_response)\n"
           "app = Middleware(flask.wsgi_app)\n")
    bridge = start("app", files={"app.py": app}, python=sys.executable)
    assert bridge.channel.expect("imported")["framework"].startswith("Flask ")


def test_numpy_is_reseeded_and_its_threads_allow_a_fork(start):
    pytest.importorskip("numpy", reason="numpy is no requirement of the tests")
    app = ("import numpy\nnumpy.dot(numpy.ones((500, 500)), numpy.ones((500, 500)))\n"
           "def application(environ, start_response):\n    start_response('200 OK', [])\n"
           "    a = numpy.ones((400, 400))\n"
           "    return [repr((numpy.random.random(), float(numpy.dot(a, a)[0, 0]))).encode()]\n")
    bridge = start("app", files={"app.py": app}, python=sys.executable)
    message = bridge.channel.expect("imported")
    assert message["fork_safe"], message["fork_reason"]
    answers = []
    for lane in (0, 1):
        worker = bridge.start_worker(lane)
        answers.append(eval(bridge.get().body))
        worker.retire()
        assert worker.wait() == 0
    assert answers[0][0] != answers[1][0] and answers[0][1] == 400.0

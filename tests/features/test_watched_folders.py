"""What of an app's root is watched: each folder with loaded modules, and any text where the app's frameworks look for templates."""

import os
import signal
import time

import pytest

from support.processes import wait_until

pytestmark = pytest.mark.timeout(120)
HELLO = 'def application(environ, start_response):\n    start_response("200 OK", [])\n    return [str({answer}).encode()]\n'
BOTTLE = "import bottle\napplication = bottle.default_app()\n@bottle.route('/')\ndef index():\n    return bottle.template('mail.txt')\n"
FLASK = ("import flask\napplication = flask.Flask(__name__, template_folder='html')\n@application.route('/')\n"
         "def index():\n    return flask.render_template('feed.xml')\n")
JINJA = ("import jinja2\nengine = jinja2.Environment(loader=jinja2.FileSystemLoader('pages'), auto_reload=False)\n"
         + HELLO.format(answer="engine.get_template('theme.css').render()"))

STATE = """
import jinja2
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates

def create_app():
    app = FastAPI()
    app.state.engine = Jinja2Templates(env=jinja2.Environment(loader=jinja2.FileSystemLoader("pages"), auto_reload=False))

    @app.get("/", response_class=HTMLResponse)
    def home(request: Request):
        return request.app.state.engine.get_template("page.html").render()

    return app

app = create_app()
"""
IN_A_CLASS = ("import jinja2\nclass View:\n    engine = jinja2.Environment(loader=jinja2.FileSystemLoader('pages'), auto_reload=False)\n"
              + HELLO.format(answer="View.engine.get_template('page.html').render()"))
CACHED = ("import functools, jinja2\n@functools.lru_cache(maxsize=None)\ndef engine():\n"
          "    return jinja2.Environment(loader=jinja2.FileSystemLoader('pages'), auto_reload=False)\n"
          + HELLO.format(answer="engine().get_template('page.html').render()"))
SETTING = ("import os, jinja2\ndef engine(folder=os.environ.get('PAGES', 'pag' + 'es')):\n"
           "    return jinja2.Environment(loader=jinja2.FileSystemLoader(folder), auto_reload=False)\n"
           "def page(kept=[]):\n    kept or kept.append(engine())\n    return kept[0].get_template('page.html').render()\n"
           + HELLO.format(answer="page()"))


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def serve_files(serve, folder, app_python):
    def start(files, ready=True, options=(), allow=(), workers=1):
        write(folder / "site", files)
        environment = {"VIRTUAL_ENV": os.path.dirname(os.path.dirname(app_python))}
        return serve.run(["serve", "site/app.py", "-b", "127.0.0.1:0", "-w", str(workers), *options], folder, environment, allow, ready=ready)

    return start


def expect(server, answer):
    wait_until(lambda: server.get().text == answer, 15, f"the answer {answer}")
    server.baseline = {server.pid: server.baseline[server.pid]}


def test_all_folders_of_loaded_modules(serve_files, folder):
    names = [f"package{number:04}" for number in range(700)]
    files = {f"{name}/{part}.py": "answer = 1\n" for name in names for part in ("__init__", "module")}
    code = f"import importlib\nmodules = [importlib.import_module(f'package{{number:04}}.module') for number in range({len(names)})]\n"
    server = serve_files({"app.py": code + HELLO.format(answer="sum(module.answer for module in modules)"), **files})
    write(folder / "site", {"package0699/module.py": "answer = 1 + 1\n"})
    expect(server, "701")
    assert "CW0530" not in server.log.text


@pytest.mark.parametrize("options", [(), ("--preload", "false")])
def test_a_file_saved_while_the_first_generation_is_imported(serve_files, folder, options):
    code = "import module, pathlib, time\npathlib.Path('read').touch()\ntime.sleep(1.5)\n"
    server = serve_files({"module.py": "answer = 1\n", "app.py": code + HELLO.format(answer="module.answer")}, False, options)
    wait_until((folder / "site" / "read").exists, 15, "the file to be read")
    write(folder / "site", {"module.py": "answer = 44\n"})
    server.wait_ready()
    expect(server, "44")
    time.sleep(3)
    assert server.log.count("module.py changed; generation") == 1
    assert "generation 3" not in server.log.text


def test_a_module_that_the_app_writes_before_it_imports_it(serve_files):
    """As parser generators do: that is no reload."""
    code = "import time\nwith open('tables.py', 'w') as file:\n    file.write(f'made = {time.time()}')\nimport tables\n"
    server = serve_files({"app.py": code + HELLO.format(answer="1")})
    time.sleep(2.5)
    assert "generation 2" not in server.log.text


@pytest.mark.parametrize("options", [(), ("--preload", "false")])
def test_a_module_that_the_app_writes_after_it_has_imported_it(serve_files, folder, options):
    """As what remembers its last start: each reload would change it again."""
    code = "import time, stamp\nwith open('stamp.py', 'w') as file:\n    file.write(f'started = {time.time()}')\n"
    server = serve_files({"app.py": code + HELLO.format(answer="1"), "stamp.py": "started = 0\n"}, options=options, allow=["CW0531"], workers=3)
    server.log.wait_for(r"CW0531.*stamp.py changed in each of the last 5 starts", 60)
    time.sleep(3)
    assert server.log.count("stamp.py changed; generation") == 4 and "generation 6" not in server.log.text
    write(folder / "site", {"app.py": code + HELLO.format(answer="2")})
    expect(server, "2")
    time.sleep(3)
    assert "generation 7" not in server.log.text and server.log.count("CW0531") == 1
    server.baseline = {server.pid: server.baseline[server.pid]}


def test_a_file_that_somebody_saves_during_each_start(serve_files, folder):
    """That looks as if the app wrote it, but nothing that was saved is lost."""
    code = "import time, module\ntime.sleep(0.7)\n" + HELLO.format(answer="module.answer")
    server = serve_files({"app.py": code, "module.py": "answer = 0\n"})
    for number in range(1, 5):
        write(folder / "site", {"module.py": f"answer = {number}\n"})
        server.log.wait_for(f"generation {number + 1} starts", 30)
        time.sleep(0.3)  # it has read the file
    write(folder / "site", {"module.py": "answer = 'last'\n"})
    expect(server, "last")


@pytest.mark.parametrize("code, name", [(BOTTLE, "views/mail.txt"), (FLASK, "html/feed.xml"), (JINJA, "pages/theme.css")],
                         ids=["bottle", "flask", "jinja"])
def test_any_text_where_frameworks_look_for_templates(serve_files, folder, code, name):
    server = serve_files({"app.py": code, name: "one"})
    assert server.get().text == "one"
    write(folder / "site", {name: "two", "data.txt": "of no interest"})
    expect(server, "two")
    write(folder / "site", {"data/notes.txt": "of no interest", "orders.txt": "nor this"})
    time.sleep(2)
    assert server.log.count("changed; generation") == 1


@pytest.mark.parametrize("code, page", [(STATE, "one"), (IN_A_CLASS, "one"), (CACHED, "one"), (SETTING, "{# a template #}one")],
                         ids=["state", "class", "cached", "setting"])
def test_templates_of_engines_that_no_module_has_a_name_for(serve_files, folder, code, page):
    server = serve_files({"app.py": code, "pages/page.html": page})
    assert server.get().text == "one"
    write(folder / "site", {"pages/page.html": "two"})
    expect(server, "two")
    assert server.log.count("pages/page.html changed; generation") == 1


def test_pages_that_the_app_writes_are_no_templates(serve_files):
    """A cache of pages, what people upload: they were there at the start, and change while requests are served."""
    names = ("rendered/a.html", "cache/b.html", "uploads/c.htm")
    code = (f"def store(names={names}):\n    for name in names:\n        with open(name, 'a') as file:\n"
            "            file.write('<p>x')\n    return 'stored'\n" + HELLO.format(answer="store()"))
    files = {"rendered/a.html": "<p>plain", "cache/b.html": "<p>{{ as it is }}", "uploads/c.htm": "{% raw %}"}
    server = serve_files({"app.py": code, **files})
    for _ in range(3):
        assert server.get().text == "stored"
        time.sleep(1.2)
    assert "changed" not in server.log.text


def test_an_app_below_a_folder_called_templates_may_write_its_data(serve, folder, app_python):
    root = folder / "templates" / "shop"
    write(root, {"app.py": HELLO.format(answer="open('orders.txt', 'a').write('x')")})
    environment = {"VIRTUAL_ENV": os.path.dirname(os.path.dirname(app_python))}
    server = serve.run(["serve", "templates/shop/app.py", "-b", "127.0.0.1:0", "-w", "1"], folder, environment, ())
    assert server.get().text == "1"
    time.sleep(2)
    assert "changed" not in server.log.text


def test_hup_after_a_file_was_saved_is_one_reload(serve_files, folder):
    server = serve_files({"app.py": HELLO.format(answer="1")})
    write(folder / "site", {"app.py": HELLO.format(answer="10 + 1")})
    time.sleep(0.1)
    server.signal(signal.SIGHUP)
    expect(server, "11")
    time.sleep(2)
    assert "changed" not in server.log.text and "generation 3" not in server.log.text


def test_a_file_whose_name_has_a_dot(serve, folder, app_python):
    write(folder, {"app.v2.py": HELLO.format(answer="2")})
    environment = {"VIRTUAL_ENV": os.path.dirname(os.path.dirname(app_python))}
    server = serve.run(["serve", "app.v2.py", "-b", "127.0.0.1:0", "-w", "1"], folder, environment, ())
    assert server.get().text == "2"

#include "config/python_names.h"

#include <gtest/gtest.h>

#include "config/python_source.h"

namespace cutwater::config {
namespace {

// "name:score ..." in the order of likelihood.
std::string names(std::string_view source) {
  std::string text;
  for (const PythonName& name : read_python_module(source).names) {
    text += (text.empty() ? "" : " ") + name.name + ":" + std::to_string(name.score) + (name.is_asgi ? "a" : "");
  }
  return text;
}

TEST(PythonNames, Scores) {
  EXPECT_EQ(names("from flask import Flask\nsite = Flask(__name__)\n"), "site:100");
  EXPECT_EQ(names("import bottle\nx = bottle.default_app()\n"), "x:100");
  EXPECT_EQ(names("import falcon\napi = falcon.App()\n"), "api:100");
  EXPECT_EQ(names("from falcon import App as A\napi = A()\n"), "api:100");
  EXPECT_EQ(names("import falcon.asgi\napp = falcon.asgi.App()\n"), "app:100a");
  EXPECT_EQ(names("from pyramid.config import Configurator\napp = Configurator().make_wsgi_app()\n"), "app:60");
  EXPECT_EQ(names("app = config.make_wsgi_app()\n"), "app:100");
  EXPECT_EQ(names("application = get_wsgi_application()\napplication = WhiteNoise(application)\n"), "application:100");
  EXPECT_EQ(names("def x(environ, start_response): pass\n"), "x:95");
  EXPECT_EQ(names("async def x(scope, receive, send):\n  pass\n"), "x:95a");
  EXPECT_EQ(names("def x(environ):\n  pass\n"), "");
  EXPECT_EQ(names("app = anything\n"), "app:60");
  EXPECT_EQ(names("def make_app(): pass\ndef application(e, s): pass\n"), "application:58 make_app():30");
  EXPECT_EQ(names("def app(config, debug): pass\napplication = app({}, True)\n"), "application:60 app:58");
  EXPECT_EQ(names("@wrap\ndef app(environ, start_response): pass\n"), "app:95");
  EXPECT_EQ(names("@fixture\ndef other(): pass\ndef app(e, s): pass\n"), "app:58");
  EXPECT_EQ(names("def app(e, s, /, debug=False): pass\n"), "app:58");
  EXPECT_EQ(names("async def app(a, b, c): pass\n"), "app:58a");
  for (const char* other : {"def app(x): pass\n", "def app(a, *, b): pass\n", "def app(a, b, *, c): pass\n",
                            "async def app(a, b): pass\n", "def run(e, s): pass\n", "@fixture\ndef app(a, b): pass\n",
                            "@click.command()\n@click.argument('a')\ndef app(a, b): pass\n"}) {
    EXPECT_EQ(names(other), "") << other;
  }
  EXPECT_EQ(names("app: object = build()\n"), "app:60");
  EXPECT_EQ(names("from shop import app\n"), "app:55");
  EXPECT_EQ(names("from shop import (\n  other,\n  site as application,  # yes\n)\n"), "application:55");
  EXPECT_EQ(names("def make_app(): pass\n"), "make_app():30");
  EXPECT_EQ(names("def create_app(a, b=1): pass\n"), "");
  EXPECT_EQ(names("def create_app(*args, a=1, **kw): pass\n"), "create_app():30");
  EXPECT_EQ(names("app = create_app()\n"), "app:90");
  EXPECT_EQ(names("app, db = build()\n"), "app:60");
  EXPECT_EQ(names("app = application = Flask(__name__)\n"), "app:100 application:100");
  EXPECT_EQ(names("import dash\nsite = dash.Dash()\nserver = site.server\n"), "server:100");
  for (const char* nothing :
       {"app = None\n", "app = 'x'\n", "app = Celery()\n", "app == Flask()\n", "app.x = Flask()\n",
        "x = {'app': Flask()}\n", "# app = Flask()\n", "'''\napp = Flask()\n'''\n", "call(app=Flask())\n"}) {
    EXPECT_EQ(names(nothing), "") << nothing;
  }
}

TEST(PythonNames, Blocks) {
  EXPECT_EQ(names("try:\n  from x import app\nexcept ImportError:\n  app = Flask('x')\n"), "app:100");
  EXPECT_EQ(names("if DEBUG: app = Flask('x')\n"), "app:100");
  EXPECT_EQ(names("def f():\n  app = Flask('x')\n\n  def g():\n    pass\n  app = 1\nsite = Flask('y')\n"), "site:100");
  EXPECT_EQ(names("class A:\n\tapp = Flask('x')\n"), "");
  EXPECT_EQ(names("def f(): app = Flask('x')\n"), "");
  PythonModule module =
      read_python_module("if __name__ == '__main__':\n    app = Flask('x')\n    if x:\n        site = Flask('y')\n");
  EXPECT_TRUE(module.names.empty());
  EXPECT_EQ(module.under_main.size(), 2u);
  EXPECT_EQ(module.under_main[0].line, 2u);
}

TEST(PythonNames, TextsAndImports) {
  PythonModule module = read_python_module(
      "import os, a.b as c\nfrom .base import *\nfrom ..x import y\nWSGI = 'a' # no\nN = r\"b\\n\"\nF = f'{x}'\n"
      "os.environ.setdefault(\n    'DJANGO_SETTINGS_MODULE',\n    os.environ.get('X Y', 'shop.settings'))\n");
  EXPECT_EQ(module.texts["WSGI"], "a");
  EXPECT_EQ(module.texts["N"], "b\\n");
  EXPECT_EQ(module.texts["F"], "");
  EXPECT_EQ(module.imports, (std::vector<std::string>{"os", "a.b"}));
  EXPECT_EQ(module.star_imports, std::vector<std::string>{".base"});
  EXPECT_TRUE(module.has_relative_imports);
  EXPECT_EQ(module.django_settings, "shop.settings");
}

TEST(PythonSource, LogicalLines) {
  auto lines = read_python("a = (1,\n     2)\nb = '''x\ny'''; c = 1\nd = 1 + \\\n    2\n\tif x:\n        e\r\n");
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[1].number, 3u);
  EXPECT_EQ(lines[1].tokens[2].text, "x\ny");
  EXPECT_EQ(lines[2].number, 4u);
  EXPECT_EQ(lines[3].tokens.size(), 5u);
  EXPECT_EQ(lines[3].number, 5u);
  EXPECT_EQ(lines[4].indent, 8u);
  EXPECT_EQ(lines[5].indent, 8u);
}

TEST(PythonSource, BrokenCodeGivesFewerLines) {
  for (const char* source :
       {"",     "(",      ")))",           "'",      "'''", "\"\\", "\\",       "app = Flask(", "def",   "def f(",
        "from", "from .", "from x import", "import", "= =", "a = ", "\xff\xfe", "if",           "async", "class",
        "@",    "lambda:"}) {
    read_python_module(source);
  }
  EXPECT_EQ(names("x = 'unfinished\napp = Flask('y')\n"), "app:100");
}

}  // namespace
}  // namespace cutwater::config

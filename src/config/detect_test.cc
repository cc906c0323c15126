// Small made-up projects and what is found in them.
#include "config/detect.h"

#include <gtest/gtest.h>

#include "config/detect_steps.h"
#include "config/test_folder.h"

namespace cutwater::config {
namespace {

class Detect : public testing::Test {
 protected:
  Detect() : environment_(folder_.path()) {}

  // "root-below-the-folder target", or the code and text of the error.
  std::string detect() {
    Reporter reporter;
    auto found = detect_app(folder_.path(), reporter);
    auto diagnostics = reporter.take();
    if (!found) return diagnostics.at(0).code + " " + diagnostics.at(0).text;
    why_ = found->why;
    notes_ = found->notes;
    variables_ = found->environment;
    std::string root = found->root.substr(folder_.path().size());
    return root + (root.empty() ? "" : " ") + found->target;
  }

  TestFolder folder_;
  TestEnvironment environment_;
  std::string why_;
  std::vector<std::string> notes_;
  std::map<std::string, std::string> variables_;
};

constexpr char kManage[] =
    "#!/usr/bin/env python\nimport os\ndef main():\n"
    "    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
    "if __name__ == '__main__':\n    main()\n";
constexpr char kFlask[] = "from flask import Flask\napp = Flask(__name__)\n";

TEST_F(Detect, DjangoByItsSettings) {
  folder_.file("manage.py", kManage)
      .file("shop/settings.py", "DEBUG = True\nWSGI_APPLICATION = 'shop.web.wsgi.site'\n");
  EXPECT_EQ(detect(), "shop.web.wsgi:site");
  EXPECT_EQ(why_, "manage.py names shop.settings, whose WSGI_APPLICATION it is");
}

TEST_F(Detect, OfVeryManyAppsAFewAreShown) {
  for (char name = 'a'; name <= 'o'; ++name) folder_.file(std::string(1, name) + "/main.py", kFlask);
  const std::string text = detect();
  EXPECT_TRUE(text.starts_with("CW0302 several apps in the subfolders of ")) << text;
  EXPECT_NE(text.find("serve l.main:app"), std::string::npos) << text;
  EXPECT_EQ(text.find("serve m.main:app"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\n  and 3 more")) << text;
}

TEST_F(Detect, FactoryThatNeedsArgumentsIsToldOf) {
  folder_.file("app.py", "import x\n\ndef create_app(config, *, debug=False):\n    return x\n");
  EXPECT_EQ(detect(),
            "CW0301 no app found in " + folder_.path() +
                " that can be served as it is, but app.py:3 has create_app(config, debug), a factory that needs "
                "arguments\n  fix: cutwater serve 'app.py:create_app(\"...\")', with plain values; or give its "
                "arguments defaults");
}

TEST_F(Detect, DjangoByTheModuleBesideTheSettings) {
  folder_.file("manage.py", kManage).file("shop/settings.py", "DEBUG = True\n").file("shop/wsgi.py", "x");
  EXPECT_EQ(detect(), "shop.wsgi:application");
}

TEST_F(Detect, DjangoSettingsInAPackage) {
  folder_.file("manage.py", "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = \"shop.settings.production\"\n")
      .file("shop/settings/production.py", "from .base import *\n")
      .file("shop/settings/base.py", "WSGI_APPLICATION = \"shop.wsgi.application\"\n");
  EXPECT_EQ(detect(), "shop.wsgi:application");
  folder_.file("shop/settings/base.py", "").file("shop/wsgi.py", "");
  EXPECT_EQ(detect(), "shop.wsgi:application");
}

TEST_F(Detect, DjangoWithoutWsgiModule) {
  folder_.file("manage.py", kManage).file("shop/settings.py", "");
  EXPECT_EQ(detect(), "django.core.wsgi:get_wsgi_application()");
  EXPECT_EQ(variables_["DJANGO_SETTINGS_MODULE"], "shop.settings");
}

TEST_F(Detect, DjangoInASubfolder) {
  folder_.file("backend/manage.py", kManage)
      .file("backend/shop/settings.py", "WSGI_APPLICATION = 'shop.wsgi.application'\n");
  EXPECT_EQ(detect(), "/backend shop.wsgi:application");
}

TEST_F(Detect, Flask) {
  folder_.file("app.py", kFlask);
  EXPECT_EQ(detect(), "app:app");
  EXPECT_EQ(why_, "app.py:2 has app, Flask(...)");
  EXPECT_TRUE(notes_.empty());
}

TEST_F(Detect, FlaskUnderAnotherName) {
  folder_.file("main.py", "import flask as f\nsite = f.Flask(__name__)\n");
  EXPECT_EQ(detect(), "main:site");
}

TEST_F(Detect, WsgiFileBeatsTheRest) {
  folder_.file("app.py", kFlask).file("wsgi.py", "from app import app as application\n");
  EXPECT_EQ(detect(), "wsgi:application");
  EXPECT_EQ(notes_.at(0), "also found, less likely: app:app");
}

TEST_F(Detect, FileThatImportsTheAppComesFirst) {
  folder_.file("app.py", kFlask).file("main.py", "from app import app\nimport routes\n");
  EXPECT_EQ(detect(), "main:app");
}

TEST_F(Detect, FactoryIsTheLastResort) {
  folder_.file("shop/__init__.py",
               "from flask import Flask\ndef create_app(config=None):\n    app = Flask(__name__)\n");
  EXPECT_EQ(detect(), "shop:create_app()");
  folder_.file("run.py", "from shop import create_app\napp = create_app()\n");
  EXPECT_EQ(detect(), "run:app");
}

TEST_F(Detect, FactoryThatNeedsArgumentsIsNone) {
  folder_.file("app.py", "def create_app(config):\n    pass\n");
  EXPECT_TRUE(detect().starts_with("CW0301"));
}

TEST_F(Detect, PackageWithTheAppInIt) {
  folder_.file("app/__init__.py", kFlask).file("app/models.py", "");
  EXPECT_EQ(detect(), "app:app");
}

TEST_F(Detect, FolderWithoutInit) {
  folder_.file("src/main.py", kFlask);
  EXPECT_EQ(detect(), "src.main:app");
  folder_.file("src/main.py", std::string("import models\n") + kFlask).file("src/models.py", "");
  EXPECT_EQ(detect(), "/src main:app");
}

TEST_F(Detect, FolderThatNoImportCanName) {
  folder_.file("example.com/main.py", kFlask);
  EXPECT_EQ(detect(), "/example.com main:app");
}

TEST_F(Detect, SourceLayout) {
  folder_.file("src/shop/__init__.py", "").file("src/shop/web.py", "").file("src/shop/app.py", kFlask);
  EXPECT_EQ(detect(), "/src shop.app:app");
}

TEST_F(Detect, EqualOnesAreNeverChosen) {
  folder_.file("app.py", kFlask).file("api.py", kFlask);
  EXPECT_EQ(detect(),
            "CW0302 several apps are equally likely; Cutwater does not choose\n"
            "  cutwater serve app:app   (Flask(...))\n"
            "  cutwater serve api:app   (Flask(...))");
}

TEST_F(Detect, TwoNamesInOneFile) {
  folder_.file("app.py", "from flask import Flask\nshop = Flask('a')\nadmin = Flask('b')\n");
  EXPECT_TRUE(detect().starts_with("CW0302"));
  folder_.file("app.py", "from flask import Flask\nadmin = Flask('b')\napp = Flask('a')\n");
  EXPECT_EQ(detect(), "app:app");
  EXPECT_EQ(notes_.at(0), "also found, less likely: app:admin");
  folder_.file("app.py", "from flask import Flask\napp = Flask('a')\napplication = app\n");
  EXPECT_EQ(detect(), "app:app");
}

TEST_F(Detect, SeveralAppsInSubfolders) {
  folder_.file("backend/main.py", kFlask).file("api/main.py", kFlask);
  EXPECT_EQ(detect(),
            "CW0302 several apps in the subfolders of .; Cutwater does not choose\n"
            "  cutwater serve api.main:app\n"
            "  cutwater serve backend.main:app");
}

TEST_F(Detect, OnlyUnderMain) {
  folder_.file("app.py",
               "from flask import Flask\nif __name__ == '__main__':\n    app = Flask(__name__)\n    app.run()\n");
  EXPECT_EQ(detect(),
            "CW0303 app.py:3: app (Flask(...)) is made under if __name__ == \"__main__\", where no server finds it\n"
            "  fix: move it out of that block");
}

TEST_F(Detect, NotEveryAppIsAWebApp) {
  folder_.file("main.py", "from celery import Celery\napp = Celery('x')\n").file("app.py", "from main import app\n");
  EXPECT_TRUE(detect().starts_with("CW0301"));
}

TEST_F(Detect, WsgiBeforeAsgi) {
  folder_.file("asgi.py", "application = wrap()\n").file("server.py", kFlask);
  EXPECT_EQ(detect(), "server:app");
}

TEST_F(Detect, AsgiIsLeftToTheWorkerToExplain) {
  folder_.file("main.py", "from fastapi import FastAPI\napp = FastAPI()\n");
  EXPECT_EQ(detect(), "main:app");
}

TEST_F(Detect, Procfile) {
  folder_.file("app.py", kFlask).file("worker.py", "");
  folder_.file("Procfile",
               "worker: celery -A x\nweb: FOO=1 gunicorn -w 4 -k gthread --preload shop.web:site --log-file -\n");
  EXPECT_EQ(detect(), "shop.web:site");
  EXPECT_EQ(why_, "the Procfile serves it with gunicorn");
  std::filesystem::create_directory(folder_.at("backend"));
  folder_.file("Procfile", "web: cd backend && gunicorn shop.wsgi\n");
  EXPECT_EQ(detect(), "/backend shop.wsgi:application");
  folder_.file("Procfile", "web: gunicorn --chdir=backend 'shop:create_app()'\n");
  EXPECT_EQ(detect(), "/backend shop:create_app()");
  folder_.file("Procfile", "web: python app.py\n");
  EXPECT_EQ(detect(), "app:app");
}

TEST_F(Detect, GunicornFile) {
  folder_.file("app.py", kFlask).file("gunicorn.conf.py", "workers = 4\nwsgi_app = \"shop.web\"\n");
  EXPECT_EQ(detect(), "shop.web:application");
}

TEST_F(Detect, UwsgiFile) {
  folder_.file("uwsgi.ini", "[uwsgi]\r\n; module = no\r\nmodule = shop.web\r\ncallable = app\r\n");
  EXPECT_EQ(detect(), "shop.web:app");
  folder_.file("uwsgi.ini", "[uwsgi]\nwsgi-file = deploy/site.py\n").file("deploy/site.py", "");
  EXPECT_EQ(detect(), "/deploy site:application");
  folder_.file("uwsgi.ini", "[uwsgi]\nmodule = %n.wsgi\n").file("app.py", kFlask);
  EXPECT_EQ(detect(), "app:app");
}

TEST_F(Detect, FlaskApp) {
  folder_.file("shop/__init__.py", "").file("shop/web.py", kFlask).file(".flaskenv", "export FLASK_APP=\"shop.web\"\n");
  EXPECT_EQ(detect(), "shop.web:app");
  environment_.set("FLASK_APP", "shop/web.py:create_app('x')");
  EXPECT_EQ(detect(), "shop.web:create_app('x')");
  EXPECT_EQ(why_, "the variable FLASK_APP names it");
}

TEST_F(Detect, FastapiEntrypoint) {
  folder_.file("pyproject.toml", "[tool.fastapi]\nentrypoint = \"a.b:app\"\n");
  EXPECT_EQ(detect(), "a.b:app");
}

TEST_F(Detect, Passenger) {
  folder_.file("passenger_wsgi.py", "").file("app.py", kFlask);
  EXPECT_EQ(detect(), "passenger_wsgi:application");
}

TEST_F(Detect, ByteOrderMark) {
  folder_.file("app.py", std::string("\xef\xbb\xbf") + kFlask);
  EXPECT_EQ(detect(), "app:app");
}

TEST_F(Detect, PlainSite) {
  folder_.file("dist/index.html");
  EXPECT_NE(detect().find("static = { root = \"dist\" }"), std::string::npos);
}

TEST_F(Detect, EnvironmentsAndTestsAreNotSearched) {
  folder_.environment("strange")
      .file("strange/app.py", kFlask)
      .file("tests/app.py", kFlask)
      .file("node_modules/app.py", kFlask);
  EXPECT_TRUE(detect().starts_with("CW0301"));
}

TEST(ServerCommand, Forms) {
  auto target = [](const std::string& command) {
    auto served = read_server_command(command);
    return served ? served->target : "-";
  };
  EXPECT_EQ(target("gunicorn app:app -b 0.0.0.0:$PORT"), "app:app");
  EXPECT_EQ(target("gunicorn --bind 0.0.0.0:80 --worker-class uvicorn.workers.UvicornWorker app:app"), "app:app");
  EXPECT_EQ(target("newrelic-admin run-program /venv/bin/gunicorn app"), "app:application");
  EXPECT_EQ(target("uvicorn --factory shop:make --host 0.0.0.0"), "shop:make()");
  EXPECT_EQ(target("poetry run waitress-serve --call shop:make"), "shop:make()");
  EXPECT_EQ(target("gunicorn"), "-");
  EXPECT_EQ(target("gunicorn -c conf.py"), "-");
  EXPECT_EQ(target("gunicorn $APP"), "-");
  EXPECT_EQ(target("python manage.py runserver"), "-");
  EXPECT_EQ(target("gunicorn \"shop:create_app('a b')\""), "shop:create_app('a b')");
}

TEST(ServerCommand, ShellWords) {
  EXPECT_EQ(split_shell_words("a 'b c'\t\"d \\\" e\" f\\ g&&h;i | j ''"),
            (std::vector<std::string>{"a", "b c", "d \" e", "f g", "&&", "h", ";", "i", "|", "j", ""}));
  EXPECT_EQ(split_shell_words("'open"), std::vector<std::string>{"open"});
}

}  // namespace
}  // namespace cutwater::config

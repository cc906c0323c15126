"""What is served when nobody says what: Django, Flask, virtual environments, ambiguity."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from support import apps

pytestmark = pytest.mark.timeout(90)


def check(run_binary, folder, app_python, *words, **env):
    return run_binary("check", *words, "-b", "127.0.0.1:0", cwd=folder, env={"VIRTUAL_ENV": os.path.dirname(os.path.dirname(app_python)), **env})


def output(result):
    return result.stdout + result.stderr


@pytest.fixture
def place(folder):
    def copy(name):
        apps.copy(name, folder / name)
        return folder / name

    return copy


@pytest.mark.parametrize("name, told", [("django_site", "pages.wsgi:application"), ("flask_app", "app:app"), ("bottle_app", "app:app"),
                                        ("falcon_app", "app:app"), ("hello", "app:application")])
def test_found(run_binary, place, app_python, name, told):
    result = check(run_binary, place(name), app_python)
    assert result.returncode == 0 and told in output(result), output(result)


def test_a_folder_as_target(run_binary, place, folder, app_python):
    place("django_site")
    result = check(run_binary, folder, app_python, "django_site")
    assert result.returncode == 0 and "pages.wsgi:application" in output(result)


def test_equal_candidates_are_never_chosen_silently(run_binary, folder, app_python):
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "app.py").write_text("from flask import Flask\n\napp = Flask(__name__)\n")
    result = check(run_binary, folder, app_python)
    assert result.returncode == 4 and "one" in output(result) and "two" in output(result), output(result)


def test_nothing_there(run_binary, folder, app_python):
    (folder / "notes.txt").write_text("x")
    result = check(run_binary, folder, app_python)
    assert result.returncode == 4 and re.search(r"error\[CW\d+\]", output(result))


@pytest.mark.parametrize("closed, told", [
    ("app.py", "as far as this user may read; app.py is closed to it\n  fix: let it: chmod +r "),
    (".", ": this user may not look into it\n  fix: let it: chmod +rx "),
])
def test_what_this_user_may_not_read_is_told(binary, folder, closed, told):
    site = folder / "site"
    site.mkdir()
    (site / "app.py").write_text("app = 1\n")
    (site / closed).chmod(0)
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    try:
        result = subprocess.run([binary, "check", site], cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=30, **user)
    finally:
        site.chmod(0o755)
    assert result.returncode == 4 and "error[CW0301] no app found in " in result.stderr and told in result.stderr, result.stderr


def test_import_is_not_needed_to_detect(run_binary, folder, app_python):
    """A candidate that does not import is still the one found; the error is about the import."""
    (folder / "wsgi.py").write_text("import no_such_module\n\n\ndef application(environ, start_response):\n    pass\n")
    result = check(run_binary, folder, app_python)
    assert result.returncode == 3 and "no_such_module" in output(result)


class TestEnvironment:
    def test_dot_venv_is_found_and_needs_nothing_of_ours(self, run_binary, place, tmp_path):
        project = place("hello")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
        result = run_binary("check", "-b", "127.0.0.1:0", cwd=project, env={"VIRTUAL_ENV": None})
        assert result.returncode == 0 and ".venv" in output(result), output(result)

    def test_in_a_parent_up_to_the_repository(self, run_binary, folder):
        (folder / "repository" / ".git").mkdir(parents=True)
        project = folder / "repository" / "sites" / "hello"
        apps.copy("hello", project)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "repository" / ".venv"], check=True)
        result = run_binary("check", "-b", "127.0.0.1:0", cwd=project, env={"VIRTUAL_ENV": None})
        assert result.returncode == 0 and ".venv" in output(result), output(result)

    def test_a_broken_one_is_an_error_with_the_way_out(self, run_binary, place):
        project = place("hello")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
        for name in os.listdir(project / ".venv" / "bin"):
            if name.startswith("python"):
                os.unlink(project / ".venv" / "bin" / name)
                os.symlink("/nowhere/python3", project / ".venv" / "bin" / name)
        result = run_binary("check", "-b", "127.0.0.1:0", cwd=project, env={"VIRTUAL_ENV": None})
        assert result.returncode == 2 and "venv" in output(result) and re.search(r"fix:", output(result))

    def test_without_any_the_path_is_used_and_said(self, run_binary, place):
        project = place("hello")
        result = run_binary("check", "-b", "127.0.0.1:0", cwd=project, env={"VIRTUAL_ENV": None, "PATH": "/usr/bin:/bin"})
        assert result.returncode == 0 and re.search(r"(?i)python 3|/usr/bin/python3", output(result)), output(result)


def test_an_unusual_name_is_told_not_taken(run_binary, place, app_python):
    project = place("hello")
    (project / "app.py").rename(project / "harbour.py")
    result = check(run_binary, project, app_python)
    assert result.returncode == 4 and "cutwater serve harbour.py:application" in output(result), output(result)


def test_a_project_two_folders_down_is_one_app(run_binary, folder, app_python):
    """manage.py and the package that it names are found from both folders."""
    apps.copy("django_site", folder / "code" / "site")
    result = check(run_binary, folder, app_python)
    assert result.returncode == 0 and "pages.wsgi:application" in output(result), output(result)


@pytest.mark.parametrize("target", ["site", "site:application", "site.py"])
def test_a_file_named_like_a_module_of_python(run_binary, place, app_python, target):
    project = place("hello")
    (project / "app.py").rename(project / "site.py")
    result = check(run_binary, project, app_python, target)
    assert result.returncode == 0, output(result)


@pytest.mark.parametrize("target", ["thing.py", "thing"])
@pytest.mark.parametrize("name", ["application", "app"])
def test_an_application_beside_a_factory(run_binary, folder, app_python, name, target):
    """Whatever its arguments are called: who writes both means the factory for somebody else."""
    (folder / "thing.py").write_text(
        "def make_app():\n    raise SystemExit('not wanted')\n\n\n"
        f"def {name}(e, s):\n    s('200 OK', [])\n    return [b'hello']\n")
    result = check(run_binary, folder, app_python, target)
    assert result.returncode == 0 and f"thing:{name} (WSGI" in output(result), output(result)


def test_a_module_alone_is_looked_into(run_binary, place, app_python):
    result = check(run_binary, place("flask_app"), app_python, "app")
    assert result.returncode == 0 and "app:app" in output(result), output(result)


def test_the_shop_serves_its_static_files(serve, folder):
    """examples/shop is found, imported, and its collected files come from the front with their long life."""
    root = apps.APPS.parents[2]
    shop = folder / "shop"
    shutil.copytree(root / "examples" / "shop", shop, ignore=shutil.ignore_patterns("db.sqlite3*", "media", "staticfiles", "secret_key", ".prepared"))
    subprocess.run([root / "tools" / "prepare_shop.sh", sys.executable, shop], check=True, stdout=subprocess.DEVNULL)
    server = serve.run(["serve", "-b", "127.0.0.1:0", "-w", "2"], shop, {"VIRTUAL_ENV": sys.prefix})
    page = server.get("/")
    assert page.status == 200 and "Everything for the quay" in page.text
    for link in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        response = server.get(link)
        assert response.status == 200 and response.get("Cache-Control"), link
        if re.search(r"\.[0-9a-f]{12}\.", link):
            assert re.search(r"max-age=(\d+)", response.get("Cache-Control"))[1] == "31536000"
    assert "Django" in server.log.text and "/static/" in server.log.text

"""What happens to the root of an app itself: it is reached by a symbolic link, which may be switched, or moved away and made anew."""

import os

import pytest

from support.processes import wait_until

pytestmark = pytest.mark.timeout(90)
APP = 'def application(environ, start_response):\n    start_response("200 OK", [])\n    return [b"{answer}"]\n'


def write_app(root, answer):
    root.mkdir(parents=True, exist_ok=True)
    (root / "app.py").write_text(APP.format(answer=answer))


def switch(link, target):
    """As deployments do: the link is another one from one instant to the next."""
    fresh = link.with_name(link.name + ".new")
    fresh.symlink_to(target)
    os.rename(fresh, link)


@pytest.fixture
def serve_root(serve, folder, app_python):
    def start(target="current", allow=()):
        environment = {"VIRTUAL_ENV": os.path.dirname(os.path.dirname(app_python))}
        return serve.run(["serve", target, "-b", "127.0.0.1:0", "-w", "1"], folder, environment, allow)

    return start


def expect(server, answer):
    wait_until(lambda: server.get().text == answer, 15, f"the answer {answer}")
    server.baseline = {server.pid: server.baseline[server.pid]}


class TestLink:
    @pytest.mark.parametrize("target", ["current", "current/app.py", "site.toml"])
    def test_code_behind_a_link_is_watched(self, serve_root, folder, target):
        write_app(folder / "releases" / "1", "one")
        (folder / "current").symlink_to("releases/1")
        (folder / "site.toml").write_text(f'[app.web]\nroot = "{folder}/current"\ntarget = "app:application"\n')
        server = serve_root(target)
        write_app(folder / "releases" / "1", "two")
        expect(server, "two")

    @pytest.mark.parametrize("below", ["", "project"])
    def test_a_switched_link_is_new_code(self, serve_root, folder, below):
        for number in (1, 2):
            write_app(folder / "releases" / str(number) / below, f"release {number}")
        (folder / "current").symlink_to("releases/1")
        server = serve_root(os.path.join("current", below))
        switch(folder / "current", "releases/2")
        expect(server, "release 2")
        server.log.wait_for(rf"{folder}/current changed; generation 2 starts", 5)
        write_app(folder / "releases" / "2" / below, "mended")
        expect(server, "mended")
        switch(folder / "current", folder / "releases" / "1")
        expect(server, "release 1")

    def test_a_switch_to_code_that_does_not_start(self, serve_root, folder):
        write_app(folder / "1", "one")
        (folder / "2").mkdir()
        (folder / "2" / "app.py").write_text("import os\nos._exit(7)\n")
        (folder / "current").symlink_to("1")
        server = serve_root(allow=[r"CW0316"])
        switch(folder / "current", "2")
        server.log.wait_for("generation 1 keeps serving", 15)
        assert server.get().text == "one"
        write_app(folder / "2", "two")
        expect(server, "two")


class TestRoot:
    def test_a_root_made_anew_is_new_code(self, serve_root, folder):
        root = folder / "current"
        write_app(root, "one")
        server = serve_root()
        os.rename(root, folder / "old")
        write_app(root, "two")
        expect(server, "two")
        write_app(folder / "old", "of no interest")
        write_app(root, "three")
        expect(server, "three")
        assert server.log.count("changed; generation") == 2

    def test_that_it_is_gone_is_told_once(self, serve_root, folder):
        root = folder / "current"
        write_app(root, "one")
        server = serve_root(allow=[r"CW0530"])
        os.rename(root, folder / "old")
        server.log.wait_for(rf"CW0530\] {root} is gone: changes of code are not seen until it is there again", 10)
        assert server.get().text == "one"
        write_app(root, "two")
        expect(server, "two")
        assert server.log.count("CW0530") == 1


def test_a_package_called_as_environments_are(serve_root, folder):
    root = folder / "current"
    write_app(root, "one")
    (root / "env").mkdir()
    (root / "app.py").write_text("from env.app import application\n")
    write_app(root / "env", "one")
    server = serve_root()
    write_app(root / "env", "two")
    expect(server, "two")
